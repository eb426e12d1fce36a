"""One run over a batch: feed the gate, count what comes back, stop in good order.

Promises that whatever ends the run, every answered call is on disk before `execute` returns, and that no call
starts once it is stopping.
"""

import contextlib
import time
from dataclasses import replace
from typing import NamedTuple

from bulkroute.cec.service import Feedback, Service, throttle_for
from bulkroute.errors import BulkrouteError, ExitCode, LedgerError, StopKind, StoppedEarly
from bulkroute.events import Event, OnEvent, RateChanged, Stopping, WaitEnded, WaveStarted
from bulkroute.ledger.notes import Attempt, Pace
from bulkroute.ledger.remarks import Remark
from bulkroute.ledger.runs import RunEnd, RunStart
from bulkroute.ledger.status import summarise
from bulkroute.live.called_routes import LiveReader
from bulkroute.model import PaceCause, route_text
from bulkroute.progress import Progress, Summary, exit_code_for
from bulkroute.rate.throttle import Throttle
from bulkroute.run.back_out_watch import BackOutWatch
from bulkroute.run.counters import Tally
from bulkroute.run.deadlines import Deadlines
from bulkroute.run.downtime import Downtime, tell_of_tokens
from bulkroute.run.failure_limits import Limits
from bulkroute.run.gates import Gates
from bulkroute.run.outlook import Outlook
from bulkroute.run.pauses import Pauses
from bulkroute.run.prepared import Prepared
from bulkroute.run.rate_record import Paces
from bulkroute.run.sending import Sending
from bulkroute.run.waves import Waves
from bulkroute.settings import MOST_IN_FLIGHT

PAUSED = "paused"
"""The key of the operator's hold."""


class Stop(NamedTuple):
    """Why a run ends before its rows do: the kind decides, the reason is for people."""

    kind: StopKind
    reason: str


