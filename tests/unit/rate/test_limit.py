"""A rate that several pacers share: the bound over all of them, turns, and that none holds up the others."""

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from bulkroute.rate.limit import Limit
from bulkroute.rate.pacer import Pacer, Slot
from bulkroute.rate.schedule import MARGIN_S
from tests.pace_real_time import burst_needed, most_within
from tests.virtual_time import VirtualTimeLoop, run_virtual


class Tenant:
    """Callers behind one pacer; each call leaves as a connection lets it, and is noted when its first byte does."""

    def __init__(self, limit: Limit, rate_per_s: float | None, callers: int = 4) -> None:
        self.pacer = Pacer(rate_per_s, limit=limit)
        self.left_s: list[float] = []
        self.connect_s: Callable[[], float] = lambda: 0.0
        self._tasks = [asyncio.create_task(self._call()) for _ in range(callers)]

    def commit(self) -> None:
        """Stand for what the gate does just before each call."""

    async def _call(self) -> None:
        while True:
            slot = await self.pacer.start(self.commit)
            await asyncio.sleep(self.connect_s())
            while (waiting := slot.depart(self.pacer.start)) is not None:
                await waiting
            self.left_s.append(self.pacer.clock())
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def of_all(tenants: list[Tenant], since_s: float = 0.0) -> list[float]:
    return sorted(at_s for tenant in tenants for at_s in tenant.left_s if at_s >= since_s)


def mean_per_s(left_s: list[float]) -> float:
    return (len(left_s) - 1) / (left_s[-1] - left_s[0])


async def spend(seconds: float, tenants: list[Tenant]) -> None:
    await asyncio.sleep(seconds)
    for tenant in tenants:
        await tenant.stop()


@pytest.mark.slow
@pytest.mark.parametrize(("limit_per_s", "own_per_s"), [(200, None), (50, 20), (20, 20), (3, 1)])
def test_all_together_keep_the_bound_and_the_mean_and_take_turns(limit_per_s: float, own_per_s: float | None) -> None:
    """One of the eight has 64 calls waiting, the others have four: each gets as much."""

    async def scenario() -> list[Tenant]:
        limit = Pacer(limit_per_s)
        tenants = [Tenant(limit, own_per_s, 64 if number == 0 else 4) for number in range(8)]
        await spend(max(2.5, 25 / limit_per_s), tenants)
        return tenants

    tenants = run_virtual(scenario())
    left_s = of_all(tenants)
    assert most_within(left_s, 1.0) <= limit_per_s
    assert mean_per_s(left_s) >= 0.97 * limit_per_s
    assert burst_needed(left_s, limit_per_s) <= 4
    counts = [len(tenant.left_s) for tenant in tenants]
    assert max(counts) - min(counts) <= 2


@pytest.mark.slow
@pytest.mark.parametrize(("limit_per_s", "own_per_s"), [(100, 20), (None, 20)])
def test_a_limit_above_what_all_ask_for_changes_nothing(limit_per_s: float | None, own_per_s: float) -> None:
    async def scenario() -> list[Tenant]:
        limit = Pacer(limit_per_s)
        tenants = [Tenant(limit, own_per_s) for _ in range(4)]
        await spend(3, tenants)
        return tenants

    for tenant in run_virtual(scenario()):
        assert most_within(tenant.left_s, 1.0) <= own_per_s
        assert mean_per_s(tenant.left_s) >= 0.99 * own_per_s


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit_per_s", "own_per_s", "got_per_s"),
    [
        (60, [1, 10, 100, None], [1, 10, 25, 25]),
        (50, [20, 20, None], [16.6, 16.6, 16.6]),
        # A turn of the others is made up for, but for the guard.
        (20, [3, *[None] * 5], [2.35, *[3.5] * 5]),
    ],
)
def test_what_a_slow_one_does_not_use_the_others_have_and_what_it_may_use_it_gets(
    limit_per_s: float, own_per_s: list[float | None], got_per_s: list[float]
) -> None:
    async def scenario() -> list[Tenant]:
        limit = Pacer(limit_per_s)
        tenants = [Tenant(limit, rate_per_s) for rate_per_s in own_per_s]
        await spend(4.05, tenants)
        return tenants

    tenants = run_virtual(scenario())
    assert most_within(of_all(tenants), 1.0) <= limit_per_s
    assert [mean_per_s(tenant.left_s) for tenant in tenants] == pytest.approx(got_per_s, rel=0.05)


