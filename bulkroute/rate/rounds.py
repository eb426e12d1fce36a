"""What came of calls: counted in rounds at one rate, added up in tallies, and as they were in the last second.

No clock, no I/O: times are seconds on one clock that never goes back.
"""

import math
from collections import deque

SPAN_S = 1.0
"""Most limits are so many calls a second."""

ENOUGH = 6
"""So many refusals are no chance."""

PLENTY = 20
"""So many refusals make more of them pointless, if they are many of the round."""

MANY = 0.2
"""If more than this share of a round is refused, there is no need to wait for more."""

INSTANT_S = 1e-3


class Round:
    """Calls that started one after the other at one rate; to be judged once each of them is answered.

    Refusals come back faster than anything else: who counts answers as they come takes the first ones for all.
    """

    __slots__ = ("accepted", "began_s", "ended_s", "held_s", "lost", "refused", "started", "stood_s", "took_s")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.ended_s = math.inf
        self.started = self.accepted = self.refused = self.lost = 0
        self.held_s = 0.0
        """For how long its refusals made everybody wait."""
        self.stood_s = 0.0
        self.took_s = math.inf
        """For how long everybody waited while it went on."""

    @property
    def is_complete(self) -> bool:
        """Whether no call joins any more, and each is answered."""
        return self.ended_s < math.inf and self.accepted + self.refused + self.lost >= self.started

    @property
    def share(self) -> float:
        """The share of calls refused, if the others are accepted."""
        return self.refused / max(self.started - self.lost, 1)

    def is_bad(self, now_s: float) -> bool:
        """Whether many are refused, whatever becomes of those that are not answered a second after its end."""
        return self.refused >= ENOUGH and self.share > MANY and now_s - self.ended_s >= SPAN_S


class Tally:
    """The sum of rounds at one rate."""

    __slots__ = ("calls", "held_s", "refused", "running_s")

    def __init__(self, calls: int = 0, refused: int = 0, running_s: float = 0.0) -> None:
        self.calls = calls
        self.refused = refused
        self.running_s = running_s
        """Time in which calls went out."""
        self.held_s = 0.0
        """Time in which refusals made everybody wait."""

    def add(self, part: Round) -> None:
        """Add a round. Its calls that nobody answered count as if they had not been made."""
        calls = part.started - part.lost
        self.calls += calls
        self.refused += part.refused
        self.running_s += calls / part.started * (part.ended_s - part.began_s - part.stood_s)
        self.held_s += part.held_s

    def fade(self) -> None:
        """Let what was count half."""
        self.calls //= 2
        self.refused //= 2
        self.running_s /= 2
        self.held_s /= 2

    @property
    def share(self) -> float:
        """The share of calls refused."""
        return self.refused / self.calls if self.calls else 0.0

    @property
    def offered_per_s(self) -> float:
        """Calls per second while they went out."""
        return self.calls / max(self.running_s, INSTANT_S)

    @property
    def accepted_per_s(self) -> float:
        """Calls accepted per second, waits included."""
        return (self.calls - self.refused) / max(self.running_s + self.held_s, INSTANT_S)

    @property
    def net_per_s(self) -> float:
        """What the rate is worth: calls accepted less calls refused per second, waits included."""
        return (self.calls - 2 * self.refused) / max(self.running_s + self.held_s, INSTANT_S)


class LastSecond:
    """What was answered of the calls that started within a second of the last one."""

    def __init__(self) -> None:
        self._answers: deque[tuple[float, bool]] = deque()
        self._accepted = self.most_accepted = 0

    def add(self, started_s: float, *, accepted: bool) -> None:
        """Take an answer."""
        self._answers.append((started_s, accepted))
        self._accepted += accepted
        while self._answers[0][0] <= started_s - SPAN_S:
            self._accepted -= self._answers.popleft()[1]
        self.most_accepted = max(self.most_accepted, self._accepted)

    def take(self, end_s: float, now_s: float) -> Tally:
        """Return what came of the last second before `end_s`, and of the wait since; begin anew."""
        inside = sorted(each for each in self._answers if end_s - SPAN_S <= each[0] <= end_s)
        self._answers.clear()
        self._accepted = 0
        began_s = inside[0][0] if inside else end_s
        return Tally(len(inside), sum(not accepted for _, accepted in inside), now_s - began_s)
