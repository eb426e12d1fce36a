"""What came of calls: counted in rounds at one rate, added up in tallies, and as they were in the last second.

No clock, no I/O: times are seconds on one clock that never goes back.
"""

import math
from collections import deque

SPAN_S = 1.0
"""Most limits are so many calls a second."""

ROUND_CALLS = 5
"""A round has so many calls at least."""

ENOUGH = 6
"""So many refusals are no chance."""

PLENTY = 20
"""So many refusals, if they are many of the round, and there is no need for more of it."""

MANY = 0.2
"""This share of a round refused is many."""

FORGET = 0.005
"""How fast the quickest answer is forgotten, as a share in each round."""

INSTANT_S = 1e-3


class Round:
    """Calls that started one after the other at one rate; to be judged once each of them is answered.

    Refusals come back faster than anything else: who counts answers as they come takes the first ones for all.
    """

    __slots__ = ("accepted", "began_s", "ended_s", "held_s", "lost", "quickest_s", "refused", "started", "stood_s")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.ended_s = math.inf
        self.started = self.accepted = self.refused = self.lost = 0
        self.held_s = 0.0
        """For how long its refusals made everybody wait."""
        self.stood_s = 0.0
        """For how long everybody waited while it went on."""
        self.quickest_s = math.inf
        """How long the quickest answer took that was no refusal."""

    @property
    def share(self) -> float:
        """The share of calls refused, if those that are not answered yet are accepted."""
        return self.refused / max(self.started - self.lost, 1)

    @property
    def is_answered(self) -> bool:
        """Whether every call that has started is answered."""
        return self.accepted + self.refused + self.lost >= self.started

    def has_verdict(self, now_s: float) -> bool:
        """Whether it is over, and no answer could change what it tells."""
        is_bad = self.refused >= ENOUGH and self.share > MANY
        return self.ended_s <= now_s and (self.is_answered or (is_bad and now_s - self.ended_s >= SPAN_S))


class Rounds:
    """The rounds that go on at the present rate, one of them open, the earlier ones waiting for answers."""

    def __init__(self) -> None:
        self._rounds: list[Round] = []
        self._counts_from_s = -math.inf
        self._quickest_s = math.inf
        self.is_queueing = False
        """Whether answers take long: then calls wait somewhere, and more of them would only wait longer."""

    def restart(self, from_s: float) -> None:
        """Forget all rounds: the rate is another one, and calls count from then on."""
        self._rounds.clear()
        self._counts_from_s = from_s

    def is_settling(self, at_s: float) -> bool:
        """Tell whether calls did not count yet at a moment, since limits still remembered another rate."""
        return at_s < self._counts_from_s

    def close(self, now_s: float, span_s: float) -> Round | None:
        """End the open round if it is full, and return it."""
        last = self._rounds[-1] if self._rounds else None
        if last is None or last.ended_s < math.inf or last.started < ROUND_CALLS:
            return None
        if now_s - last.began_s - last.stood_s < span_s:
            return None
        last.ended_s = now_s
        return last

    def join(self, now_s: float) -> Round | None:
        """Return the round that a call which starts now counts in, if it counts."""
        if now_s < self._counts_from_s:
            return None
        last = self._rounds[-1] if self._rounds else None
        if last is None or last.ended_s < math.inf:
            last = Round(now_s)
            self._rounds.append(last)
        last.started += 1
        return last

    def stand(self, seconds: float) -> None:
        """Take note that everybody waits so long from now."""
        if self._rounds:
            self._rounds[-1].stood_s += seconds

    def first(self) -> Round | None:
        """Return the oldest round."""
        return self._rounds[0] if self._rounds else None

    def take(self, part: Round | None, now_s: float) -> bool:
        """Take a round out if it is to be judged now; return whether that is so."""
        if part is None or not part.has_verdict(now_s) or part not in self._rounds:
            return False
        self._rounds.remove(part)
        if part.accepted:
            self._quickest_s = min((1 + FORGET) * self._quickest_s, part.quickest_s)
            self.is_queueing = part.quickest_s > 3 * self._quickest_s + 0.1
        return True


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
        if self._accepted > self.most_accepted:
            self.most_accepted = self._accepted

    def take(self, end_s: float, now_s: float) -> Tally:
        """Return what came of the last second before `end_s`, and of the wait since; begin anew."""
        inside = sorted(each for each in self._answers if end_s - SPAN_S <= each[0] <= end_s)
        self._answers.clear()
        self._accepted = 0
        began_s = inside[0][0] if inside else end_s
        return Tally(len(inside), sum(not accepted for _, accepted in inside), now_s - began_s)
