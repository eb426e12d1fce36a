"""Nights drawn at random, of the same families as those of `pace_nights` but with other figures: nobody tunes for them."""

import math
import random
from collections.abc import Callable, Iterator

from tests.lab.pace_nights import Night, Service, always, until_it_opens
from tests.lab.pace_services import (
    AtRandom,
    Bucket,
    Fixed,
    Leaky,
    Limit,
    Nodes,
    Queue,
    Shared,
    Sliding,
    Varying,
    dip,
    on_off,
    steady,
    walk,
)


def draw(seed: int) -> Iterator[Night]:
    """Yield 20 nights."""
    chance = random.Random(f"draw {seed}")
    for family in FAMILIES:
        yield family(chance)


def evenly(chance: random.Random, low: float, high: float) -> float:
    """Return a number drawn evenly on a scale of factors."""
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def whole(chance: random.Random, low: float, high: float) -> float:
    return float(round(evenly(chance, low, high)))


def named(asked: float | None) -> str:
    return "unlimited" if asked is None else f"{asked:g}"


def asked_of(chance: random.Random, rate: float) -> float | None:
    return chance.choice([None, round(rate * evenly(chance, 1.05, 10), 1)])


def fixed(chance: random.Random) -> Night:
    rate = whole(chance, 4, 100)
    asked, latency_s = asked_of(chance, rate), round(evenly(chance, 0.01, 0.3), 3)
    kind, phase_s = chance.choice(["sliding", "strict", "second", "bucket", "leaky"]), chance.random()
    saved, burst = chance.choice([0.5, 1, 2, 3, 5]), chance.choice([3, 5, 10, 20, 50])
    services: dict[str, Service] = {
        "sliding": lambda _: Sliding(rate),
        "strict": lambda _: Sliding(rate, strict=True),
        "second": lambda _: Fixed(rate, 1.0, phase_s),
        "bucket": lambda _: Bucket(rate, saved * rate),
        "leaky": lambda _: Leaky(rate, burst),
    }
    size = {"bucket": f" x{saved}", "leaky": f" burst {burst}"}.get(kind, "")
    name = f"fixed: {kind}{size} {rate:g}/s, asked {named(asked)}, {latency_s * 1000:.0f} ms"
    slots = chance.choice([16, 32, 64])
    return Night(name, services[kind], steady(rate), asked, 180.0, latency_s=latency_s, slots=slots)


def retry_after(chance: random.Random) -> Night:
    rate = whole(chance, 8, 80)
    asked, latency_s = asked_of(chance, rate), round(evenly(chance, 0.01, 0.3), 3)
    wait_s, kind, phase_s = chance.choice([1.0, 1.0, 2.0]), chance.choice(["sliding", "second"]), chance.random()

    def service(_: random.Random) -> Limit:
        return Sliding(rate) if kind == "sliding" else Fixed(rate, 1.0, phase_s)

    name = f"retry: {kind} {rate:g}/s, Retry-After {wait_s:g}, asked {named(asked)}, {latency_s * 1000:.0f} ms"
    return Night(name, service, steady(rate), asked, 180.0, always(wait_s), latency_s=latency_s)


def slow(chance: random.Random) -> Night:
    calls, span_s = chance.choice([1, 2, 5, 10, 20]), chance.choice([2.0, 5.0, 10.0, 60.0])
    asked = round(max(2, calls / span_s * evenly(chance, 2, 20)), 1)
    name = f"slow: {calls} in {span_s:g} s, asked {asked:g}"
    return Night(name, lambda _: Sliding(calls, span_s), steady(calls / span_s), asked, max(600.0, 30 * span_s))


def minute(chance: random.Random) -> Night:
    calls = round(evenly(chance, 200, 3000))
    asked, phase_s = round(calls / 60 * evenly(chance, 1.5, 6), 1), chance.uniform(0, 60)
    says = chance.choice([None, until_it_opens])
    name = f"minute: {calls}{', Retry-After' * bool(says)}, asked {asked:g}"
    return Night(name, lambda _: Fixed(calls, 60.0, phase_s), steady(calls / 60), asked, 900.0, says)


def at_random(chance: random.Random) -> Night:
    rate, share = whole(chance, 3, 120), evenly(chance, 0.001, 0.12)
    latency_s, seconds = round(evenly(chance, 0.01, 0.3), 3), chance.choice([300.0, 900.0])
    name = f"noise: {share:.1%} of {rate:g}/s, {latency_s * 1000:.0f} ms"
    free = steady(rate * (1 - share))
    return Night(name, lambda own: AtRandom(share, own), free, rate, seconds, latency_s=latency_s)


def at_random_before_a_limit(chance: random.Random) -> Night:
    rate, share = whole(chance, 8, 80), evenly(chance, 0.005, 0.06)
    asked = asked_of(chance, rate)
    name = f"noise: {share:.1%} before {rate:g}/s, asked {named(asked)}"
    return Night(name, lambda own: AtRandom(share, own, Sliding(rate)), steady(rate), asked)


def at_random_with_retry_after(chance: random.Random) -> Night:
    rate, share = whole(chance, 5, 60), evenly(chance, 0.002, 0.03)
    free = steady((1 - share) * rate / (1 + share * rate))
    name = f"noise: {share:.1%} of {rate:g}/s, Retry-After 1"
    return Night(name, lambda own: AtRandom(share, own), free, rate, 300.0, always(1.0))


