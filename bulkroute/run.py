"""One run over a batch: feed the gate, count what comes back, stop in good order.

Promises that whatever ends the run, every answered call is on disk before `execute` returns, and that no call
starts once it is stopping.
"""

import asyncio
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bulkroute.client import Client
from bulkroute.deadlines import Deadlines
from bulkroute.delivery import Delivery, Gate, GateClosed
from bulkroute.errors import BulkrouteError, ExitCode, LedgerError, ServiceUnreachable
from bulkroute.events import RateChanged, RowFailed, RunStarted, Stopping, Watcher
from bulkroute.ledger import batch as batches
from bulkroute.ledger import reading
from bulkroute.ledger.batch import Batch, Changes, RunEnd, Work
from bulkroute.ledger.journal import Attempt, Journal
from bulkroute.ledger.store import ledger_errors
from bulkroute.model import Status
from bulkroute.pacing import Pacer
from bulkroute.progress import Progress
from bulkroute.retry import Ruling, full_jitter
from bulkroute.settings import Settings
from bulkroute.summary import Summary, verdict
from bulkroute.throttle import Throttle
from bulkroute.token import TokenSource
from bulkroute.version import __version__
from bulkroute.waits import Waits

PAUSED = "paused"
"""The key of the operator's hold."""

MOST_IN_BACKOFF = 10_000
"""Rows waiting for their next try; with more of them no new row is begun, so that memory stays flat."""


class Stop(NamedTuple):
    """Why a run ends before its rows do."""

    exit_code: ExitCode
    reason: str


