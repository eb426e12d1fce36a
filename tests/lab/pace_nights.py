"""Nights under limits: 51 to measure a pace by, and what is asked of it on each.

The figures were set before the rule was written, and by another hand; no night is left out.
"""

import math
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.lab.pace_services import (
    AtRandom,
    Bucket,
    Fixed,
    Leaky,
    Limit,
    Nodes,
    PerSecond,
    Queue,
    Shared,
    Sliding,
    Varying,
    dip,
    on_off,
    steady,
    walk,
)

Service = Callable[[random.Random], Limit]
"""Makes the service of a night anew."""


class Night(NamedTuple):
    """One night. `free`: the capacity that is free for us at a moment, in calls per second; `asked`: None is unlimited.

    `retry_after` gives what a refusal says of waiting; `event_s` is when the service is well again.
    """

    name: str
    service: Service
    free: PerSecond
    asked: float | None
    seconds: float = 300.0
    retry_after: Callable[[Limit, float], float] | None = None
    event_s: float | None = None
    latency_s: float = 0.08
    slots: int = 32


class Target(NamedTuple):
    """What is asked of the nights whose name begins so."""

    begin: str
    goodput: float
    refused: float


TARGETS = (
    Target("fixed: nginx burst 5", 0.95, 0.06),
    Target("fixed: nginx", 0.60, 0.08),
    Target("fixed: second 40/s, Retry-After", 0.88, 0.05),
    Target("fixed: second 15/s, Retry-After", 0.88, 0.05),
    Target("fixed: strict", 0.90, 0.05),
    Target("fixed: bucket", 0.97, 0.06),
    Target("fixed:", 0.94, 0.06),
    Target("slow:", 0.90, 0.30),
    Target("minute:", 0.97, 0.05),
    Target("noise: 10.0%", 0.92, 0.11),
    Target("noise: 2% before", 0.92, 0.06),
    Target("noise: 1% of 50/s, Retry-After", 0.95, 0.02),
    Target("noise: 5.0%", 0.96, 0.06),
    Target("noise:", 0.98, 0.03),
    Target("shared:", 0.93, 0.10),
    Target("nodes: 4 of 10/s at random", 0.65, 0.10),
    Target("nodes: 2", 0.80, 0.08),
    Target("nodes: 4 of 10/s, one", 0.94, 0.05),
    Target("change: all refused for", 0.99, 0.01),
    Target("change:", 0.92, 0.03),
    Target("long: 1%", 0.99, 0.02),
    Target("long:", 0.94, 0.02),
    Target("far:", 0.90, 0.06),
    Target("slows down:", 0.97, 0.05),
    Target("free:", 0.99, 0.0),
)
"""The first that fits counts."""


def target_of(night: Night) -> Target:
    return next(target for target in TARGETS if night.name.startswith(target.begin))


def always(seconds: float) -> Callable[[Limit, float], float]:
    """Return a Retry-After that never changes."""
    return lambda _limit, _now_s: seconds


def until_it_opens(limit: Limit, now_s: float) -> float:
    """Return a Retry-After in whole seconds, as a window tells it."""
    assert isinstance(limit, Fixed)
    return float(math.ceil(limit.opens_in_s(now_s)))


def nights() -> Iterator[Night]:
    yield from fixed_limits()
    yield from long_windows()
    yield from refusals_at_random()
    yield from other_people()
    yield from several_nodes()
    yield from changes()
    yield from the_rest()


def fixed_limits() -> Iterator[Night]:
    kinds: dict[str, Callable[[float], Service]] = {
        "sliding": lambda rate: lambda _: Sliding(rate),
        "strict": lambda rate: lambda _: Sliding(rate, strict=True),
        "second": lambda rate: lambda _: Fixed(rate),
        "bucket": lambda rate: lambda _: Bucket(rate, 3 * rate),
        "nginx burst 5": lambda rate: lambda _: Leaky(rate, 5),
        "nginx": lambda rate: lambda _: Leaky(rate, 0),
    }
    asked = {(40.0, 48.0): "x1.2", (15.0, 60.0): "x4.0", (40.0, None): "unlimited"}
    for kind, limited_to in kinds.items():
        for (rate, wanted), told in asked.items():
            name = f"fixed: {kind} {rate:.0f}/s, asked {told}"
            yield Night(name, limited_to(rate), steady(rate), wanted, 180.0)
    for (rate, wanted), told in asked.items():
        name = f"fixed: second {rate:.0f}/s, Retry-After 1, asked {told}"
        yield Night(name, kinds["second"](rate), steady(rate), wanted, 180.0, always(1.0))