class Run:
    """Works through the pending rows of a batch, for whoever holds the ledger's lock."""

    def __init__(
        self,
        service: Service,
        *,
        prepared: Prepared,
        reader: LiveReader,
        on_event: OnEvent,
        deadlines: Deadlines,
        backing_out: str | None = None,
        after: "Run | None" = None,
    ) -> None:
        """`backing_out`: why another run's changes are taken back; `after`: that run, whose knowledge of the rate is kept."""
        batch = prepared.batch
        command = "run" if batch.parent is None else "rollback"
        settings = self._settings = service.settings
        self._prepared = prepared
        self._limits = Limits(settings.max_failures, settings.max_consecutive_failures)
        self._pacer = service.pacer
        if after is None:  # reading may have been throttled; the run learns by itself
            self._pacer.set_rate(settings.rate_per_s)
            self._pacer.learn(None)
        self._batch = batch
        self._on_event = on_event
        self._started_s = time.monotonic()
        self._number = batch.begin_run(RunStart.of(settings, command, deadlines.ends_at, prepared.routes))
        self._counts = prepared.counts
        self._tally = Tally(self._limits, on_event)
        self._stop: Stop | None = None
        self.is_aborted = False
        """Whether a person had no time for what is in flight."""
        self._broken: BaseException | None = None
        self._journal = batch.journal(self._number, self._committed)
        self._outlook = Outlook(self._started_s)
        self._pauses = Pauses(self._pacer, self._note, self._journal)
        self._tokens = service.tokens
        tell_of_tokens(self._tokens, self._pauses)
        learned = after._throttle.learned if after else None  # noqa: SLF001  of the same class
        self._throttle: Throttle = throttle_for(service, self._pauses, self._throttled, learned)
        self._feedback = Feedback(service, self._throttle)
        self._deadlines = deadlines
        alive = reader.asker.has_answered
        reads = Downtime(settings, self._pauses, self._pacer.clock, "reads", alive=alive)
        self._reader = reader.sharing(self._feedback, reads.outage)
        asker = self._reader.asker
        self._sending = Sending(service, self._journal, self._feedback, self._pauses, asker, self._give_up)
        self._pool, self._gate = self._sending.pool, self._sending.gate
        self._backing_out = backing_out
        self._way_out = BackOutWatch(settings, prepared, deadlines, lambda: self._pool.begun, self._pace_per_s)
        self._gates = Gates(settings, batch, self._journal, self._pauses, self._tokens.clean)
        shared = prepared, settings, self._sending, self._journal, self._reader, self._gates, self._way_out
        self._waves = Waves(*shared, stop=self.stop, on_event=self._note)
        self._paces = Paces(self._pace, self._journal)
        on_event(prepared.announcement(settings, self._number, command, deadlines.ends_at))

    def progress(self) -> Progress:
        """Return how far the run is."""
        way_out = self._way_out.now()
        return Progress(
            ledger=str(self._batch.path),
            run=self._number,
            seconds=time.monotonic() - self._started_s,
            total=self._counts.total,
            succeeded=self._counts.succeeded + self._tally.succeeded,
            unchanged=self._counts.unchanged,
            skipped=self._counts.skipped,
            failed=self._counts.failed + self._tally.failed,
            refused=self._counts.refused,
            in_flight=self._gate.in_flight,
            in_backoff=self._sending.delivery.in_backoff,
            attempts=self._tally.attempts,
            retries=self._tally.retries,
            throttled=self._tally.throttled,
            concurrency=self._gate.slots,
            asked_per_s=self._throttle.asked_per_s,
            rate_per_s=self._pacer.rate_per_s,
            started_per_s=self._pacer.started_per_s,
            pauses=self._pauses.current(),
            stopping=self._stop.reason if self._stop else None,
            ends_at=self._deadlines.ends_at,
            eta_s=self._eta_s(),
            back_out_rows=way_out.rows,
            back_out_s=way_out.takes_s if way_out.rows else None,
            back_out_by=way_out.latest_start if way_out.rows else None,
            backing_out=self._backing_out,
            wave=self._waves.under_way,
        )

    def _eta_s(self) -> float | None:
        """Return in how many seconds the last row will be done; None if nothing tells."""
        waits_s = [pause.wait_s for pause in self._pauses.current()]
        left = self._counts.pending - self._tally.settled
        return self._outlook.eta_s(left, self._pacer.rate_per_s, waits_s)

    def _pace_per_s(self) -> float | None:
        """Return at which pace rows are done; None if nothing tells."""
        return self._outlook.pace_per_s(self._pacer.rate_per_s)

    def _note(self, event: Event) -> None:
        """Announce a wait or a wave; what was before says nothing of the pace after it."""
        if isinstance(event, WaitEnded | WaveStarted):
            self._outlook.measure_anew(time.monotonic())
        self._on_event(event)

    def keep(self, *remarks: Remark) -> None:
        """Keep what was said of the run in its ledger."""
        self._journal.said(remarks)

    def pause(self, reason: str) -> None:
        """Let no further call start until `resume`; those in flight end."""
        self._pauses.end(PAUSED)
        self._pauses.begin(PAUSED, reason)

    def resume(self) -> None:
        """End the operator's pause; while the service is down, send a probe at once."""
        self._pauses.end(PAUSED)
        self._sending.probe_at_once()
        self._reader.asker.probe_at_once()
        self._tokens.probe_at_once()

    def go(self) -> None:
        """Let the next wave begin, as far as a person has to say so. Raises ValueError if none is held for that."""
        self._gates.go()

    def no_go(self, reason: str) -> None:
        """Let no further wave begin: the run stops. Raises ValueError if no gate is asked."""
        self._gates.no_go(reason)

    def set_rate(self, rate_per_s: float | None) -> None:
        """Change the rate asked for, at once. None is unlimited, 0 or less a ValueError."""
        self._throttle.ask(rate_per_s)
        self._rate_changed(PaceCause.OPERATOR, "asked for by the operator")

    def set_concurrency(self, slots: int) -> None:
        """Change how many calls may be in flight, at once: 1 to 10,000, else ValueError."""
        if not 1 <= slots <= MOST_IN_FLIGHT:
            raise ValueError(f"from 1 to {MOST_IN_FLIGHT:,} calls may be in flight, not {slots}")
        self._pool.resize(slots)
        self._rate_changed(PaceCause.OPERATOR, "asked for by the operator")

    def _pace(self) -> Pace:
        return Pace(self._throttle.asked_per_s, self._pacer.rate_per_s, self._gate.slots)

    def _throttled(self, reason: str) -> None:
        self._rate_changed(PaceCause.THROTTLED, reason)

    def _rate_changed(self, cause: PaceCause, reason: str) -> None:
        self._paces.changed(cause, reason)
        self._outlook.measure_anew(time.monotonic())
        self._on_event(RateChanged(self._pacer.rate_per_s, self._throttle.asked_per_s, self._gate.slots, reason))

    def stop(self, kind: StopKind, reason: str) -> None:
        """Start no more calls; those in flight are awaited and recorded. The first reason stands."""
        if self._stop is None:
            self._stop = Stop(kind, reason)
            self._pool.close()
            self._pauses.run_ends()
            self._on_event(Stopping(reason, self._gate.in_flight))

    def abort(self) -> None:
        """Stop at once: calls in flight are cut off and their rows stay in doubt, as the ledger says."""
        self.stop(StopKind.SIGNAL, "aborted")
        self.is_aborted = True
        self._pool.cancel()

    async def execute(self) -> Summary:
        """Work until every row has its outcome or the run is stopped; record how it ended.

        Raises LedgerError where the ledger failed.
        """
        self._sending.start()
        self._deadlines.arm(self.stop)
        self._way_out.arm(self.stop)
        try:
            try:
                await self._work()
            except LedgerError as error:
                # The calls in flight are still awaited: what can be recorded of them is.
                self._broken = self._broken or error
                self.stop(error.stop, str(error))
            await self._pool.drain()
        finally:
            self._deadlines.close()
            self._way_out.close()
            self._pauses.close()
            self._paces.close()
            await self._sending.end()
        if self._broken is not None:
            with contextlib.suppress(LedgerError):
                await self._journal.flush()
            raise self._broken
        await self._journal.flush()
        return self._close()

    async def _work(self) -> None:
        """Send the rows, in waves if the batch has any; nothing before the ledger's copy is whole."""
        await self._journal.begin()
        if self._prepared.halted is not None:
            self.stop(self._prepared.halted.stop, str(self._prepared.halted))
        self._tally.refused(self._prepared.decided.refusals)
        if self._prepared.waves:
            if self._stop is None:
                await self._waves.send()
        elif self._counts.pending:
            if self._way_out.by_deadline:
                self._way_out.require_fit(self._counts.pending, self.stop)
            await self._pool.process(self._batch.pending(), self._batch.draw_pending)
            await self._journal.flush()
        if self._pool.is_full and self._batch.has_pending():
            self.stop(StopKind.MAX_ROWS, f"--max-rows {self._pool.begun} is reached")

    def _stop_at_limit(self) -> None:
        """Stop where a limit is reached, naming the commonest reason in the service's own words."""
        if self._stop is not None or (reached := self._limits.reached()) is None:
            return
        commonest = self._batch.reasons()[0]
        why = f"{commonest.error}: {commonest.description}" if commonest.description else commonest.error
        kind, words = reached
        example = route_text(commonest.example_id, commonest.example_number)
        self.stop(kind, f"{words}; most often ({commonest.rows:,}) {why}, e.g. {example}")

    def _give_up(self, error: BaseException) -> None:
        """End the run for what a row, or a loop of the gate, raised."""
        if isinstance(error, StoppedEarly):
            self.stop(error.stop, error.what)
        elif isinstance(error, BulkrouteError) and not isinstance(error, LedgerError):
            self.stop(error.stop, str(error))
        else:
            self._broken = self._broken or error
            self.stop(error.stop if isinstance(error, LedgerError) else StopKind.BUG, str(error))

    def _committed(self, answered: list[Attempt], failed: list[Attempt]) -> None:
        before = self._tally.settled
        self._tally.count(answered, failed)
        if rows := self._tally.settled - before:
            self._outlook.settled(time.monotonic(), rows)
        try:
            self._stop_at_limit()
        except LedgerError as error:
            self._give_up(error)

    def _close(self) -> Summary:
        """Record the end of the run; return the summary."""
        seconds = time.monotonic() - self._started_s
        # A walk through all rows, which a run that found nothing to do need not make again.
        counts = self._batch.counts() if self._pool.begun else self._counts
        stop = self._stop
        if stop and stop.kind.exit_code is ExitCode.STOPPED and not counts.pending and not counts.in_doubt:
            stop = None  # what was in flight was the last of it: there is nothing to resume
        failed = counts.failed + counts.refused + self._prepared.left_behind
        exit_code = exit_code_for(failed=failed, pending=counts.pending, in_doubt=counts.in_doubt)
        if stop:
            exit_code = self._exit_code(stop.kind)
        kind, reason = stop or (None, None)
        end = RunEnd(seconds, self._tally.calls, reason, exit_code, kind)
        self._batch.end_run(self._number, end, backs_out=self._way_out.is_due(kind))
        labels = {"tenant": self._settings.tenant, "note": self._settings.note, "plan": self._batch.facts.plan}
        waves = self._batch.waves()
        found = summarise(self._batch.path, self._batch.number, counts, self._number, end, waves=waves, **labels)
        return replace(found, live_read=self._prepared.live_read)

    def _exit_code(self, kind: StopKind) -> ExitCode:
        """Return the exit code of a stop.

        A service that is out of reach once rows were tried is one to resume at. Targets that are refused before the first
        call are wrong usage; before a later wave they stop a run that is under way.
        """
        if kind is StopKind.UNREACHABLE and self._tally.answers > 0:
            return ExitCode.STOPPED
        return ExitCode.LIMIT if kind is StopKind.TARGETS else kind.exit_code