def shared(chance: random.Random) -> Night:
    limit = whole(chance, 20, 100)
    asked, part = limit * chance.choice([0.9, 1.5, 2]), chance.uniform(0.2, 0.7) * limit
    kind, period_s, seed = (
        chance.choice(["half", "on and off", "walk", "bursts"]), chance.choice([40, 60, 120]), chance.randrange(10**6),
    )  # fmt: skip
    others = {
        "half": steady(part),
        "on and off": on_off(0, part, period_s),
        "walk": walk(seed, 0.1 * limit, 0.8 * limit, 0.12 * limit, 5, 600),
        "bursts": on_off(0.1 * limit, 0.8 * limit, 20, 2),
    }[kind]
    name = f"shared: {limit:g}/s, others {kind} {part:.0f}, asked {asked:g}"
    return Night(
        name, lambda own: Shared(Sliding(limit), others, own), lambda now_s: limit - others(now_s), asked, 600.0
    )


def nodes_at_random(chance: random.Random) -> Night:
    number, rate = chance.choice([2, 2, 3]), whole(chance, 8, 40)
    asked = number * rate * chance.choice([1.2, 1.5, 3])
    name = f"nodes: {number} of {rate:g}/s at random, asked {asked:g}"
    return Night(name, lambda own: Nodes([Sliding(rate) for _ in range(number)], own), steady(number * rate), asked)


def nodes_in_turn(chance: random.Random) -> Night:
    number, rate, sticky_s = chance.choice([2, 3, 4]), whole(chance, 5, 40), chance.choice([20.0, 60.0, 90.0])
    name = f"nodes: {number} of {rate:g}/s, each for {sticky_s:g} s, asked {4 * rate:g}"
    return Night(name, lambda own: Nodes([Sliding(rate) for _ in range(number)], own, sticky_s), steady(rate), 4 * rate)


def dropping(chance: random.Random) -> Night:
    rate, share = whole(chance, 15, 80), chance.uniform(0.1, 0.6)
    begin_s, lasts_s = chance.choice([60.0, 120.0]), chance.choice([60.0, 120.0, 180.0])
    asked, end_s = round(rate * chance.choice([0.9, 1.0, 1.5, 3]), 1), begin_s + lasts_s
    limit = dip(rate, rate * share, begin_s, end_s)
    name = f"change: {rate:g} to {share:.0%} for {lasts_s:g} s, asked {asked:g}"
    return Night(name, lambda _: Varying(limit), limit, asked, end_s + lasts_s + 120.0, event_s=end_s)


def storm(chance: random.Random) -> Night:
    rate, begin_s, lasts_s = (
        whole(chance, 10, 80), chance.choice([2.0, 5.0, 20.0, 60.0]), chance.choice([2.0, 3.0, 5.0, 10.0, 20.0]),
    )  # fmt: skip
    limit = dip(200, 0, begin_s, begin_s + lasts_s)
    name = f"storm: all refused at {begin_s:g} s for {lasts_s:g} s, asked {rate:g}"
    return Night(name, lambda _: Varying(limit), lambda now_s: min(rate, limit(now_s)), rate, event_s=begin_s + lasts_s)


def gone(chance: random.Random) -> Night:
    rate, lasts_s = whole(chance, 15, 60), chance.choice([30.0, 60.0, 120.0])
    low = round(rate * chance.uniform(0.2, 0.6))
    limit = dip(200, low, 0, lasts_s)
    name = f"change: {low}/s for {lasts_s:g} s, then free, asked {rate:g}"
    return Night(name, lambda _: Varying(limit), lambda now_s: min(rate, limit(now_s)), rate, event_s=lasts_s)


def far(chance: random.Random) -> Night:
    rate, latency_s = whole(chance, 10, 60), chance.uniform(0.3, 1.2)
    name = f"far: {rate:g}/s, {latency_s * 1000:.0f} ms away, asked {1.5 * rate:g}"
    slots = max(16, math.ceil(2 * rate * latency_s))
    return Night(name, lambda _: Sliding(rate), steady(rate), 1.5 * rate, 180.0, latency_s=latency_s, slots=slots)


def slows_down(chance: random.Random) -> Night:
    rate, depth, slots = whole(chance, 8, 50), chance.choice([20, 40, 60, 100]), chance.choice([32, 64])
    name = f"slows down: {rate:g}/s, {depth} may wait, {slots} slots"
    return Night(name, lambda _: Queue(rate, depth), steady(rate), rate * chance.choice([1.5, 3]), slots=slots)


def free(chance: random.Random) -> Night:
    rate = whole(chance, 3, 120)
    return Night(f"free: {rate:g}/s", lambda _: Sliding(100_000), steady(rate), rate, 120.0)


FAMILIES: tuple[Callable[[random.Random], Night], ...] = (
    fixed,
    fixed,
    fixed,
    retry_after,
    slow,
    minute,
    at_random,
    at_random,
    at_random_before_a_limit,
    at_random_with_retry_after,
    shared,
    shared,
    nodes_at_random,
    nodes_in_turn,
    dropping,
    storm,
    gone,
    far,
    slows_down,
    free,
)
