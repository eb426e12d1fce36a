"""The kinds of rate limit that gateways have: pure functions of the times of the calls, seconds of one clock.

Each lets in `calls` in `span_s` seconds; `calls` may be set to another number at any time, and what was spent stays
spent. Which calls come to which limit, and who else spends it, is `quota`'s business.
"""

import math
from collections import deque
from typing import Protocol

_ROUNDING = 1e-6


class Limit(Protocol):
    """Decides on one call at a time; times never go backwards."""

    calls: float
    """How many it lets in in its span; above 0."""
    span_s: float
    counts_refused: bool
    """Whether refused calls are spent too, so that whoever goes on stays out."""
    delay_s: float
    """How long the call let in last has to queue."""

    def left(self, now: float) -> int:
        """Return how many calls would be let in at once."""

    def reset_s(self, now: float) -> float:
        """Return the seconds until another call would be let in, where none is left; else until more are left."""

    def count(self, now: float) -> None:
        """Spend one call."""


def enter(limit: Limit, now: float) -> float:
    """Return 0 and count the call, or the seconds until one would be let in."""
    let_in = limit.left(now) > 0
    if let_in or limit.counts_refused:
        limit.count(now)
    return 0.0 if let_in else max(_ROUNDING, limit.reset_s(now))


class Window:
    """At most `calls` in any `span_s` seconds. `strict`: refused calls are spent too."""

    delay_s = 0.0

    def __init__(self, calls: float, span_s: float, *, strict: bool = False) -> None:
        self.calls = calls
        self.counts_refused = strict
        self.span_s = span_s
        self._counted: deque[float] = deque()

    def left(self, now: float) -> int:
        """Return how many calls would be let in at once."""
        most, span_s = whole(self.calls, self.span_s)
        counted = self._counted
        while counted and counted[0] <= now - span_s:
            counted.popleft()
        return most - len(counted)

    def reset_s(self, now: float) -> float:
        """Return the seconds until another call would be let in, where none is left; else until more are left."""
        most, span_s = whole(self.calls, self.span_s)
        counted = self._counted
        return counted[max(0, len(counted) - most)] + span_s - now if counted else 0.0

    def count(self, now: float) -> None:
        """Spend one call."""
        self._counted.append(now)


class Fixed:
    """At most `calls` in each window of the clock: each second, each minute. A new window forgets the one before."""

    counts_refused = False
    delay_s = 0.0

    def __init__(self, calls: float, span_s: float) -> None:
        self.calls = calls
        self.span_s = span_s
        self._window, self._taken = -1, 0

    def left(self, now: float) -> int:
        """Return how many calls would be let in at once."""
        most, span_s = whole(self.calls, self.span_s)
        window = math.floor(now / span_s)
        if window != self._window:
            self._window, self._taken = window, 0
        return most - self._taken

    def reset_s(self, now: float) -> float:
        """Return the seconds until another call would be let in, where none is left; else until more are left."""
        _most, span_s = whole(self.calls, self.span_s)
        return span_s - now % span_s

    def count(self, now: float) -> None:
        """Spend one call."""
        self._taken += 1


class Bucket:
    """A token bucket, full at first: `calls` tokens come in `span_s` seconds, `burst` of them can be saved up."""

    counts_refused = False
    delay_s = 0.0

    def __init__(self, calls: float, span_s: float, burst: int) -> None:
        self.calls = calls
        self.span_s = span_s
        self._burst = burst
        self._tokens = float(burst)
        self._at: float | None = None

    def left(self, now: float) -> int:
        """Return how many calls would be let in at once."""
        passed_s = 0.0 if self._at is None else now - self._at
        self._tokens = min(self._burst, self._tokens + passed_s * self.calls / self.span_s)
        self._at = now
        return int(self._tokens + _ROUNDING)

    def reset_s(self, now: float) -> float:
        """Return the seconds until another call would be let in, where none is left; else until more are left."""
        return (self.left(now) + 1 - self._tokens) * self.span_s / self.calls

    def count(self, now: float) -> None:
        """Spend one call."""
        self._tokens -= 1


class Leaky:
    """nginx's limit_req, nodelay: a bucket that leaks `calls` in `span_s` seconds and overflows beyond `burst`."""

    counts_refused = False
    delay_s = 0.0

    def __init__(self, calls: float, span_s: float, burst: int) -> None:
        self.calls = calls
        self.span_s = span_s
        self._burst = burst
        self._excess = 0.0
        self._last: float | None = None

    def left(self, now: float) -> int:
        """Return how many calls would be let in at once."""
        return max(0, math.floor(self._burst + _ROUNDING - self._with_one_more(now)) + 1)

    def reset_s(self, now: float) -> float:
        """Return the seconds until another call would be let in, where none is left; else until more are left."""
        over = self._with_one_more(now) + self.left(now) - self._burst
        return max(0.0, over) * self.span_s / self.calls

    def count(self, now: float) -> None:
        """Spend one call."""
        self._excess, self._last = self._with_one_more(now), now

    def _with_one_more(self, now: float) -> float:
        if self._last is None:
            return 0.0
        return max(0.0, self._excess - (now - self._last) * self.calls / self.span_s + 1)


class Queue:
    """Works off `calls` in `span_s` seconds: calls wait for each other, and are refused once `depth` of them wait."""

    counts_refused = False

    def __init__(self, calls: float, span_s: float, depth: int) -> None:
        self.calls = calls
        self.span_s = span_s
        self.delay_s = 0.0
        self._depth = depth
        self._waiting = 0.0  # a fraction where one of them is under way
        self._at: float | None = None

    def left(self, now: float) -> int:
        """Return how many calls would be let in at once."""
        passed_s = 0.0 if self._at is None else now - self._at
        self._waiting = max(0.0, self._waiting - passed_s * self.calls / self.span_s)
        self._at = now
        return self._depth - math.ceil(self._waiting - _ROUNDING)

    def reset_s(self, now: float) -> float:
        """Return the seconds until another call would be let in, where none is left; else until more are left."""
        return max(0.0, self._waiting - (self._depth - self.left(now) - 1)) * self.span_s / self.calls

    def count(self, now: float) -> None:
        """Spend one call."""
        self.delay_s = self._waiting * self.span_s / self.calls
        self._waiting += 1


def whole(calls: float, span_s: float) -> tuple[int, float]:
    """Return the limit in whole calls: less than one in a span is one in a longer span."""
    return (int(calls), span_s) if calls >= 1 else (1, span_s / calls)