def hold(tenant: Tenant) -> None:
    tenant.pacer.hold("paused", "by the operator")


def learn_that_hardly_anything_is_allowed(tenant: Tenant) -> None:
    tenant.pacer.learn(0.01)


def never_connect(tenant: Tenant) -> None:
    tenant.connect_s = lambda: 1e6


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [hold, learn_that_hardly_anything_is_allowed, never_connect])
def test_one_in_trouble_costs_the_others_nothing(trouble: Callable[[Tenant], None]) -> None:
    async def scenario() -> tuple[list[Tenant], float]:
        limit = Pacer(40)
        tenants = [Tenant(limit, 40) for _ in range(4)]
        await asyncio.sleep(1.013)
        trouble(tenants[0])
        troubled_s = tenants[0].pacer.clock()
        await spend(3, tenants)
        return tenants, troubled_s

    tenants, troubled_s = run_virtual(scenario())
    assert most_within(of_all(tenants), 1.0) <= 40
    others = of_all(tenants[1:], troubled_s)
    assert len([at_s for at_s in others if at_s >= troubled_s + 1]) >= 0.97 * 40 * 2
    assert max(later - earlier for earlier, later in pairwise(others)) < 4 / 40


@pytest.mark.slow
def test_one_whose_connections_take_long_keeps_its_slots_as_long_and_leaves_the_others_their_share() -> None:
    async def scenario() -> list[Tenant]:
        limit = Pacer(40)
        tenants = [Tenant(limit, 40) for _ in range(4)]
        tenants[0].connect_s = lambda: 0.9
        await spend(3, tenants)
        return tenants

    tenants = run_virtual(scenario())
    assert most_within(of_all(tenants), 1.0) <= 40
    assert len(of_all(tenants[1:])) >= 3 / 4 * 40 * 3
    assert len(tenants[0].left_s) >= 8


def test_a_hold_that_comes_while_the_limit_is_waited_for_stops_the_call_and_passes_its_slot_on() -> None:
    async def scenario() -> tuple[list[float], list[float], int]:
        limit = Pacer(1)
        held, other = (Pacer(100, limit=limit) for _ in range(2))
        starts_s: tuple[list[float], list[float]] = [], []

        async def call(pacer: Pacer, noted_s: list[float]) -> None:
            await pacer.start()
            noted_s.append(pacer.clock())

        limit.try_start()
        began_s = limit.clock()
        calls = [asyncio.create_task(call(held, starts_s[0])), asyncio.create_task(call(other, starts_s[1]))]
        await asyncio.sleep(0.5)
        held.hold("throttled", "429", began_s + 5)
        await asyncio.sleep(1)
        started = limit.started
        await asyncio.gather(*calls)
        return [at_s - began_s for at_s in starts_s[0]], [at_s - began_s for at_s in starts_s[1]], started

    (held_s,), (other_s,), started = run_virtual(scenario())
    assert started == 2
    assert other_s == pytest.approx(1.0 + MARGIN_S, abs=0.003)
    assert held_s == pytest.approx(5.0, abs=0.003)


def test_a_rate_that_was_lowered_while_the_limit_is_waited_for_holds() -> None:
    async def scenario() -> float:
        limit = Pacer(1)
        pacer = Pacer(100, limit=limit)
        (first := await pacer.start()).leave()
        waiting = asyncio.create_task(pacer.start())
        await asyncio.sleep(0.5)
        pacer.set_rate(0.25)
        return (await waiting).at_s - first.at_s

    assert run_virtual(scenario()) == pytest.approx(4.0, abs=0.02)


