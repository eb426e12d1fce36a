"""When the next call may start: the arithmetic of pacing. No clock, no event loop.

Promises, at any rate R asked for and after any change of rate, stall or late start:

- in no half-open second do more than max(1, R) calls start, with `MARGIN_S` to spare for the way to the receiver;
- while there is work enough, at least 0.99 R calls start each second on average (R whole).

Never makes up for lost time beyond the small `catch_up_s` of a late wake-up.
"""

import math
import sys
from bisect import bisect_left, bisect_right
from collections import deque

MARGIN_S = 0.007
"""By how much a call may overtake an earlier one on its way without the receiver seeing more than R in a second."""

WINDOW_S = 1.0 + MARGIN_S

PUNCTUAL_S = 0.002
"""A call that leaves so shortly after its slot left on time: `MARGIN_S` covers that."""

IDLE_S = 0.1
"""A bucket that has been empty for so long was not asked: the calls after that start as evenly as the first ones."""

UNBOUNDED = sys.maxsize
"""What `due_within` answers when the rate is unlimited."""


def catch_up_s(rate_per_s: float, calls: int = 0) -> float:
    """Return how late a call may be, in seconds, and still be made up for by closer starts after it.

    Up to 500/s that is 20 ms or 3 calls, so at most 4 start together: receivers that allow a burst
    of 5 refuse none. Above, 20 ms: the network bundles calls there anyway, and a busy event loop
    would lose more than 1% of the rate without it. Below 1/s nothing is made up for. `calls`: so many at least are.
    """
    if rate_per_s < 1:
        return 0.0
    return max(min(0.020, 3 / rate_per_s) if rate_per_s <= 500 else 0.020, calls / rate_per_s)


def require_rate(rate_per_s: float | None) -> float:
    """Return the rate, inf for None. Raises ValueError for 0, less, or what is no number."""
    if rate_per_s is None:
        return math.inf
    if not rate_per_s > 0:
        raise ValueError(f"a rate must be above 0 calls per second, not {rate_per_s}")
    return rate_per_s


class Schedule:
    """Times are seconds on one clock that never goes back.

    Two rules hold at once. The guard, by the rate R that was asked for: with k = max(1, floor(R)), a call starts
    `WINDOW_S` or more after the k-th before it, whatever the rate was then. So a second that spans a change of rate
    holds at most the larger of the two, and one that begins after it no more than the new one. The spacing: a leaky
    bucket keeps the calls apart evenly. It is drained at k a second (below 1/s: one call each 1/R seconds), or at the
    learnt rate if that is lower.

    A rate asked for that is not whole keeps the bound and loses its fraction: 7.9/s starts 7 in a second. A learnt one
    keeps its fraction: nobody was promised that it is never exceeded.
    """

    def __init__(self, rate_per_s: float | None, catch_up_calls: int = 0) -> None:
        """`catch_up_calls`: how many late calls are made up for, at least, where something else makes calls wait as well."""
        self._catch_up_calls = catch_up_calls
        self._starts: deque[float] = deque()
        self._last_s = -math.inf
        self._full_s = -math.inf  # when the bucket of the spacing will have drained
        self._spacing_s = 0.0
        self._asked = self._learnt = math.inf
        self.rate_per_s = rate_per_s

    @property
    def rate_per_s(self) -> float | None:
        """Calls per second asked for; None is unlimited. Settable at any time: inf is None, 0 or less a ValueError."""
        return None if self._asked == math.inf else self._asked

    @rate_per_s.setter
    def rate_per_s(self, rate_per_s: float | None) -> None:
        self._asked = require_rate(rate_per_s)
        self._most = UNBOUNDED if self._asked == math.inf else max(1, math.floor(self._asked))
        self._space()

    @property
    def learnt_per_s(self) -> float | None:
        """The rate that the service was found to allow, None for no such limit. Settable as `rate_per_s` is."""
        return None if self._learnt == math.inf else self._learnt

    @learnt_per_s.setter
    def learnt_per_s(self, rate_per_s: float | None) -> None:
        self._learnt = require_rate(rate_per_s)
        self._space()

    def _space(self) -> None:
        """Draw the consequences of another rate for the spacing."""
        # What fills the bucket is a number of calls, so that frequent changes of rate give no new credit.
        calls = (self._full_s - self._last_s) / self._spacing_s if self._spacing_s and self._starts else 1.0
        rate = min(self._learnt, self._most if self._asked >= 1 and self._asked < math.inf else self._asked)
        self._spacing_s = 1 / rate
        self._catch_up_s = 0.0 if rate == math.inf else catch_up_s(rate, self._catch_up_calls)
        self._idle_s = max(IDLE_S, self._catch_up_s)
        if self._spacing_s:
            self._full_s = self._last_s + min(calls * self._spacing_s, self._spacing_s + self._catch_up_s)

    def delay(self, now_s: float) -> float:
        """Return how many seconds the next call has to wait; 0 means that it may start now."""
        wait_s = self._full_s - self._catch_up_s - now_s if self._spacing_s else 0.0
        if len(self._starts) >= self._most:
            wait_s = max(wait_s, self._starts[-self._most] + WINDOW_S - now_s)
        return max(wait_s, 0.0)

    def start(self, now_s: float) -> None:
        """Record that a call starts now. Only right after `delay(now_s)` gave 0."""
        starts = self._starts
        while starts and starts[0] + WINDOW_S <= now_s:
            starts.popleft()
        starts.append(now_s)
        self._last_s = now_s
        if now_s - self._full_s > self._idle_s:
            self._full_s = now_s + self._catch_up_s  # nobody was late: there is nothing to make up for
        self._full_s = max(self._full_s, now_s) + self._spacing_s

    def restart(self, start_s: float, now_s: float) -> float:
        """Move a start that was recorded at `start_s` to now, when the call really leaves; return when it counts.

        As long as no start is moved by a second or more, the guard holds for the starts as they end up: one that is
        still to be moved has counted all the time.
        """
        if now_s - start_s <= PUNCTUAL_S:
            return start_s
        self._forget(start_s)
        self._starts.append(now_s)
        return now_s

    def take_back(self, start_s: float) -> None:
        """Forget a start that did not come about. If it was the latest one the next has its place; else it is lost."""
        self._forget(start_s)
        if start_s == self._last_s:
            self._full_s -= self._spacing_s

    def _forget(self, start_s: float) -> None:
        place = bisect_left(self._starts, start_s)
        if place < len(self._starts) and self._starts[place] == start_s:
            del self._starts[place]

    def started_within(self, now_s: float, span_s: float) -> int:
        """Return how many calls started in the last `span_s` seconds (0 to WINDOW_S)."""
        return len(self._starts) - bisect_right(self._starts, now_s - span_s)

    def due_within(self, now_s: float, lead_s: float) -> int:
        """Return at most how many calls may start from now to `lead_s` seconds ahead (0 to 1)."""
        if not 0 <= lead_s <= 1:
            raise ValueError(f"lead_s must lie within 0 and 1 second, not {lead_s}")
        if not self._spacing_s:
            return UNBOUNDED
        end_s = now_s + lead_s
        still_counted = len(self._starts) - bisect_right(self._starts, end_s - WINDOW_S)
        room_s = end_s - max(self._full_s, now_s) + self._catch_up_s
        return max(0, min(self._most - still_counted, math.floor(room_s / self._spacing_s) + 1))
