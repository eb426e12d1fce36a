"""The gateway's rate limits: pure functions of the times of the calls, seconds of one clock."""

from collections import deque
from typing import Protocol


class Throttle(Protocol):
    """Decides on one call at a time; times never go backwards."""

    def wait_s(self, now: float) -> float:
        """Return 0 and count the call, or the seconds until one would be let through."""


class Window:
    """At most `rate_per_s` calls in any second; below one a second, at most one in 1/rate seconds."""

    def __init__(self, rate_per_s: float) -> None:
        self._span_s = max(1.0, 1 / rate_per_s)
        self._most = max(1, int(rate_per_s))
        self._passed: deque[float] = deque()

    def wait_s(self, now: float) -> float:
        """Return 0 and count the call, or the seconds until one would be let through."""
        while self._passed and self._passed[0] <= now - self._span_s:
            self._passed.popleft()
        if len(self._passed) >= self._most:
            return self._passed[0] + self._span_s - now
        self._passed.append(now)
        return 0.0


class Leaky:
    """nginx's limit_req, nodelay: a bucket that leaks `rate_per_s` and overflows beyond `burst`."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._excess = 0.0
        self._last: float | None = None

    def wait_s(self, now: float) -> float:
        """Return 0 and count the call, or the seconds until one would be let through."""
        excess = 0.0
        if self._last is not None:
            excess = max(0.0, self._excess - (now - self._last) * self._rate_per_s + 1)
        if excess > self._burst + 1e-6:
            return (excess - self._burst) / self._rate_per_s
        self._excess, self._last = excess, now
        return 0.0


class Shut:
    """Lets nothing through, ever."""

    def wait_s(self, now: float) -> float:
        """Return a second, always."""
        return 1.0