def long_windows() -> Iterator[Night]:
    yield Night("slow: 0.5/s, asked 10", lambda _: Sliding(1, 2.0), steady(0.5), 10.0, 900.0)
    yield Night("slow: 5 a minute, asked 10", lambda _: Sliding(5, 60.0), steady(5 / 60), 10.0, 1800.0)
    yield Night("minute: 600, asked 50", lambda _: Fixed(600, 60.0), steady(10), 50.0, 900.0)
    yield Night(
        "minute: 600, Retry-After, asked 50", lambda _: Fixed(600, 60.0), steady(10), 50.0, 900.0, until_it_opens
    )


def refusals_at_random() -> Iterator[Night]:
    def refusing(share: float, behind: float | None = None) -> Service:
        return lambda chance: AtRandom(share, chance, None if behind is None else Sliding(behind))

    for share in (0.002, 0.01, 0.02, 0.05, 0.10):
        yield Night(f"noise: {share:.1%} of 50/s", refusing(share), steady(50 * (1 - share)), 50.0)
    yield Night("noise: 2% of 5/s", refusing(0.02), steady(4.9), 5.0, 600.0)
    yield Night("noise: 2% before a limit of 30/s, asked 60", refusing(0.02, 30), steady(30), 60.0)
    # Who waits a second after each refusal gets no more than this.
    most = 0.99 * 50 / (1 + 0.01 * 50)
    yield Night("noise: 1% of 50/s, Retry-After 1", refusing(0.01), steady(most), 50.0, 300.0, always(1.0))


def other_people() -> Iterator[Night]:
    def beside(others: PerSecond) -> tuple[Service, PerSecond]:
        return lambda chance: Shared(Sliding(50), others, chance), lambda now_s: 50 - others(now_s)

    for name, others in {
        "half": steady(25),
        "on and off every 30 s": on_off(0, 25, 60),
        "a walk": walk(5, 5, 40, 6, 5, 600),
        "bursts of 2 s": on_off(5, 40, 20, 2),
    }.items():
        yield Night(f"shared: 50/s, others {name}, asked 100", *beside(others), 100.0, 600.0)


def several_nodes() -> Iterator[Night]:
    def nodes(number: int, rate: float, sticky_s: float = 0.0) -> Service:
        return lambda chance: Nodes([Sliding(rate) for _ in range(number)], chance, sticky_s)

    for number in (2, 4):
        rate = 40 / number
        yield Night(f"nodes: {number} of {rate:.0f}/s at random, asked 60", nodes(number, rate), steady(40), 60.0)
    yield Night("nodes: 4 of 10/s, one a minute, asked 60", nodes(4, 10, 60.0), steady(10), 60.0)


def changes() -> Iterator[Night]:
    def varying(limit: PerSecond, asked: float) -> tuple[Service, PerSecond, float]:
        return lambda _: Varying(limit), lambda now_s: min(asked, limit(now_s)), asked

    quarter = dip(40, 10, 120, 240)
    for asked in (60.0, 40.0):
        name = f"change: a quarter for 2 min, asked {asked:.0f}"
        yield Night(name, *varying(quarter, asked), 480.0, event_s=240.0)
    yield Night("change: all refused for 5 s, asked 50", *varying(dip(200, 0, 60, 65), 50.0), event_s=65.0)
    early = dip(200, 0, 3, 8)
    yield Night("change: all refused at 3 s for 5 s, asked 50", *varying(early, 50.0), 120.0, event_s=8.0)
    gone = dip(200, 10, 0, 60)
    yield Night("change: 10/s for a minute, then free, asked 30", *varying(gone, 30.0), event_s=60.0)


def the_rest() -> Iterator[Night]:
    yield Night("long: 12/s for an hour, asked 15", lambda _: Sliding(12), steady(12), 15.0, 3600.0)
    yield Night("long: 1% of 12/s for an hour", lambda chance: AtRandom(0.01, chance), steady(11.88), 12.0, 3600.0)
    yield Night(
        "far: 40/s, 700 ms away, asked 60", lambda _: Sliding(40), steady(40), 60.0, 180.0, latency_s=0.7, slots=64
    )
    yield Night("slows down: 20/s, 40 may wait, asked 60", lambda _: Queue(20, 40), steady(20), 60.0, slots=64)
    yield Night("slows down: 20/s, 100 may wait, asked 60", lambda _: Queue(20, 100), steady(20), 60.0)
    yield Night("free: nothing is refused, asked 50", lambda _: Sliding(1000), steady(50), 50.0, 120.0)