def test_what_just_before_a_call_raises_leaves_the_slot_to_the_others() -> None:
    async def scenario() -> float:
        limit = Pacer(10)
        broken, other = (Pacer(100, limit=limit) for _ in range(2))

        def fail() -> None:
            raise OSError("the disk is full")

        limit.try_start()
        began_s = limit.clock()
        failing = asyncio.create_task(broken.start(fail))
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="full"):
            await failing
        slot = await other.start()
        assert (broken.started, limit.started) == (0, 2)
        return slot.at_s - began_s

    assert run_virtual(scenario()) == pytest.approx(0.1, abs=0.003)


def test_who_is_cancelled_while_the_limit_is_waited_for_has_taken_nothing() -> None:
    async def scenario() -> float:
        limit = Pacer(10)
        impatient, other = (Pacer(100, limit=limit) for _ in range(2))
        limit.try_start()
        began_s = limit.clock()
        calls = [asyncio.create_task(pacer.start()) for pacer in (impatient, other)]
        await asyncio.sleep(0.05)
        calls[0].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert calls[0].cancelled()
        assert (impatient.started, limit.started) == (0, 2)
        return limit.clock() - began_s

    assert run_virtual(scenario()) == pytest.approx(0.1, abs=0.003)


def test_both_slots_count_from_the_first_byte() -> None:
    async def scenario() -> tuple[float, float]:
        limit = Pacer(1)
        late, other = Pacer(1, limit=limit), Pacer(1, limit=limit)
        slot = await late.start()
        await asyncio.sleep(0.6)
        assert slot.leave()
        left_s = limit.clock()
        taken = await other.start(), await late.start()
        return taken[0].at_s - left_s, taken[1].at_s - left_s

    other_s, late_s = run_virtual(scenario())
    assert 1.0 + MARGIN_S <= other_s < 1.02
    assert 2.0 + 2 * MARGIN_S <= late_s < 2.04


def test_both_slots_are_given_back_together() -> None:
    async def scenario() -> None:
        limit = Pacer(1)
        first, second = Pacer(1, limit=limit), Pacer(1, limit=limit)
        slot = first.try_start()
        assert isinstance(slot, Slot)
        assert second.try_start() is None
        slot.give_back()
        assert (first.started, limit.started) == (0, 0)
        await asyncio.sleep(0.01)
        assert second.try_start() is not None
        assert first.try_start() is None

    run_virtual(scenario())


class Passing:
    """A slot of a limit over several processes: good for a moment only."""

    def __init__(self, clock: Callable[[], float], good_for_s: float) -> None:
        self._clock = clock
        self._until_s = clock() + good_for_s
        self.is_back = False

    def leave(self) -> bool:
        return self._clock() <= self._until_s

    def give_back(self) -> None:
        assert not self.is_back
        self.is_back = True


class Distant:
    """A limit whose slots take a round trip, one at a time; none is ever at hand. As one in a database would be."""

    rate_per_s = 5.0

    def __init__(self) -> None:
        self.given: list[Passing] = []
        self._clock = asyncio.get_running_loop().time
        self._one_at_a_time = asyncio.Lock()

    def due_within(self, lead_s: float) -> int:
        return int(lead_s * self.rate_per_s)

    def try_start(self) -> None:
        return None

    async def start(self) -> Passing:
        async with self._one_at_a_time:
            await asyncio.sleep(0.2)
        self.given.append(Passing(self._clock, 0.03))
        return self.given[-1]


