"""The back-out: a run that stopped takes back what its batch has changed, and proves it by reading back.

It puts back by the rollback that there is, at the pace and with what was learnt of the rate so far, and it is begun to
be finished: no window and no limit of failures ends it. A person does, or a service that is out of reach; then the same
command goes on with it, as it does after a kill. It never touches a row that the batch has not changed, nor one that
another hand has moved since.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from bulkroute.cec.service import Service
from bulkroute.errors import BulkrouteError, ExitCode, LedgerError, StopKind, UsageError
from bulkroute.events import BackedOut, BackingOut, OnEvent
from bulkroute.ledger import back_outs
from bulkroute.ledger.chart_queries import FailedRow, Search
from bulkroute.ledger.ledger import HeldLedger, Ledger
from bulkroute.ledger.remarks import Remark, RemarkKind
from bulkroute.live.called_routes import LiveReader
from bulkroute.live.verify import Verified, verify
from bulkroute.model import number_text, route_text
from bulkroute.progress import Progress
from bulkroute.run.back_out_time import back_out_time
from bulkroute.run.deadlines import Deadlines
from bulkroute.run.prepare_rollback import RollbackPreparation, WayBack
from bulkroute.run.prepared import Prepared
from bulkroute.run.run import Run
from bulkroute.run.said import Said
from bulkroute.settings import Settings

T = TypeVar("T")

MOST_NAMED = 20
"""Rows that are not back and get a line of their own; `export --rollback` lists all."""


class Ended(NamedTuple):
    """How far a back-out came."""

    rows: int = 0
    """Rows to put back."""
    back: int = 0
    """Of these, those that are proven to be as before; where it ended before its end, those that were put back."""
    reason: str = ""
    """What ended it before its end; empty where it went through."""
    not_back: tuple[str, ...] = ()
    """Rows that are not as before, and why; the first ones."""

    @property
    def exit_code(self) -> ExitCode:
        """Whether all is as before."""
        is_whole = self.back == self.rows and not self.reason
        return ExitCode.BACKED_OUT if is_whole else ExitCode.NOT_BACKED_OUT

    @property
    def sentence(self) -> str:
        """What came of it, in one sentence."""
        if self.reason:
            return f"{self.back:,} of {self.rows:,} changed rows are put back; ended early: {self.reason}"
        return f"{self.back:,} of {self.rows:,} changed rows are proven to be as before"


class _Stopped(Exception):
    """A person has stopped it while it read."""


class BackOut:
    """Takes back what one batch has changed, for whoever holds the ledger's lock."""

    def __init__(
        self,
        decided: back_outs.BackOut,
        held: HeldLedger,
        service: Service,
        reader: LiveReader,
        on_event: OnEvent,
        said: Said,
        after: Run | None,
    ) -> None:
        """`after`: the run that has just stopped; None where an earlier command began it."""
        self._decided = decided
        self._held = held
        self._service = service._replace(settings=_unlimited(service.settings, after))
        self._reader = reader
        self._on_event = on_event
        self._said = said
        self._after = after
        self._rows, self._back = 0, decided.back
        self._run: Run | None = None
        self._reading: asyncio.Task[Any] | None = None
        self._stopped = ""
        self._started_s = time.monotonic()

    # What a person may ask of it, as of any run.

    def progress(self) -> Progress:
        """Return how far it is."""
        if self._run is not None:
            return self._run.progress()
        settings, pacer = self._service.settings, self._service.pacer
        return Progress(
            ledger=str(self._held.path),
            run=self._decided.run,
            seconds=time.monotonic() - self._started_s,
            total=self._rows,
            succeeded=self._back,
            unchanged=0,
            skipped=0,
            failed=0,
            refused=0,
            in_flight=0,
            in_backoff=0,
            attempts=0,
            retries=0,
            throttled=0,
            concurrency=settings.concurrency,
            asked_per_s=settings.rate_per_s,
            rate_per_s=pacer.rate_per_s,
            started_per_s=pacer.started_per_s,
            pauses=[],
            stopping=self._stopped or None,
            ends_at=None,
            eta_s=None,
            backing_out=self._why,
        )

    def stop(self, kind: StopKind, reason: str) -> None:
        """Start no more calls; what is not put back yet, the same command puts back."""
        self._stopped = self._stopped or reason
        if self._run is not None:
            self._run.stop(kind, reason)
        elif self._reading is not None:
            self._reading.cancel()

    def abort(self) -> None:
        """Stop at once."""
        self.stop(StopKind.SIGNAL, "aborted")
        if self._run is not None:
            self._run.abort()

    def pause(self, reason: str) -> None:
        """Let no further call start until `resume`. Raises ValueError while there is none to hold up."""
        self._under_way().pause(reason)

    def resume(self) -> None:
        """Go on. Raises ValueError while nothing is held up."""
        self._under_way().resume()

    def set_rate(self, rate_per_s: float | None) -> None:
        """Change the rate asked for. Raises ValueError, also while it reads."""
        self._under_way().set_rate(rate_per_s)

    def set_concurrency(self, slots: int) -> None:
        """Change how many calls may be in flight. Raises ValueError, also while it reads."""
        self._under_way().set_concurrency(slots)

    def go(self) -> None:
        """Let no wave begin: none is waited for. Raises ValueError."""
        self._under_way().go()

    def no_go(self, reason: str) -> None:
        """Stop nothing: no gate is asked. Raises ValueError."""
        self._under_way().no_go(reason)

    def _under_way(self) -> Run:
        if self._run is None:
            raise ValueError("the back-out reads live bindings now; ask again in a moment")
        return self._run

    @property
    def _why(self) -> str:
        return f"batch {self._decided.batch} is backed out of: {self._decided.reason}"

    async def execute(self) -> None:
        """Put back, read back, and record what came of it.

        Raises LedgerError, and UsageError (a ledger of another service); whatever else ends it is in the ledger and the events, and the same command goes on.
        """
        self._announce()
        if self._after is not None and self._after.is_aborted:
            self.stop(StopKind.SIGNAL, "interrupted before its first call")
        try:
            ended = await self._put_back()
        except _Stopped:
            ended = Ended(self._rows, self._back, self._stopped)
        except (LedgerError, UsageError):
            raise
        except BulkrouteError as error:
            ended = Ended(self._rows, self._back, str(error))
        for text in ended.not_back:
            self._said.notice(f"not back: {text}")
        with self._held.write() as writer:
            ended_as = (ended.exit_code, ended.rows, ended.back)
            writer.end_back_out(self._batch, *ended_as, for_good=not ended.reason)
            is_good = ended.exit_code is ExitCode.BACKED_OUT
            writer.keep_check(self._batch, Remark.now(RemarkKind.CHECK, ended.sentence, is_good=is_good))
        self._on_event(BackedOut(self._decided.batch, ended.rows, ended.back, ended.reason, ended.exit_code))

    def _announce(self) -> None:
        with Ledger(self._held.path).read() as ledger:
            batch = self._batch = ledger.require_batch(self._decided.batch)
            left = batch.count_touched().rows
            self._rows = left + self._decided.back
            found = back_out_time(left, batch.runs()[-1].routes, self._service.pacer.rate_per_s)
        going_on, since = self._after is None, self._decided.decided_at
        event = BackingOut(self._decided.batch, self._decided.reason, found.rows, found.takes_s, since, going_on)
        self._on_event(event)

    async def _put_back(self) -> Ended:
        """Put back and read back. Raises _Stopped, and what reading raises."""
        with ExitStack() as exits:
            prepared = await self._unless_stopped(self._prepare(exits))
            self._rows = prepared.counts.total + prepared.left_behind
            run = self._run = Run(
                self._service,
                prepared=prepared,
                reader=self._reader,
                on_event=self._on_event,
                deadlines=Deadlines(None, None),
                backing_out=self._why,
                after=self._after,
            )
            with self._said.kept_by(run):
                summary = await run.execute()
            self._run, self._back = None, summary.done
            if summary.stopped is not None:
                return Ended(self._rows, summary.done, summary.stopped)
            verified = await self._unless_stopped(
                verify(prepared.batch, self._reader, self._service.settings.backoff_s, self._said.notice)
            )
            if not verified.settled:
                return Ended(self._rows, 0, "", ("nothing is proven: the list of called routes never settled",))
            proven = summary.done - len(verified.differences)
            return Ended(self._rows, proven, "", _not_back(prepared, verified))

    async def _prepare(self, exits: ExitStack) -> Prepared:
        settings = self._service.settings
        rollbacks = RollbackPreparation(settings, self._reader.asker, self._reader, self._said.notice)
        async with rollbacks.take_back(self._held, exits, WayBack(batch=self._decided.batch)) as prepared:
            return prepared

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what only a person's stop may cut off. Raises _Stopped then."""
        if self._stopped:
            work.close()
            raise _Stopped
        self._reading = task = asyncio.create_task(work)
        try:
            return await task
        except asyncio.CancelledError:
            if self._stopped:
                raise _Stopped from None
            raise
        finally:
            self._reading = None


