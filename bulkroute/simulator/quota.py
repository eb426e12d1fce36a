"""What the gateway lets in: a limit of some kind on each of its nodes, spent by other people too, changing with time."""

import math
import random
from collections.abc import Callable

from .faults import Faults
from .limits import Bucket, Fixed, Leaky, Limit, Queue, Window, enter, whole
from .moments import change
from .refusals import USUAL, Standing

_IDLE_STEP_S = 0.1
_LONGEST_CATCH_UP_S = 600.0


class Quota:
    """Decides on one call at a time. `now` is the event loop's clock, `elapsed_s` counts from the rehearsal's beginning."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._faults = faults
        self._changes = sorted(map(change, faults.throttle_at), key=lambda at_and_calls: at_and_calls[0])
        self._nodes: list[Limit] = []
        self._at_random = random.Random(f"{seed} nodes")
        self._stays_until = -math.inf
        self._others = Others(faults, seed) if faults.others else None
        self._calls: float | None = None
        self._node: Limit | None = None
        self._shut_s = 1.0
        self._apply(0.0 if faults.throttle_forever else faults.throttle)

    def __bool__(self) -> bool:
        """Tell whether there is, was or will be a limit."""
        return self._calls is not None or bool(self._changes or self._nodes)

    def wait_s(self, now: float, elapsed_s: float) -> float:
        """Return 0 and count the call, or the seconds until one would be let in."""
        while self._changes and self._changes[0][0] <= elapsed_s:
            self._apply(self._changes.pop(0)[1])
        if self._others and self._nodes:
            self._others.spend(self._nodes, now)
        if self._calls is None:
            return 0.0
        if self._calls == 0:
            self._shut_s = self._changes[0][0] - elapsed_s if self._changes else 1.0
            return self._shut_s
        if now >= self._stays_until:
            self._node = self._at_random.choice(self._nodes)
            self._stays_until = now + self._faults.node_span_s
        return enter(self._node, now) if self._node else 0.0

    def standing(self, now: float) -> Standing:
        """Return how far the node that decided last is spent."""
        if self._calls is None:
            return USUAL
        if self._node is None:
            return Standing(0.0, self._faults.throttle_span_s, 0, self._shut_s)
        calls, span_s = whole(self._node.calls, self._node.span_s)
        return Standing(calls, span_s, self._node.left(now), self._node.reset_s(now))

    @property
    def delay_s(self) -> float:
        """How long the call let in last has to queue."""
        return self._node.delay_s if self._node else 0.0

    @property
    def others_asked(self) -> int:
        """Calls of other people so far."""
        return self._others.asked if self._others else 0

    @property
    def others_refused(self) -> int:
        """How many of them found the limit spent."""
        return self._others.refused if self._others else 0

    def _apply(self, calls: float | None) -> None:
        self._calls = calls
        self._node = None
        if not calls:
            return
        if not self._nodes:
            self._nodes = [_limit(self._faults, calls) for _ in range(self._faults.nodes)]
        for node in self._nodes:
            node.calls = calls
        self._stays_until = -math.inf


class Others:
    """Other people's calls, at random moments, as many a second as their pattern says; they spend the same limits."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._rate_per_s = _pattern(faults, random.Random(f"{seed} walk"))
        self._random = random.Random(f"{seed} others")
        self._began: float | None = None
        self._next = 0.0
        self.asked = 0
        self.refused = 0

    def spend(self, nodes: list[Limit], now: float) -> None:
        """Make the calls that have come since the last time."""
        if self._began is None:
            self._began = self._next = now
        self._next = max(self._next, now - _LONGEST_CATCH_UP_S)
        while self._next <= now:
            rate_per_s = self._rate_per_s(self._next - self._began)
            if rate_per_s <= 0:
                self._next += _IDLE_STEP_S
                continue
            self.asked += 1
            self.refused += enter(self._random.choice(nodes), self._next) > 0
            self._next += self._random.expovariate(rate_per_s)


def _limit(faults: Faults, calls: float) -> Limit:
    span_s, burst = faults.throttle_span_s, faults.throttle_burst
    makers: dict[str, Callable[[], Limit]] = {
        "window": lambda: Window(calls, span_s),
        "strict": lambda: Window(calls, span_s, strict=True),
        "fixed": lambda: Fixed(calls, span_s),
        "bucket": lambda: Bucket(calls, span_s, burst or math.ceil(calls)),
        "leaky": lambda: Leaky(calls, span_s, burst),
        "queue": lambda: Queue(calls, span_s, burst or math.ceil(calls)),
    }
    return makers[faults.throttle_shape]()


def _pattern(faults: Faults, rng: random.Random) -> Callable[[float], float]:
    """Return how many calls a second other people make at a moment."""
    most, period_s = faults.others, faults.others_period_s
    least, step_s = most / 8, period_s / 12
    walked = [rng.uniform(least, most)]

    def walk(at_s: float) -> float:
        while len(walked) <= at_s / step_s:
            walked.append(min(most, max(least, walked[-1] + rng.uniform(-0.15, 0.15) * most)))
        return walked[int(at_s / step_s)]

    patterns: dict[str, Callable[[float], float]] = {
        "steady": lambda _at_s: most,
        "on_off": lambda at_s: most if at_s % period_s >= period_s / 2 else 0.0,
        "walk": walk,
        "bursts": lambda at_s: most if at_s % period_s >= 0.9 * period_s else least,
    }
    return patterns[faults.others_pattern]
