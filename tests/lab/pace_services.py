"""Services that refuse calls, as models: a limit of some kind, refusals at random, other people's traffic, several nodes.

Each is asked once for each call that arrives, in the order of time, and answers whether it lets the call in.
"""

import math
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

PerSecond = Callable[[float], float]
"""A rate, or a limit, at each moment."""


class Limit(Protocol):
    """Whether a call that arrives now is let in. Times never go back."""

    def admits(self, now_s: float) -> bool: ...


class Sliding:
    """At most `calls` in any `span_s` seconds. `strict`: refused calls count too, so that who goes on stays out."""

    def __init__(self, calls: float, span_s: float = 1.0, *, strict: bool = False) -> None:
        self.calls = calls
        self._span_s = span_s
        self._strict = strict
        self._counted: deque[float] = deque()

    def admits(self, now_s: float) -> bool:
        counted = self._counted
        while counted and now_s - counted[0] >= self._span_s:
            counted.popleft()
        admitted = len(counted) < self.calls
        if admitted or self._strict:
            counted.append(now_s)
        return admitted


class Fixed:
    """At most `calls` in each window of the clock: a second, a minute."""

    def __init__(self, calls: float, span_s: float = 1.0, phase_s: float = 0.37) -> None:
        self._calls = calls
        self._span_s = span_s
        self._phase_s = phase_s
        self._window, self._counted = -1, 0

    def admits(self, now_s: float) -> bool:
        window = math.floor((now_s + self._phase_s) / self._span_s)
        if window != self._window:
            self._window, self._counted = window, 0
        self._counted += 1
        return self._counted <= self._calls

    def opens_in_s(self, now_s: float) -> float:
        """Return how long the window that goes on now still lasts."""
        return self._span_s - (now_s + self._phase_s) % self._span_s


class Bucket:
    """A token bucket, full at first."""

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = self._tokens = burst
        self._at_s = 0.0

    def admits(self, now_s: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate_per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Leaky:
    """nginx's limit_req with nodelay: an excess of `burst` calls over an even flow is let through."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._excess, self._at_s = 0.0, -math.inf

    def admits(self, now_s: float) -> bool:
        excess = 0.0
        if self._at_s > -math.inf:
            excess = max(0.0, self._excess - (now_s - self._at_s) * self._rate_per_s + 1)
        if excess > self._burst + 1e-9:
            return False
        self._excess, self._at_s = excess, now_s
        return True


class Nodes:
    """Several gateways that each count for themselves: a call goes to any of them, or to one for `sticky_s` each."""

    def __init__(self, nodes: list[Limit], chance: random.Random, sticky_s: float = 0.0) -> None:
        self._nodes = nodes
        self._chance = chance
        self._sticky_s = sticky_s
        self._node, self._until_s = nodes[0], -1.0

    def admits(self, now_s: float) -> bool:
        if now_s >= self._until_s:
            self._node = self._chance.choice(self._nodes)
            self._until_s = now_s + self._sticky_s
        return self._node.admits(now_s)


class AtRandom:
    """Refuses a share of the calls, whatever their rate; lets the others through to what is behind, if anything is."""

    def __init__(self, share: float, chance: random.Random, behind: Limit | None = None) -> None:
        self._share = share
        self._chance = chance
        self._behind = behind

    def admits(self, now_s: float) -> bool:
        return self._chance.random() >= self._share and (self._behind is None or self._behind.admits(now_s))


class Varying:
    """A sliding limit that changes with time."""

    def __init__(self, calls: PerSecond) -> None:
        self._calls = calls
        self._limit = Sliding(0)

    def admits(self, now_s: float) -> bool:
        self._limit.calls = self._calls(now_s)
        return self._limit.admits(now_s)


class Queue:
    """Works off so many calls a second; refuses once `depth` of them wait, and is slow long before that."""

    def __init__(self, rate_per_s: float, depth: int) -> None:
        self._rate_per_s = rate_per_s
        self._depth = depth
        self._free_s = 0.0
        self.waited_s = 0.0
        """How long the last call waits for its turn."""

    def admits(self, now_s: float) -> bool:
        self.waited_s = max(0.0, self._free_s - now_s)
        if self.waited_s * self._rate_per_s >= self._depth:
            return False
        self._free_s = max(self._free_s, now_s) + 1 / self._rate_per_s
        return True


class Shared:
    """A limit that other people use too, at random intervals."""

    def __init__(self, limit: Limit, others: PerSecond, chance: random.Random) -> None:
        self._limit = limit
        self._others = others
        self._chance = chance
        self._next_s = 0.0
        self.asked = self.refused = 0
        """Calls of the others."""

    def admits(self, now_s: float) -> bool:
        while self._next_s <= now_s:
            rate_per_s = self._others(self._next_s)
            if rate_per_s > 0:
                self.asked += 1
                self.refused += not self._limit.admits(self._next_s)
                self._next_s += self._chance.expovariate(rate_per_s)
            else:
                self._next_s += 0.1
        return self._limit.admits(now_s)


def steady(per_s: float) -> PerSecond:
    return lambda _now_s: per_s


def walk(seed: int, low: float, high: float, step: float, every_s: float, seconds: float) -> PerSecond:
    """Return a random walk between two bounds."""
    chance = random.Random(seed)
    values = [chance.uniform(low, high)]
    while len(values) * every_s <= seconds + every_s:
        values.append(min(high, max(low, values[-1] + chance.uniform(-step, step))))
    return lambda now_s: values[min(len(values) - 1, int(now_s / every_s))]


def on_off(low: float, high: float, period_s: float, on_s: float | None = None) -> PerSecond:
    """Return `high` for the last `on_s` of each period (half of it unless told), else `low`."""
    begins_s = period_s - (period_s / 2 if on_s is None else on_s)
    return lambda now_s: high if now_s % period_s >= begins_s else low


def dip(normal: float, low: float, begin_s: float, end_s: float) -> PerSecond:
    return lambda now_s: low if begin_s <= now_s < end_s else normal
