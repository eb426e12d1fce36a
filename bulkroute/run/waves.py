"""The waves of a batch, one after the other: sent, read back, let on by the gates, and only then the next.

Never takes the service's "success" for the change, and never begins a wave before the one before it was read back right.
What a wave has come to is on disk before the next begins, so that the same command goes on where this one ended.
"""

import contextlib
import time
from collections.abc import Callable

from bulkroute.errors import BulkrouteError, ServiceUnreachable, StopKind
from bulkroute.events import WARNING, Notice, OnEvent, WaveEnded, WaveStarted
from bulkroute.ledger.journal import Journal
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.remarks import Remark, RemarkKind
from bulkroute.ledger.waves import Faults, Wave, WaveNote, WaveState
from bulkroute.ledger.writer import BatchWriter
from bulkroute.live import targets
from bulkroute.live.called_routes import LiveReader
from bulkroute.model import wave_text
from bulkroute.rate.backoff import doubling
from bulkroute.run.admission import GateClosed
from bulkroute.run.back_out_watch import BackOutWatch
from bulkroute.run.gates import Between, Gates
from bulkroute.run.prepared import Prepared
from bulkroute.run.sending import Sending
from bulkroute.settings import Settings

READ_AGAIN = 5
"""A list may show a change late: a difference is believed only once it was read again so often, after the backoff and
then after twice as long each time."""

SHOWN = 5

OnStop = Callable[[StopKind, str], None]


