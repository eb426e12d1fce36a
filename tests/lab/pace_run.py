"""A run in virtual time against the service of a night: calls, answers, and what they came to.

The pacer and the throttle are the product's own; all around them is a model: slots, latency, and no rows at all.
"""

import heapq
import math
import random
from itertools import count
from typing import NamedTuple

from bulkroute.rate.pacer import Pacer
from bulkroute.rate.throttle import Call, Throttle
from tests.lab.pace_nights import Night
from tests.lab.pace_services import Limit, Queue, Shared


class Figures(NamedTuple):
    """What a night came to. Shares are of 1; None where the night has no such thing."""

    goodput: float
    """Calls accepted, of what someone who knows the free capacity at each moment could get; over 1 where a full bucket
    was saved up, or others were pushed aside."""
    refused: float
    """Refused calls, of all."""
    found_s: float
    """Until a stretch of 10 s (60 s where the limit is below 2/s) reached 0.9 of what was free in it."""
    back_s: float | None
    """The same, from the moment at which the service was well again."""
    worst_minute: float
    """Calls accepted in the worst minute, of what was free in it."""
    harm: float | None
    """Refused calls of the others, of all theirs."""
    over: int
    """Starts with which more than the rate asked for fell into one half-open second."""


class Run:
    """One night."""

    def __init__(self, night: Night, seed: int) -> None:
        random.seed(seed)  # the product's own jitter
        self._night = night
        self._ways = random.Random(f"{night.name} {seed}")
        self._service: Limit = night.service(random.Random(f"service {night.name} {seed}"))
        self._now_s = 0.0
        self._pacer = Pacer(night.asked, clock=lambda: self._now_s)
        self._throttle = Throttle(self._pacer, self, lambda _reason: None, max_wait_s=math.inf)
        self._numbers = count(1)
        self._events: list[tuple[float, int, Call, bool | None, float | None]] = []
        """When, a number that keeps the order, the call, whether it was let in (None: it arrives), and Retry-After."""
        self._in_flight = 0
        self._starts_s: list[float] = []
        self._accepted_s: list[float] = []
        self._refused = 0

    def begin(self, key: str, reason: str, until_s: float | None = None, probe_at_s: float | None = None) -> None:
        """Pause, for the throttle."""
        self._pacer.hold(key, reason, until_s, probe_at_s)

    def end(self, key: str) -> None:
        """End a pause, for the throttle."""
        self._pacer.release(key)

    def spend(self) -> Figures:
        """Make calls as fast as the pace lets them go, until the night is over."""
        night = self._night
        while self._now_s < night.seconds:
            while self._in_flight < night.slots and self._pacer.delay_s() == 0 and self._start():
                pass
            may_start = self._in_flight < night.slots
            due_s = self._now_s + self._pacer.delay_s() if may_start else math.inf
            if self._events and self._events[0][0] <= due_s:
                self._take_event()
            elif due_s < math.inf:
                self._now_s = max(due_s, self._now_s + 1e-6)
            else:
                raise RuntimeError(f"{night.name}: no call may start and none is under way")
        return self._measure()

    def _start(self) -> bool:
        if self._pacer.try_start() is None:
            return False
        self._starts_s.append(self._now_s)
        self._in_flight += 1
        way_s = self._night.latency_s * self._ways.uniform(0.4, 0.6)
        self._after(way_s, self._throttle.started())
        return True

    def _after(
        self, seconds: float, call: Call, accepted: bool | None = None, retry_after_s: float | None = None
    ) -> None:
        heapq.heappush(self._events, (self._now_s + seconds, next(self._numbers), call, accepted, retry_after_s))

    def _take_event(self) -> None:
        self._now_s, _, call, accepted, retry_after_s = heapq.heappop(self._events)
        if accepted is None:
            self._arrive(call)
            return
        self._in_flight -= 1
        if accepted:
            self._throttle.accepted(call, succeeded=True)
        else:
            assert self._throttle.refused(call, "", retry_after_s) is None

    def _arrive(self, call: Call) -> None:
        accepted = self._service.admits(self._now_s)
        retry_after_s = waited_s = None
        if accepted:
            self._accepted_s.append(self._now_s)
            waited_s = self._service.waited_s if isinstance(self._service, Queue) else None
        else:
            self._refused += 1
            if self._night.retry_after is not None:
                retry_after_s = self._night.retry_after(self._service, self._now_s)
        # A refusal is quicker than an answer.
        way_s = self._night.latency_s * self._ways.uniform(0.4, 0.6) * (1 if accepted else 0.7)
        self._after((waited_s or 0.0) + way_s, call, accepted, retry_after_s)

    def _measure(self) -> Figures:
        night, service = self._night, self._service
        seconds, asked = int(night.seconds), night.asked or math.inf
        free = [sum(min(asked, night.free(second + part / 10)) for part in range(10)) / 10 for second in range(seconds)]
        got = [0] * seconds
        for at_s in self._accepted_s:
            if at_s < seconds:
                got[int(at_s)] += 1

        def share(begin: int, end: int) -> float:
            return sum(got[begin:end]) / max(1e-9, sum(free[begin:end]))

        def reached_s(begin: int) -> float:
            span = 10 if min(asked, max(free)) >= 2 else 60
            ends = (second + span for second in range(begin, seconds - span) if sum(free[second : second + span]) > 0)
            return next((end - begin for end in ends if share(end - span, end) >= 0.9), math.inf)

        minutes = (share(begin, begin + 60) for begin in range(0, seconds - 59, 5) if sum(free[begin : begin + 60]) > 0)
        accepted, refused = len(self._accepted_s), self._refused
        return Figures(
            goodput=accepted / sum(free),
            refused=refused / max(1, accepted + refused),
            found_s=reached_s(0),
            back_s=None if night.event_s is None else reached_s(int(night.event_s)),
            worst_minute=min(minutes, default=1.0),
            harm=service.refused / max(1, service.asked) if isinstance(service, Shared) else None,
            over=starts_above(self._starts_s, asked),
        )


def starts_above(starts_s: list[float], per_s: float) -> int:
    """Return how many starts made it more than max(1, `per_s`) within a half-open second."""
    above = first = 0
    for last, start_s in enumerate(starts_s):
        while start_s - starts_s[first] >= 1.0:
            first += 1
        above += last - first + 1 > max(1, per_s)
    return above


def spend(night: Night, seed: int) -> Figures:
    """Spend a night with the product's own pace."""
    return Run(night, seed).spend()