def _unlimited(settings: Settings, after: Run | None) -> Settings:
    """Return settings under which nothing but a person or the service ends what is begun, at the pace that is asked for now."""
    last = after.progress() if after else None
    return replace(
        settings,
        rate_per_s=last.asked_per_s if last else settings.rate_per_s,
        concurrency=last.concurrency if last else settings.concurrency,
        max_failures=None,
        max_consecutive_failures=None,
        max_rows=None,
        until=None,
        max_duration_s=None,
        strict_targets=False,
    )


def _not_back(prepared: Prepared, verified: Verified) -> tuple[str, ...]:
    """Return the first rows that are not as before, and why."""

    def found() -> Iterator[str]:
        for row in prepared.batch.failed_rows(Search(), limit=MOST_NAMED):
            yield f"{_route(row)}: {row.error}" + f": {row.description}" * bool(row.description)
        for each in verified.differences[:MOST_NAMED]:
            yield f"{each.route}: {each.kind.words}: should lead to {each.wanted}, leads to {each.now or 'nothing'}"
        if prepared.left_behind:
            yield f"{prepared.left_behind:,} rows whose earlier binding is not recorded"

    return tuple(found())[:MOST_NAMED]


def _route(row: FailedRow) -> str:
    return route_text(row.id, number_text(row.access_code, row.ext_code))