class Run:
    """Works through the pending rows of a batch, for whoever holds the ledger's lock."""

    def __init__(
        self,
        settings: Settings,
        *,
        client: Client,
        tokens: TokenSource,
        pacer: Pacer,
        ledger: Path,
        connection: sqlite3.Connection,
        batch: Batch,
        changes: Changes,
        watch: Watcher,
        deadlines: Deadlines,
    ) -> None:
        self._settings = settings
        self._pacer = pacer
        self._ledger = ledger
        self._connection = connection
        self._batch = batch
        self._watch = watch
        self._started_s = time.monotonic()
        with ledger_errors(ledger, "begin the run"):
            self._number = batches.begin_run(
                connection,
                batch,
                command="run",
                version=__version__,
                service=settings.base_url,
                rate_per_s=settings.rate_per_s,
            )
            failed, in_doubt = batches.reopen(connection, batch)
            self._counts = reading.count(connection, batch.number)
        self._succeeded = self._failed = self._attempts = self._retries = self._throttled = self._answers = 0
        self._stop: Stop | None = None
        self._broken: BaseException | None = None
        self._offered = 0
        """Rows at the gate that have not begun."""
        self._rows: set[asyncio.Task[None]] = set()
        """Rows that have begun and have no outcome yet."""
        self._journal = Journal(connection, ledger, self._number, self._committed)
        self._gate = Gate(settings.concurrency, pacer, self._journal, tokens)
        self._waits = Waits(pacer, self._journal, watch)
        self._throttle = Throttle(
            pacer,
            self._waits,
            backoff_s=settings.backoff_s,
            cap_s=settings.backoff_cap_s,
            max_wait_s=settings.max_throttle_wait_s,
            tell=self._rate_changed,
        )
        self._deadlines = deadlines
        self._delivery = Delivery(
            gate=self._gate,
            client=client,
            tokens=tokens,
            journal=self._journal,
            throttle=self._throttle,
            clock=pacer.clock,
            max_attempts=settings.max_attempts,
            wait=full_jitter(settings.backoff_s, settings.backoff_cap_s),
            stop=self.stop,
        )
        watch(
            RunStarted(
                ledger=str(ledger),
                batch=batch.number,
                run=self._number,
                total=self._counts.total,
                done=self._counts.succeeded + self._counts.unchanged,
                failed_before=failed,
                in_doubt=in_doubt,
                changes=str(changes),
                rate_per_s=settings.rate_per_s,
                concurrency=settings.concurrency,
                service=settings.base_url,
                ends_at=self._deadlines.ends_at,
            )
        )

    def progress(self) -> Progress:
        """Return how far the run is."""
        return Progress(
            ledger=str(self._ledger),
            run=self._number,
            seconds=time.monotonic() - self._started_s,
            total=self._counts.total,
            succeeded=self._counts.succeeded + self._succeeded,
            unchanged=self._counts.unchanged,
            failed=self._counts.failed + self._failed,
            in_flight=self._gate.in_flight,
            in_backoff=max(0, self._offered + len(self._rows) - (self._gate.slots - self._gate.room)),
            attempts=self._attempts,
            retries=self._retries,
            throttled=self._throttled,
            concurrency=self._gate.slots,
            asked_per_s=self._throttle.asked_per_s,
            rate_per_s=self._pacer.rate_per_s,
            started_per_s=self._pacer.started_per_s,
            holds=self._pacer.holds(),
            stopping=self._stop.reason if self._stop else None,
            ends_at=self._deadlines.ends_at,
            eta_s=self._eta_s(),
        )

    def _eta_s(self) -> float | None:
        """Return in how many seconds the last row will be done at the pace so far, None where nothing tells."""
        settled = self._succeeded + self._failed
        left = self._counts.pending - settled
        seconds = time.monotonic() - self._started_s
        return left * seconds / settled if settled else None

    def clock(self) -> float:
        """Return the time on the pacer's clock, which holds go by."""
        return self._pacer.clock()

    def pause(self, reason: str) -> None:
        """Let no further call start until `resume`; those in flight end."""
        self._waits.release(PAUSED)
        self._waits.hold(PAUSED, reason)

    def resume(self) -> None:
        """End the operator's pause; without one, nothing happens."""
        self._waits.release(PAUSED)

    def set_rate(self, rate_per_s: float | None) -> None:
        """Change the rate asked for, at once. None is unlimited, 0 or less a ValueError."""
        self._throttle.ask(rate_per_s)
        self._rate_changed("asked for by the operator")

    def set_concurrency(self, slots: int) -> None:
        """Change how many calls may be in flight, at once. Below 1 is a ValueError."""
        if slots < 1:
            raise ValueError(f"at least one call must be in flight, not {slots}")
        self._gate.resize(slots)
        self._rate_changed("asked for by the operator")

    def _rate_changed(self, reason: str) -> None:
        self._watch(RateChanged(self._pacer.rate_per_s, self._throttle.asked_per_s, self._gate.slots, reason))

    def stop(self, reason: str, exit_code: ExitCode = ExitCode.STOPPED) -> None:
        """Start no more calls; those in flight are awaited and recorded. The first reason stands."""
        if self._stop is None:
            self._stop = Stop(exit_code, reason)
            self._gate.close()
            self._gate.left.set()
            self._watch(Stopping(reason, self._gate.in_flight))

    def abort(self) -> None:
        """Stop at once: calls in flight are cut off and their rows stay in doubt, as the ledger says."""
        self.stop("aborted")
        for row in self._rows:
            row.cancel()

    async def execute(self) -> Summary:
        """Work until every row has its outcome or the run is stopped; record how it ended.

        Raises LedgerError where the ledger failed.
        """
        loops = [
            asyncio.create_task(self._gate.stage(), name="gate: stage"),
            asyncio.create_task(self._gate.start(), name="gate: start"),
        ]
        for loop in loops:
            loop.add_done_callback(self._ended)
        self._deadlines.arm(self.stop)
        try:
            try:
                with ledger_errors(self._ledger, "read the rows to send"):
                    await self._feed()
            except LedgerError as error:
                # The calls in flight are still awaited: what can be recorded of them is.
                self._broken = self._broken or error
                self.stop(str(error), ExitCode.LEDGER)
            await self._await_rows()
        finally:
            self._deadlines.close()
            self._waits.close()
            for task in (*loops, *self._rows):
                task.cancel()
            await asyncio.gather(*loops, *self._rows, return_exceptions=True)
        if self._broken is not None:
            raise self._broken
        await self._journal.flush()
        return self._close()

    async def _feed(self) -> None:
        """Begin a row whenever there is room for it."""
        for work in batches.pending(self._connection, self._batch):
            while self._stop is None and (self._gate.room <= 0 or len(self._rows) >= MOST_IN_BACKOFF):
                self._gate.left.clear()
                await self._gate.left.wait()
            if self._stop is not None:
                return
            self._offered += 1
            self._gate.offer(work.number, partial(self._begin, work), self._refused)

    def _begin(self, work: Work, token: str) -> None:
        """Give a row that the gate admitted a task of its own."""
        self._offered -= 1
        row = asyncio.create_task(self._delivery.deliver(work, token))
        self._rows.add(row)
        row.add_done_callback(self._ended)

    def _refused(self) -> None:
        """Take note that the gate closed before a row's turn; it is still pending."""
        self._offered -= 1

    async def _await_rows(self) -> None:
        while self._offered or self._rows:
            self._gate.left.clear()
            await self._gate.left.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Take note that a row, or a loop of the gate, ended."""
        self._rows.discard(task)
        self._gate.left.set()
        error = None if task.cancelled() else task.exception()
        if error is None or isinstance(error, GateClosed):
            return
        if isinstance(error, ServiceUnreachable) and self._answers:
            self.stop(str(error))  # no token any more: rows were tried, the rest can be resumed
        elif isinstance(error, BulkrouteError) and not isinstance(error, LedgerError):
            self.stop(str(error), error.exit_code)
        else:
            self._broken = self._broken or error
            self.stop(str(error), ExitCode.LEDGER if isinstance(error, LedgerError) else ExitCode.BUG)

    def _committed(self, attempts: list[Attempt]) -> None:
        """Count attempts that have just reached the disk, and announce the rows they failed."""
        for attempt in attempts:
            self._attempts += 1
            self._answers += attempt.http_status is not None
            self._retries += attempt.number > 1
            self._throttled += attempt.verdict == Ruling.THROTTLED.value
            if attempt.status is Status.SUCCEEDED:
                self._succeeded += 1
            elif attempt.status is Status.FAILED:
                self._failed += 1
                self._watch(
                    RowFailed(
                        attempt.id, attempt.error or "", attempt.http_status, attempt.return_code, attempt.description
                    )
                )

    def _close(self) -> Summary:
        """Record the end of the run; return the summary."""
        seconds = time.monotonic() - self._started_s
        with ledger_errors(self._ledger, "record the end of the run"):
            counts = reading.count(self._connection, self._batch.number)
            stop = self._stop
            if stop and stop.exit_code is ExitCode.STOPPED and not counts.pending and not counts.in_doubt:
                stop = None  # what was in flight was the last of it: there is nothing to resume
            exit_code = (
                stop.exit_code
                if stop
                else verdict(failed=counts.failed, pending=counts.pending, in_doubt=counts.in_doubt)
            )
            reason = stop.reason if stop else None
            end = RunEnd(seconds, self._attempts, self._retries, self._throttled, reason, exit_code)
            batches.end_run(self._connection, self._number, end)
        return Summary(
            ledger=str(self._ledger),
            batch=self._batch.number,
            run=self._number,
            **counts._asdict(),
            attempts=self._attempts,
            retries=self._retries,
            throttled=self._throttled,
            seconds=round(seconds, 3),
            rate=round(self._attempts / seconds, 2) if seconds else 0.0,
            stopped=reason,
            exit_code=int(exit_code),
        )
