"""Whether the service refuses everything, and when to knock again. No clock, no I/O."""

import math
import random
from typing import NamedTuple

IN_A_ROW = 5
"""So many refusals one after the other, and the door is shut."""

HANDFUL = 20
"""So few calls accepted tell little of a rate: they may have been a mere burst."""

FIRST_KNOCK_S, LAST_KNOCK_S = 0.1, 5.0

LATER, LATER_FOR_A_HANDFUL = 1.25, 1.5
"""How much later each knock is than the one before: it costs little beside the many that were let in, much beside few."""


class Opening(NamedTuple):
    """How it was until the door opened again."""

    open_s: float
    """Seconds from the opening before to the shutting."""
    shut_s: float
    """Seconds from the shutting to now."""
    let_in: int
    """Calls accepted since the opening before, without the one that opened: n calls in a row have n - 1 gaps."""

    @property
    def accepted_per_s(self) -> float:
        """Calls accepted per second, from opening to opening; of less than a second as if it were one."""
        return max(self.let_in, 1) / max(self.open_s + self.shut_s, 1.0)

    @property
    def is_handful(self) -> bool:
        """Whether too few were let in to tell a rate."""
        return self.let_in < HANDFUL


class Door:
    """Shut after `IN_A_ROW` refusals; then a call knocks now and then, until one is let in."""

    def __init__(self) -> None:
        self._in_a_row = self._let_in = 0
        self._opened_s = self._shut_s = math.inf
        self._gap_s = FIRST_KNOCK_S
        self.is_shut = False
        """Whether everything is refused."""
        self.knock_s = math.inf
        """When the next call may knock, while it is shut."""

    def is_knocked_by(self, started_s: float) -> bool:
        """Whether a call that started then is one that knocks."""
        return self._shut_s <= started_s

    def started(self, now_s: float) -> None:
        """Take note that the first call starts."""
        self._opened_s = now_s
        self._let_in = -1  # the first one let in opens

    def accepted(self, started_s: float, now_s: float) -> Opening | None:
        """Return how it was until now, if a call that knocked was let in."""
        self._let_in += 1
        self._in_a_row = 0
        if not self.is_shut or not self.is_knocked_by(started_s):
            return None
        opening = Opening(self._shut_s - self._opened_s, now_s - self._shut_s, self._let_in)
        self._opened_s, self._shut_s, self._let_in = now_s, math.inf, 0
        self.is_shut = False
        return opening

    def refused(self, started_s: float, now_s: float) -> None:
        """Take note of a refusal."""
        if not self.is_shut:
            self._in_a_row += 1
            if self._in_a_row >= IN_A_ROW:
                self.shut(now_s)
        elif self.is_knocked_by(started_s):
            self._put_off(now_s)

    def lost(self, started_s: float, now_s: float) -> None:
        """Let another call knock: this one got no answer that tells."""
        if self.is_knocked_by(started_s):
            self._put_off(now_s)

    def shut(self, now_s: float) -> None:
        """Take the door for shut."""
        self._in_a_row, self._shut_s, self._gap_s = 0, now_s, FIRST_KNOCK_S
        self.is_shut = True
        self._put_off(now_s)

    def _put_off(self, now_s: float) -> None:
        self.knock_s = now_s + self._gap_s * random.uniform(0.75, 1)
        later = LATER_FOR_A_HANDFUL if self._let_in < HANDFUL else LATER
        self._gap_s = min(later * self._gap_s, LAST_KNOCK_S)
