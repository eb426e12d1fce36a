"""The pace of a run over time, noted in the ledger: what was asked for, what the service allowed, and why it changed.

Only what differs is noted, and at most once a second: a night of throttling, in which the rate in force changes with
every answer, leaves some thousands of lines.
"""

import asyncio
from collections.abc import Callable

from bulkroute.ledger.journal import Journal
from bulkroute.ledger.notes import Pace
from bulkroute.model import PaceCause

LEAST_GAP_S = 1.0
"""Between two lines."""

LEAST_CHANGE = 0.01
"""The share by which the rate in force must have moved by itself to be noted; nobody sees less in a chart."""


class Paces:
    """Keeps the ledger's record of one run's pace."""

    def __init__(self, now: Callable[[], Pace], journal: Journal) -> None:
        """`now` tells the pace; it is noted at once, as that of the start."""
        self._now = now
        self._journal = journal
        self._announced: dict[str, PaceCause] = {}
        """What is still to be noted: reasons, each with its cause."""
        self._noted = now()
        self._write(self._noted, PaceCause.STARTED, "start of the run")
        self._timer: asyncio.TimerHandle | None = self._look_again()

    def changed(self, cause: PaceCause, reason: str) -> None:
        """Note that the pace has changed, at once or at the end of this second; then the last cause stands for all."""
        self._announced[reason] = cause
        if self._timer is None:
            self._look()

    def close(self) -> None:
        """Note what is still to be noted: the run is over."""
        if self._timer is not None:
            self._timer.cancel()
        self._note()

    def _look(self) -> None:
        """Note the pace; look again in a second as long as it may change by itself, while less is allowed than asked for."""
        self._timer = None
        if self._note() or self._noted.rate_per_s != self._noted.asked_per_s:
            self._timer = self._look_again()

    def _look_again(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(LEAST_GAP_S, self._look)

    def _note(self) -> bool:
        """Note the pace if it differs; return whether it did."""
        pace = self._now()
        announced, self._announced = self._announced, {}
        if pace == self._noted or not (announced or _differs(self._noted, pace)):
            return False
        if announced:
            self._write(pace, [*announced.values()][-1], "; ".join(announced))
        else:
            self._write(pace, PaceCause.SERVICE, "what the service allows")
        return True

    def _write(self, pace: Pace, cause: PaceCause, reason: str) -> None:
        self._noted = pace
        self._journal.paced(pace, cause, reason)


def _differs(noted: Pace, pace: Pace) -> bool:
    """Return whether a change that nobody announced is worth a line: it is large enough, or ends where it was asked to."""
    before, now = noted.rate_per_s, pace.rate_per_s
    if before is None or now is None or now == pace.asked_per_s:
        return True
    return abs(now - before) >= LEAST_CHANGE * before
