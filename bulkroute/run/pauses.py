"""Pauses of all calls: put on the pacer, announced with their reason, and noted in the ledger while a run goes on."""

import asyncio
from collections.abc import Callable

from bulkroute.events import Event, Pause, WaitBegan, WaitEnded
from bulkroute.ledger.journal import Journal, Wait
from bulkroute.rate.pacer import Pacer


class _Standing:
    """A pause that stands: what is noted of it, and what ends it."""

    def __init__(self, noted: Wait) -> None:
        self.noted = noted
        self.timer: asyncio.TimerHandle | None = None


class Pauses:
    """Holds all calls up, for one cause or several at once."""

    def __init__(self, pacer: Pacer, on_event: Callable[[Event], None], journal: Journal | None = None) -> None:
        """Without a `journal` nothing is noted: there is no run yet."""
        self._pacer = pacer
        self._on_event = on_event
        self._journal = journal
        self._standing: dict[str, _Standing] = {}
        self._going_on = True

    def begin(self, cause: str, reason: str, until_s: float | None = None) -> None:
        """Let no call start until `end(cause)`, or `until_s` on the pacer's clock. One that stands is prolonged."""
        standing = self._standing.get(cause)
        wait_s = None if until_s is None else max(0.0, until_s - self._pacer.clock())
        if standing is None:
            standing = self._standing[cause] = _Standing(
                self._journal.waiting(reason) if self._journal else Wait(reason)
            )
            self._on_event(WaitBegan(cause, reason, wait_s))
        elif standing.timer:
            standing.timer.cancel()
        self._pacer.hold(cause, standing.noted.reason, until_s)
        loop = asyncio.get_running_loop()
        standing.timer = None if wait_s is None else loop.call_later(wait_s, self.end, cause)

    def end(self, cause: str) -> None:
        """End the pause of that cause; if there is none, nothing happens."""
        standing = self._standing.pop(cause, None)
        if standing is None:
            return
        if standing.timer:
            standing.timer.cancel()
        self._pacer.release(cause)
        noted = standing.noted
        noted.end()
        if self._journal:
            self._journal.waited(noted)
        self._on_event(WaitEnded(cause, noted.reason, noted.seconds, self._going_on))

    def current(self) -> list[Pause]:
        """Return the pauses that stand now, the oldest first."""
        now_s = self._pacer.clock()
        return [
            Pause(hold.key, hold.reason, None if hold.until_s is None else hold.until_s - now_s)
            for hold in self._pacer.holds()
        ]

    def run_ends(self) -> None:
        """From now on no end of a pause lets calls start: the run is stopping."""
        self._going_on = False

    def close(self) -> None:
        """End every pause: the run is over."""
        self.run_ends()
        for cause in list(self._standing):
            self.end(cause)