class Waves:
    """Brings the waves of a batch through the pool of a run."""

    def __init__(
        self,
        prepared: Prepared,
        settings: Settings,
        sending: Sending,
        journal: Journal,
        reader: LiveReader,
        gates: Gates,
        way_out: BackOutWatch,
        *,
        stop: OnStop,
        on_event: OnEvent,
    ) -> None:
        """`stop` ends the run; a stop from elsewhere is known by the closed gate."""
        self._batch: BatchWriter = prepared.batch
        self._waves = prepared.waves
        self._settings = settings
        self._pool, self._gate = sending.pool, sending.gate
        self._journal = journal
        self._reader = reader
        self._gates = gates
        self._way_out = way_out
        self._stop = stop
        self._on_event = on_event
        self._waits_s = [0.0, *doubling(settings.backoff_s, READ_AGAIN)]
        self._warned: set[str] = set()
        self.under_way: str | None = None
        """The wave that is under way, in words."""

    async def send(self) -> None:
        """Send all waves in their order, until the run is stopped. Raises LedgerError."""
        with contextlib.suppress(GateClosed):
            for wave in self._waves:
                if not await self._pass(wave):
                    return

    async def _pass(self, wave: Wave) -> bool:
        """Bring a wave to its end; return whether the next may begin. Raises GateClosed."""
        has_rows = self._batch.has_pending(wave.number)
        self.under_way = self._words(wave)
        if not has_rows and wave.state is WaveState.WAITING:
            await self._move_on(wave, WaveState.DONE, may_follow=True)  # nothing was sent
            return True
        if not has_rows and wave.state is WaveState.DONE and wave.may_follow:
            return True
        if has_rows and not await self._send(wave):
            return False
        is_read_back = not has_rows and wave.state in (WaveState.GATE, WaveState.NO_GO, WaveState.DONE)
        if not is_read_back and not await self._reads_right(wave):
            return False
        return not self._pool.is_full and await self._is_let_on(wave, is_read_back=is_read_back)

    async def _is_let_on(self, wave: Wave, *, is_read_back: bool) -> bool:
        """Tell whether the wave after this one may begin: its targets are sound, and the gates said go. Raises GateClosed."""
        following = self._next_with_rows(wave)
        if following is None:
            await self._move_on(wave, WaveState.DONE)  # a row that is added later has the gates before it
            return True
        if not await self._can_be_reached(following):
            return False
        if wave.may_follow or not self._gates.given:
            await self._move_on(wave, WaveState.DONE, may_follow=True)
            return await self._is_as_planned(following)
        if not await self._may_go_on(wave, was_asked=is_read_back and wave.state is WaveState.GATE):
            return False
        await self._move_on(wave, WaveState.DONE, may_follow=True)
        return await self._can_be_reached(following) and await self._is_as_planned(following)  # gates may take hours

    def _next_with_rows(self, wave: Wave) -> Wave | None:
        later = (each for each in self._waves[self._waves.index(wave) + 1 :] if self._batch.has_pending(each.number))
        return next(later, None)

    async def _may_go_on(self, wave: Wave, *, was_asked: bool) -> bool:
        """Ask the gates after a wave, those that an earlier run asked on from there; stop the run for a no. Raises GateClosed."""
        kept = {gate.gate: gate for gate in self._batch.gates() if gate.wave == wave.number} if was_asked else {}
        if not was_asked:
            await self._move_on(wave, WaveState.GATE)
        since = wave.since if was_asked else time.time()
        between = Between(wave.number, self._words(wave), len(self._waves), since)
        refusal = await self._gate.while_open(self._gates.ask(between, kept))
        if refusal is None:
            self._remark(wave, "its gates said go", is_good=True)
            return True
        await self._move_on(wave, WaveState.NO_GO, refusal)
        self._remark(wave, refusal, is_good=False)
        self._stop(StopKind.GATE, f"no go after {self._words(wave)}: {_last_words(refusal)}")
        return False

    async def _send(self, wave: Wave) -> bool:
        """Send the rows of a wave; return whether all were begun. Raises GateClosed."""
        number = wave.number
        (counts,) = self._batch.waves(number)
        self._way_out.require_fit(counts.rows - counts.done, self._stop, self._words(wave))
        self._gate.require_open()
        await self._move_on(wave, WaveState.SENDING)
        self._on_event(WaveStarted(**self._named(wave)))
        await self._pool.process(self._batch.pending(number), lambda: self._batch.draw_pending(number))
        await self._journal.flush()
        self._gate.require_open()
        if self._batch.has_pending(number):
            return False
        await self._move_on(wave, WaveState.READING)
        return True

    async def _reads_right(self, wave: Wave) -> bool:
        """Tell whether a wave is as it should be; if not, stop the run. Raises GateClosed."""
        try:
            wrong = await self._gate.while_open(self._judge(wave))
        except ServiceUnreachable as error:
            wrong = f"cannot be read back: {error}"
        except BulkrouteError as error:
            self._stop(error.stop, f"{self._words(wave)} cannot be read back: {error}")
            return False
        if wrong is not None:
            await self._move_on(wave, WaveState.WRONG, wrong)
            self._remark(wave, wrong, is_good=False)
            self._stop(StopKind.CANARY, f"{self._words(wave)}: {wrong}")
            return False
        (counts,) = self._batch.waves(wave.number)
        failed = f", {counts.failed:,} failed" if counts.failed else ""
        right = f"{counts.done:,} rows were sent and read back right{failed}"
        self._remark(wave, right, is_good=True)
        self._on_event(WaveEnded(**self._named(wave), done=counts.done, failed=counts.failed))
        return True

    async def _judge(self, wave: Wave) -> str | None:
        """Return what is wrong with a wave that was sent, None if nothing is. Raises what reading raises.

        Rows that failed are wrong in the first wave alone: it is sent to find that out. Later they are for the limits.
        """
        if wave is self._waves[0] and (failed := self._batch.failures_of(wave.number, SHOWN)).rows:
            return _told("failed", failed)
        different = Faults(0, 0, [])
        for wait_s in self._waits_s:
            await self._gate.rest(wait_s)
            with LiveBindings() as live:
                await self._reader.read(live)
                different = self._batch.differences_of(wave.number, live, SHOWN)
            if not different.rows:
                return None
        return _told("read back different", different)

    async def _can_be_reached(self, wave: Wave) -> bool:
        """Look up the targets that a wave is to lead to; where they must be sound and are not, stop the run.

        Raises GateClosed.
        """
        asker, wanted = self._reader.asker, self._batch.targets_of(wave.number)
        look_up = targets.check(asker, wanted, self._warn, strict=self._settings.strict_targets)
        try:
            found = await self._gate.while_open(look_up)
        except BulkrouteError as error:
            why = error.what.removesuffix(f"; {targets.NOTHING_SENT}")
            self._stop(error.stop, f"{self._words(wave)} was not begun: {why}")
            return False
        for text in found.warnings:
            self._warn(f"{WARNING}{self._words(wave)}: {text}")
        return True

    async def _is_as_planned(self, wave: Wave) -> bool:
        """Read whether another hand has changed rows of a saved plan before their wave; if so, stop the run.

        Raises GateClosed.
        """
        if not self._batch.facts.plan:
            return True
        try:
            with LiveBindings() as live:
                await self._gate.while_open(self._reader.read(live))
                drifted = self._batch.off_plan(wave.number, live, SHOWN)
        except BulkrouteError as error:
            self._stop(error.stop, f"{self._words(wave)} cannot be held to its plan: {error}")
            return False
        if drifted.rows:
            told = _told("no longer as planned", drifted)
            self._remark(wave, told, is_good=False)
            self._stop(StopKind.DRIFT, f"{self._words(wave)}: {told}")
        return not drifted.rows

    def _warn(self, text: str) -> None:
        """Say what is to be known of a target, once."""
        if text not in self._warned:
            self._warned.add(text)
            self._journal.said([Remark.of_notice(text)])
            self._on_event(Notice(text))

    async def _move_on(self, wave: Wave, state: WaveState, words: str = "", *, may_follow: bool = False) -> None:
        """Keep how far a wave is, and that its gates have said go, on disk before anything else happens. Raises LedgerError."""
        await self._journal.moved_on(WaveNote(wave.number, state, words, may_follow))

    def _remark(self, wave: Wave, words: str, *, is_good: bool) -> None:
        self._journal.said([Remark.now(RemarkKind.WAVE, f"{self._words(wave)}: {words}", is_good=is_good)])

    def _named(self, wave: Wave) -> dict[str, int]:
        return {"wave": wave.number, "place": self._waves.index(wave) + 1, "waves": len(self._waves)}

    def _words(self, wave: Wave) -> str:
        return wave_text(**self._named(wave))


def _told(what: str, faults: Faults) -> str:
    more = f"; and {faults.rows - len(faults.told)} more" if faults.rows > len(faults.told) else ""
    return f"{faults.rows:,} of {faults.of:,} rows {what}: {'; '.join(faults.told)}{more}"


def _last_words(refusal: str) -> str:
    """Return why a gate said no in one line: what a command printed first is in the ledger."""
    first, *others = refusal.splitlines()
    return f"{first} ... {others[-1]}" if len(others) > 1 else " ".join((first, *others))
