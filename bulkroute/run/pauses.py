"""Waits of the whole run: put on the pacer, noted in the ledger, and announced, each with its reason."""

import asyncio
from collections.abc import Callable

from bulkroute.events import Event, WaitBegan, WaitEnded
from bulkroute.ledger.journal import Journal, Wait
from bulkroute.rate.pacer import Pacer


class _Standing:
    """A hold that stands."""

    def __init__(self, wait: Wait) -> None:
        self.wait = wait
        self.until_s: float | None = None
        self.timer: asyncio.TimerHandle | None = None


class Waits:
    """Holds the run up, for one reason or several at once."""

    def __init__(self, pacer: Pacer, journal: Journal, watch: Callable[[Event], None]) -> None:
        self._pacer = pacer
        self._journal = journal
        self._watch = watch
        self._standing: dict[str, _Standing] = {}
        self._going_on = True

    def until_s(self, key: str) -> float | None:
        """Return when the hold of that key ends by itself on the pacer's clock, None if it does not or none stands."""
        standing = self._standing.get(key)
        return standing.until_s if standing else None

    def hold(self, key: str, reason: str, until_s: float | None = None) -> None:
        """Let no call start until `release(key)`, or `until_s` on the pacer's clock. A hold that stands is prolonged."""
        standing = self._standing.get(key)
        wait_s = None if until_s is None else max(0.0, until_s - self._pacer.clock())
        if standing is None:
            standing = self._standing[key] = _Standing(self._journal.waiting(reason))
            self._watch(WaitBegan(key, reason, wait_s))
        elif standing.timer:
            standing.timer.cancel()
        self._pacer.hold(key, standing.wait.reason, until_s)
        standing.until_s = until_s
        loop = asyncio.get_running_loop()
        standing.timer = None if wait_s is None else loop.call_later(wait_s, self.release, key)

    def release(self, key: str) -> None:
        """End the hold of that key; without one, nothing happens."""
        standing = self._standing.pop(key, None)
        if standing is None:
            return
        if standing.timer:
            standing.timer.cancel()
        self._pacer.release(key)
        self._journal.waited(standing.wait)
        wait = standing.wait
        self._watch(WaitEnded(key, wait.reason, (wait.ended_at or wait.started_at) - wait.started_at, self._going_on))

    def run_ends(self) -> None:
        """From now on no end of a wait lets the run go on: it is stopping."""
        self._going_on = False

    def close(self) -> None:
        """End every hold: the run is over."""
        self.run_ends()
        for key in list(self._standing):
            self.release(key)
