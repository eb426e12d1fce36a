"""Pauses of all calls: put on the pacer, announced with their reason, and noted in the ledger while a run goes on."""

import asyncio
import time
from collections.abc import Callable

from bulkroute.events import Event, WaitBegan, WaitEnded
from bulkroute.ledger.journal import Journal
from bulkroute.ledger.notes import Wait
from bulkroute.progress import Pause
from bulkroute.rate.pacer import Pacer

DOWN, TOKEN = "down", "token"
"""The causes of a pause while the service is down, or the token service."""


class _Standing:
    """A pause that stands: what is noted of it, and what ends it. Times are on the pacer's clock."""

    def __init__(
        self, noted: Wait, *, give_up_s: float | None, next_probe_s: Callable[[], float | None] | None
    ) -> None:
        self.noted = noted
        self.reason = noted.reason
        self.until_s: float | None = None
        self.give_up_s = give_up_s
        self.next_probe_s = next_probe_s
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

    def begin(self, cause: str, reason: str, until_s: float | None = None, probe_at_s: float | None = None) -> None:
        """Let no call start until `end(cause)`, or `until_s` on the pacer's clock; but for one from `probe_at_s` on.

        One that stands is prolonged.
        """
        standing = self._standing.get(cause)
        if standing is not None and standing.until_s is not None and until_s is not None:
            until_s = max(until_s, standing.until_s)
        wait_s = None if until_s is None else max(0.0, until_s - self._pacer.clock())
        if standing is None:
            standing = self._stand(cause, reason, wait_s=wait_s)
        elif standing.timer:
            standing.timer.cancel()
        self._pacer.hold(cause, standing.noted.reason, until_s, probe_at_s)
        standing.until_s = until_s
        standing.next_probe_s = None if probe_at_s is None else lambda: probe_at_s
        loop = asyncio.get_running_loop()
        standing.timer = None if wait_s is None else loop.call_later(wait_s, self.end, cause)

    def begin_probing(
        self,
        cause: str,
        reason: str,
        *,
        since_s: float,
        give_up_s: float,
        next_probe_s: Callable[[], float | None],
        hold: bool = False,
    ) -> None:
        """Say that only probes go out until `end(cause)`; unless `hold`, who sends them holds the other calls back.

        `since_s` and `give_up_s` are on the pacer's clock, and so is the moment of the next probe.
        """
        if hold:
            self._pacer.hold(cause, reason)
        if cause not in self._standing:
            self._stand(cause, reason, since_s=since_s, give_up_s=give_up_s, next_probe_s=next_probe_s)

    def begin_waiting(self, cause: str, reason: str, *, give_up_s: float | None) -> None:
        """Let no call start until `end(cause)`, for something that no call tells of; given up at `give_up_s`, if ever."""
        self._pacer.hold(cause, reason)
        self._stand(cause, reason, give_up_s=give_up_s)

    def reword(self, cause: str, reason: str) -> None:
        """Say anew why a pause stands; in the ledger the reason stays that it began with."""
        if standing := self._standing.get(cause):
            standing.reason = reason

    def _stand(
        self,
        cause: str,
        reason: str,
        *,
        wait_s: float | None = None,
        since_s: float | None = None,
        give_up_s: float | None = None,
        next_probe_s: Callable[[], float | None] | None = None,
    ) -> _Standing:
        noted = self._journal.waiting(reason) if self._journal else Wait(reason)
        if since_s is not None:
            noted.started_at = self._at(since_s)
        standing = self._standing[cause] = _Standing(noted, give_up_s=give_up_s, next_probe_s=next_probe_s)
        until = None if give_up_s is None else self._at(give_up_s)
        self._on_event(WaitBegan(cause, reason, wait_s, noted.started_at, until))
        return standing

    def end(self, cause: str, outcome: str = "") -> None:
        """End the pause of that cause; if there is none, nothing happens. `outcome`: what it turned out to be."""
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
        self._on_event(WaitEnded(cause, noted.reason, noted.seconds, self._going_on, outcome))

    def current(self) -> list[Pause]:
        """Return the pauses that stand now, the oldest first."""
        now_s = self._pacer.clock()
        return [
            self._describe(cause, standing, now_s)
            for cause, standing in self._standing.items()
            if standing.until_s is None or standing.until_s > now_s
        ]

    def _describe(self, cause: str, standing: _Standing, now_s: float) -> Pause:
        ends_s = standing.until_s if standing.give_up_s is None else standing.give_up_s
        probe_s = standing.next_probe_s() if standing.next_probe_s else None
        return Pause(
            cause,
            standing.reason,
            None if standing.until_s is None else standing.until_s - now_s,
            standing.noted.started_at,
            None if ends_s is None else self._at(ends_s),
            None if probe_s is None else max(0.0, probe_s - now_s),
        )

    def _at(self, moment_s: float) -> float:
        """Return a moment of the pacer's clock in seconds since the epoch."""
        return time.time() + moment_s - self._pacer.clock()

    def run_ends(self) -> None:
        """From now on no end of a pause lets calls start: the run is stopping."""
        self._going_on = False

    def close(self) -> None:
        """End every pause: the run is over."""
        self.run_ends()
        for cause in list(self._standing):
            self.end(cause)