@pytest.mark.slow
def test_a_slot_of_a_distant_limit_that_has_passed_is_exchanged_and_holds_are_looked_at_again() -> None:
    async def scenario() -> None:
        limit = Distant()
        tenants = [Tenant(limit, 20) for _ in range(3)]
        chance = random.Random(5)
        tenants[0].connect_s = lambda: chance.choice([0.0, 0.01, 0.5])
        await asyncio.sleep(6)
        tenants[0].pacer.hold("paused", "by the operator")
        held_s = limit._clock()
        await spend(3, tenants)
        left = sum(len(tenant.left_s) for tenant in tenants)
        passed = sum(slot.is_back for slot in limit.given)
        # What is neither gone nor back yet was on its way when all ended.
        assert 0 <= len(limit.given) - left - passed <= 4
        assert passed > 5
        assert min(len(tenant.left_s) for tenant in tenants[1:]) > 10
        assert max(tenants[0].left_s) <= held_s + 0.03

    run_virtual(scenario())


def test_one_that_is_held_just_before_its_call_asks_the_limit_for_nothing_until_it_is_released() -> None:
    async def scenario() -> None:
        limit = Distant()
        pacer = Pacer(20, limit=limit)
        looks = iter(["without anything new", "paused by the operator"])

        def look() -> None:
            if (seen := next(looks)).startswith("paused"):
                pacer.hold("paused", seen)

        call = asyncio.create_task(pacer.start(look))
        await asyncio.sleep(5)
        assert pacer.holds()
        assert limit.given == []
        call.cancel()
        pacer.release("paused")
        assert await pacer.start()
        assert len(limit.given) == 1

    run_virtual(scenario())


def test_what_is_told_of_rate_and_of_calls_due_is_the_lower_of_both() -> None:
    async def scenario() -> list[Any]:
        limit = Pacer(10)
        pacer = Pacer(40, limit=limit)
        told: list[Any] = [pacer.rate_per_s, pacer.asked_per_s, pacer.due_within(0.43)]
        limit.set_rate(100)
        told += [pacer.rate_per_s, pacer.due_within(0.43)]
        pacer.learn(5)
        told += [pacer.rate_per_s, pacer.due_within(0.43)]
        limit.set_rate(None)
        pacer.learn(None)
        pacer.set_rate(None)
        return [*told, pacer.rate_per_s]

    assert run_virtual(scenario()) == [10, 40, 5, 40, 19, 5, 4, None]


@pytest.mark.slow
def test_a_rate_of_the_limit_that_is_changed_holds_at_once_for_all() -> None:
    async def scenario() -> tuple[list[Tenant], float, float]:
        limit = Pacer(100)
        tenants = [Tenant(limit, None) for _ in range(4)]
        await asyncio.sleep(1)
        lowered_s = limit.clock()
        limit.set_rate(10)
        await asyncio.sleep(3)
        raised_s = limit.clock()
        limit.set_rate(50)
        await spend(2, tenants)
        return tenants, lowered_s, raised_s

    tenants, lowered_s, raised_s = run_virtual(scenario())
    left_s = of_all(tenants)
    assert most_within([at_s for at_s in left_s if at_s < raised_s], 1.0) <= 100
    slow = [at_s for at_s in left_s if lowered_s < at_s < raised_s]
    assert most_within(slow, 1.0) <= 10
    assert len(slow) >= 19  # after a second in which those of the faster one still count
    fast = of_all(tenants, raised_s)
    assert most_within(fast, 1.0) <= 50
    assert len(fast) >= 0.97 * 50 * 2


@pytest.mark.slow
def test_stalls_of_the_loop_and_late_calls_break_no_bound() -> None:
    async def scenario() -> list[Tenant]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        limit, chance = Pacer(40), random.Random(11)
        tenants = [Tenant(limit, 15) for _ in range(6)]
        for tenant in tenants:
            tenant.connect_s = lambda: chance.choice([0.0, 0.001, 0.3, 0.95, 1.5])
        for _ in range(12):
            await asyncio.sleep(chance.uniform(0, 1))
            loop.stall(chance.uniform(0, 0.5))
        loop.stall(9)
        await spend(4, tenants)
        return tenants

    tenants = run_virtual(scenario())
    assert most_within(of_all(tenants), 1.0) <= 40
    for tenant in tenants:
        assert most_within(tenant.left_s, 1.0) <= 15
        assert len(tenant.left_s) > 20
