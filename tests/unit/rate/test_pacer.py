"""The promises of pacing: the bound at the receiving end, the mean, order, holds, changes of rate."""

import asyncio
import itertools
import math
import random
import time
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web

from bulkroute.rate.pacer import Hold, Pacer, Slot, loop_clock
from bulkroute.rate.schedule import MARGIN_S, UNBOUNDED
from tests.pace_real_time import most_within
from tests.virtual_time import VirtualTimeLoop, run_virtual


def mean_per_s(starts_s: list[float]) -> float:
    return (len(starts_s) - 1) / (starts_s[-1] - starts_s[0])


async def at_receiver(rate_per_s: float, calls: int) -> list[float]:
    """Post that many calls over a way that jitters, to a slow server; return when they came in."""
    seen_s: list[float] = []
    chance = random.Random(7)
    loop = asyncio.get_running_loop()

    async def answer(_request: web.BaseRequest) -> web.Response:
        seen_s.append(loop.time())
        await asyncio.sleep(chance.uniform(0.002, 0.030))
        return web.Response(body=b"{}")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    pacer = Pacer(rate_per_s)
    left = iter(range(calls))

    async def work(session: aiohttp.ClientSession) -> None:
        for _ in left:
            await pacer.start()
            await asyncio.sleep(chance.uniform(0, 0.95 * MARGIN_S))
            async with session.post(url, data=b"{}") as reply:
                await reply.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work(session) for _ in range(max(4, math.ceil(rate_per_s * 0.050)))))
    await runner.cleanup()
    assert pacer.started == calls
    return sorted(seen_s)


@pytest.mark.parametrize(
    ("rate_per_s", "calls"),
    [
        (0.5, 12),
        (1, 20),
        (7, 70),
        (20, 200),
        (100, 500),
        (500, 1500),
        (2000, 4400),
    ],
)
@pytest.mark.slow
@pytest.mark.usefixtures("uncounted")
def test_receiver_sees_no_more_than_the_rate_and_99_percent_of_it(rate_per_s: float, calls: int) -> None:
    seen_s = run_virtual(at_receiver(rate_per_s, calls))
    assert len(seen_s) == calls
    assert most_within(seen_s, 1.0) <= max(1, rate_per_s)
    assert mean_per_s(seen_s) >= 0.99 * rate_per_s


def test_raised_and_lowered_rates_hold_at_once() -> None:
    async def scenario() -> tuple[list[float], float, float]:
        pacer, starts_s = Pacer(0.01), list[float]()

        async def work() -> None:
            while True:
                await pacer.start()
                starts_s.append(pacer.clock())

        workers = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(3)
        raised_s = pacer.clock()
        pacer.set_rate(50)
        await asyncio.sleep(3)
        lowered_s = pacer.clock()
        pacer.set_rate(5)
        await asyncio.sleep(4)
        for worker in workers:
            worker.cancel()
        return starts_s, raised_s, lowered_s

    starts_s, raised_s, lowered_s = run_virtual(scenario())
    fast = [start_s for start_s in starts_s if raised_s <= start_s < lowered_s]
    slow = [start_s for start_s in starts_s if start_s >= lowered_s]
    assert fast[0] - raised_s < 0.03
    assert mean_per_s(fast) >= 0.99 * 50
    # 50 started in the second before: the next waits until fewer than 5 of them are left in it.
    assert 0.9 < slow[0] - lowered_s < 1.0
    assert most_within(slow, 1.0) == 5


def test_unlimited_starts_count_once_the_rate_is_limited() -> None:
    async def scenario() -> float:
        pacer = Pacer(math.inf)
        assert pacer.rate_per_s is None
        assert all(pacer.try_start() for _ in range(1000))
        assert pacer.due_within(0.02) == UNBOUNDED
        pacer.set_rate(100)
        before_s = pacer.clock()
        await pacer.start()
        return pacer.clock() - before_s

    assert 1.0 <= run_virtual(scenario()) < 1.02


def test_stalled_loop_keeps_the_bound_and_goes_on() -> None:
    async def scenario() -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        pacer, starts_s = Pacer(50), list[float]()
        chance = random.Random(3)

        async def work() -> None:
            while len(starts_s) < 1000:
                await pacer.start()
                starts_s.append(pacer.clock())

        async def stall() -> None:
            while len(starts_s) < 1000:
                await asyncio.sleep(chance.uniform(0, 2))
                loop.stall(chance.uniform(0, 0.4))

        await asyncio.gather(stall(), *(work() for _ in range(20)))
        return starts_s

    starts_s = run_virtual(scenario())
    assert most_within(starts_s, 1.0) == 50
    assert starts_s[-1] - starts_s[0] < 1000 / 50 * 1.4


def test_a_stall_between_waking_and_running_does_not_antedate_the_call() -> None:
    """Both are woken, then 40 ms go by before they run: what counts is when they run."""

    async def scenario() -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        pacer, starts_s = Pacer(1), list[float]()

        async def work() -> None:
            await pacer.start()
            starts_s.append(pacer.clock())

        await pacer.start()
        tasks = [asyncio.create_task(work()) for _ in range(2)]
        await asyncio.sleep(0)
        # The same instant as the pacer's timer, after it: runs between the waking and the woken.
        loop.call_later(1.0 + MARGIN_S, loop.stall, 0.040)
        await asyncio.gather(*tasks)
        return starts_s

    first_s, second_s = run_virtual(scenario())
    assert first_s >= 1.04
    assert second_s - first_s >= 1.0 + MARGIN_S


def test_first_come_first_served() -> None:
    async def scenario() -> list[int]:
        pacer, order = Pacer(100), list[int]()

        async def work(number: int) -> None:
            await pacer.start()
            order.append(number)
            if number < 29:
                await asyncio.sleep(0.05)  # time enough for a slot to be free, were there no queue
                assert len(order) == 30 or not pacer.try_start()

        pacer.hold("operator", "paused")
        tasks = [asyncio.create_task(work(number)) for number in range(30)]
        await asyncio.sleep(0)
        pacer.release("operator")
        assert not pacer.try_start()
        await asyncio.gather(*tasks)
        return order

    assert run_virtual(scenario()) == list(range(30))


@pytest.mark.parametrize("cancelled", [(0,), (3, 4), (9,), (0, 1, 2, 5, 9)])
@pytest.mark.parametrize("at_s", [0.0, 0.05, 0.1])
def test_cancelled_waiters_leave_no_hole(cancelled: tuple[int, ...], at_s: float) -> None:
    async def starts(waiting: int, cancel: tuple[int, ...]) -> list[float]:
        pacer, starts_s = Pacer(10), list[float]()

        async def work() -> None:
            await pacer.start()
            starts_s.append(pacer.clock())

        tasks = [asyncio.create_task(work()) for _ in range(waiting)]
        await asyncio.sleep(at_s)
        already = sum(not tasks[number].done() for number in cancel)
        for number in cancel:
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert pacer.started == len(starts_s) == waiting - already
        return starts_s

    left_s = run_virtual(starts(10, cancelled))
    plain_s = run_virtual(starts(len(left_s), ()))
    assert left_s == pytest.approx(plain_s, abs=0.002)


def test_cancelling_one_just_woken_passes_the_slot_on() -> None:
    async def scenario() -> tuple[int, float]:
        pacer = Pacer(1)
        await pacer.start()
        before_s = pacer.clock()
        first, second = (asyncio.create_task(pacer.start()) for _ in range(2))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(1.0 + MARGIN_S, first.cancel)
        await asyncio.gather(first, second, return_exceptions=True)
        assert first.cancelled()
        return pacer.started, pacer.clock() - before_s

    started, waited_s = run_virtual(scenario())
    assert started == 2
    assert waited_s < 1.02


def test_holds_stand_side_by_side_and_end_by_themselves() -> None:
    async def scenario() -> None:
        pacer = Pacer(None)
        began_s = pacer.clock()
        pacer.hold("throttled", "429 from the service", began_s + 5)
        pacer.hold("operator", "paused by the operator")
        assert not pacer.try_start()
        assert pacer.due_within(0.02) == 0
        asyncio.get_running_loop().call_later(2, pacer.release, "operator")
        await pacer.start()
        assert pacer.clock() - began_s == pytest.approx(5, abs=0.01)
        assert pacer.holds() == []
        pacer.release("operator")
        assert pacer.try_start()

    run_virtual(scenario())


def test_a_hold_without_end_outlasts_one_with_an_end() -> None:
    async def scenario() -> None:
        pacer = Pacer(1000)
        began_s = pacer.clock()
        pacer.hold("throttled", "429 from the service", began_s + 1)
        pacer.hold("operator", "paused by the operator")
        waiter = asyncio.create_task(pacer.start())
        await asyncio.sleep(60)
        assert pacer.holds() == [Hold("operator", "paused by the operator", None)]
        assert not waiter.done()
        pacer.set_rate(None)
        await asyncio.sleep(1)
        assert not waiter.done()
        pacer.release("operator")
        await waiter
        assert pacer.clock() - began_s == pytest.approx(61, abs=0.01)

    run_virtual(scenario())


@pytest.mark.parametrize(("until_s", "waited_s"), [(1.0, 1.0), (9.0, 9.0)])
def test_a_later_hold_of_the_same_key_replaces_the_earlier(until_s: float, waited_s: float) -> None:
    async def scenario() -> float:
        pacer = Pacer(10)
        began_s = pacer.clock()
        pacer.hold("throttled", "429", began_s + 4)
        waiter = asyncio.create_task(pacer.start())
        await asyncio.sleep(0)
        pacer.hold("throttled", "429 again", began_s + until_s)
        await waiter
        return pacer.clock() - began_s

    assert run_virtual(scenario()) == pytest.approx(waited_s, abs=0.01)


def test_a_hold_catches_those_already_woken_and_keeps_their_order() -> None:
    async def scenario() -> list[int]:
        pacer, order = Pacer(100), list[int]()

        async def work(number: int) -> None:
            await pacer.start()
            order.append(number)

        pacer.hold("token", "renewing the token")
        tasks = [asyncio.create_task(work(number)) for number in range(6)]
        await asyncio.sleep(0)
        pacer.release("token")
        pacer.hold("token", "renewing the token")
        await asyncio.sleep(1)
        assert order == []
        pacer.release("token")
        await asyncio.gather(*tasks)
        return order

    assert run_virtual(scenario()) == list(range(6))


@pytest.mark.parametrize("ends_ms", range(1, 9))
def test_a_hold_that_ends_between_two_who_were_woken_keeps_their_order(ends_ms: int) -> None:
    async def scenario() -> list[int]:
        reads = itertools.count()
        pacer, order = Pacer(100, clock=lambda: next(reads) / 1000), list[int]()

        async def work(number: int) -> None:
            await pacer.start()
            order.append(number)

        pacer.hold("token", "renewing the token")
        tasks = [asyncio.create_task(work(number)) for number in range(3)]
        await asyncio.sleep(0)
        pacer.release("token")
        pacer.hold("throttled", "429", pacer.clock() + ends_ms / 1000)
        await asyncio.gather(*tasks)
        return order

    assert run_virtual(scenario()) == [0, 1, 2]


def test_those_due_together_start_in_the_same_turn_of_the_loop() -> None:
    async def scenario() -> int:
        pacer = Pacer(100)
        assert pacer.try_start()
        pacer.hold("operator", "paused")
        tasks = [asyncio.create_task(pacer.start()) for _ in range(10)]
        await asyncio.sleep(0.05)
        pacer.release("operator")
        await asyncio.sleep(0)
        started = pacer.started - 1
        await asyncio.gather(*tasks)
        return started

    assert run_virtual(scenario()) == 3


def test_what_is_to_happen_just_before_a_call_happens_when_it_may_start_and_before_it_counts_as_started() -> None:
    async def scenario() -> list[tuple[float, int]]:
        pacer, seen = Pacer(10), list[tuple[float, int]]()
        for _ in range(3):
            await pacer.start(lambda: seen.append((round(pacer.clock() - begun_s, 2), pacer.started)))
        return seen

    begun_s = 0.0

    async def timed() -> list[tuple[float, int]]:
        nonlocal begun_s
        begun_s = asyncio.get_running_loop().time()
        return await scenario()

    assert run_virtual(timed()) == [(0.0, 0), (0.1, 1), (0.2, 2)]


def test_a_pause_that_comes_just_before_a_call_holds_it() -> None:
    async def scenario() -> tuple[int, int]:
        pacer = Pacer(10)
        call = asyncio.create_task(pacer.start(lambda: pacer.hold("operator", "paused")))
        await asyncio.sleep(5)
        held = pacer.started
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        return held, len(pacer.holds())

    assert run_virtual(scenario()) == (0, 1)


def test_after_a_hold_no_more_than_the_rate_starts() -> None:
    async def scenario() -> list[float]:
        pacer, starts_s = Pacer(20), list[float]()

        async def work() -> None:
            while len(starts_s) < 200:
                await pacer.start()
                starts_s.append(pacer.clock())

        async def pause() -> None:
            for pause_s in (0.3, 1.0, 0.05, 2.5, 0.5):
                await asyncio.sleep(0.7)
                pacer.hold("operator", "paused", pacer.clock() + pause_s)

        await asyncio.gather(pause(), *(work() for _ in range(8)))
        return starts_s

    assert most_within(run_virtual(scenario()), 1.0) == 20


def test_due_within_counts_down_to_the_next_slot() -> None:
    async def scenario() -> None:
        pacer = Pacer(10)
        assert pacer.try_start()
        assert not pacer.try_start()
        assert pacer.due_within(0) == 0
        assert pacer.due_within(0.05) == 0
        assert pacer.due_within(0.11) == 1
        assert pacer.due_within(0.51) == 5
        assert pacer.due_within(1) == 9
        with pytest.raises(ValueError, match="within 0 and 1"):
            pacer.due_within(1.5)

    run_virtual(scenario())


@pytest.mark.parametrize(("new_loop", "same"), [(asyncio.new_event_loop, False), (uvloop.new_event_loop, True)])
def test_only_uvloop_is_timed_by_the_system(new_loop: Callable[[], asyncio.AbstractEventLoop], same: bool) -> None:
    loop = new_loop()
    clock = loop_clock(loop)
    loop.close()
    assert (clock is time.monotonic) is same
    assert same or clock == loop.time


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_in_real_time_no_second_holds_more_than_the_rate(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def scenario() -> list[float]:
        pacer, starts_s = Pacer(400), list[float]()

        async def work() -> None:
            while len(starts_s) < 480:
                await pacer.start()
                starts_s.append(time.monotonic())

        await asyncio.gather(*(work() for _ in range(16)))
        return starts_s

    run: Coroutine[Any, Any, list[float]] = scenario()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        starts_s = runner.run(run)
    assert all(later >= earlier for earlier, later in itertools.pairwise(starts_s))
    assert most_within(starts_s, 1.0) <= 400


async def depart(slot: Slot, pacer: Pacer) -> bool:
    """Let a call leave as a connection does; return whether its slot was exchanged before."""
    is_exchanged = False
    while (waiting := slot.depart(pacer.start)) is not None:
        await waiting
        is_exchanged = True
    return is_exchanged


def test_a_call_counts_from_its_first_byte() -> None:
    async def scenario() -> tuple[bool, float, float]:
        pacer = Pacer(1)
        slot = await pacer.start()
        await asyncio.sleep(0.6)
        exchanged = await depart(slot, pacer)
        left_s = pacer.clock()
        later = await pacer.start()
        return exchanged, later.at_s - left_s, slot.at_s - left_s

    exchanged, gap_s, counted_s = run_virtual(scenario())
    assert not exchanged
    assert 1.0 + MARGIN_S <= gap_s < 1.02
    assert counted_s == 0


def test_a_slot_that_is_too_old_is_exchanged() -> None:
    """As after a time in which the process was stopped: what was to leave then leaves in its turn, not all at once."""

    async def scenario() -> tuple[list[bool], list[float]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        pacer = Pacer(5)
        slots = [await pacer.start() for _ in range(5)]
        loop.stall(24)
        exchanged, left_s = [], []
        for slot in slots:
            exchanged.append(await depart(slot, pacer))
            left_s.append(pacer.clock())
        assert pacer.started == 5
        return exchanged, left_s

    exchanged, left_s = run_virtual(scenario())
    assert exchanged == [True] * 5
    assert left_s == sorted(left_s)
    assert all(later - earlier > 0.15 for earlier, later in pairwise(left_s))


def test_a_slot_that_is_given_back_counts_no_more() -> None:
    async def scenario() -> tuple[int, float]:
        pacer = Pacer(1)
        slot = await pacer.start()
        slot.give_back()
        began_s = pacer.clock()
        await pacer.start()
        return pacer.started, pacer.clock() - began_s

    started, waited_s = run_virtual(scenario())
    assert started == 1
    assert waited_s < 1.0 + MARGIN_S / 2


def test_a_hold_lets_a_single_probe_through_and_then_stands_again() -> None:
    async def scenario() -> list[float]:
        pacer, starts_s = Pacer(100), list[float]()

        async def work() -> None:
            await pacer.start()
            starts_s.append(round(pacer.clock() - began_s, 1))

        began_s = pacer.clock()
        pacer.hold("throttled", "all is refused", probe_at_s=began_s + 2)
        tasks = [asyncio.create_task(work()) for _ in range(4)]
        await asyncio.sleep(1)
        assert pacer.due_within(0.02) == 0
        await asyncio.sleep(4)
        assert starts_s == [2.0]
        pacer.hold("throttled", "all is refused", probe_at_s=pacer.clock() + 1)
        assert pacer.delay_s() == pytest.approx(1)
        await asyncio.sleep(3)
        assert starts_s == [2.0, 6.0]
        assert pacer.due_within(0.02) == 0
        pacer.release("throttled")
        await asyncio.gather(*tasks)
        return starts_s

    assert run_virtual(scenario()) == [2.0, 6.0, 8.0, 8.0]


def test_another_hold_keeps_the_probe_back_and_a_probe_given_back_may_start_again() -> None:
    async def scenario() -> None:
        pacer = Pacer(100)
        now_s = pacer.clock()
        pacer.hold("throttled", "all is refused", probe_at_s=now_s)
        pacer.hold("paused", "by the operator")
        assert pacer.try_start() is None
        pacer.release("paused")
        assert pacer.due_within(0.02) == 1
        probe = pacer.try_start()
        assert probe is not None
        await asyncio.sleep(0.1)
        assert pacer.try_start() is None
        probe.give_back()
        assert pacer.try_start() is not None

    run_virtual(scenario())


def test_who_waits_for_the_end_of_all_holds_is_woken_by_it() -> None:
    async def scenario() -> list[float]:
        pacer, woken_s = Pacer(10), list[float]()

        async def wait() -> None:
            await pacer.unheld()
            woken_s.append(round(pacer.clock() - began_s, 2))

        began_s = pacer.clock()
        pacer.hold("paused", "by the operator")
        pacer.hold("throttled", "429", began_s + 5)
        waiting = [asyncio.create_task(wait()) for _ in range(2)]
        await asyncio.sleep(7.77)
        pacer.release("paused")
        await asyncio.gather(*waiting)
        pacer.hold("throttled", "429", pacer.clock() + 2)
        await wait()
        return woken_s

    assert run_virtual(scenario()) == [7.77, 7.77, 9.77]


class Clock:
    """Time that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("asked", "learnt", "in_force"), [(10, 4, 4), (3, 4, 3), (None, 4, 4), (10, None, 10), (None, None, None)]
)
def test_the_rate_in_force_is_the_lower_one(asked: float | None, learnt: float | None, in_force: float | None) -> None:
    pacer = Pacer(asked, clock=Clock())
    pacer.learn(learnt)
    assert (pacer.asked_per_s, pacer.rate_per_s) == (asked, in_force)


def test_calls_of_the_last_second_are_counted() -> None:
    clock = Clock()
    pacer = Pacer(None, clock=clock)
    assert pacer.started_per_s == 0
    for _ in range(3):
        pacer.try_start()
        clock.now_s += 0.4
    assert pacer.started_per_s == 2


@pytest.mark.parametrize(("age_s", "is_stale"), [(0.99, False), (1.0, True)])
def test_a_slot_a_second_old_is_exchanged(age_s: float, is_stale: bool) -> None:
    async def scenario() -> tuple[bool, float]:
        clock = Clock()
        pacer = Pacer(10, clock=clock)
        slot = await pacer.start()
        clock.now_s += age_s
        if exchange := slot.depart(pacer.start):
            await exchange
        return bool(exchange), slot.at_s

    assert run_virtual(scenario()) == (is_stale, 100.0 + age_s)


def test_a_hold_is_over_at_its_last_moment_and_not_before() -> None:
    async def scenario() -> list[float]:
        pacer = Pacer(None)
        began_s = pacer.clock()
        pacer.hold("pause", "for the test", until_s=began_s + 5)
        await pacer.unheld()
        return [pacer.clock() - began_s, len(pacer.holds())]

    ended_s, left = run_virtual(scenario())
    assert ended_s == pytest.approx(5, abs=0.002)
    assert left == 0
    clock = Clock()
    pacer = Pacer(None, clock=clock)
    pacer.hold("pause", "for the test", until_s=105.0)
    clock.now_s = 105.0
    assert pacer.holds() == []


def test_who_waits_starts_as_soon_as_more_is_allowed_or_a_slot_comes_back() -> None:
    async def scenario() -> list[float]:
        pacer = Pacer(100)
        pacer.learn(0.1)
        slot = await pacer.start()
        began_s = pacer.clock()
        waiting = asyncio.create_task(pacer.start())
        await asyncio.sleep(1)
        pacer.learn(None)
        await waiting
        times = [pacer.clock() - began_s]
        pacer.hold("down", "for the test", probe_at_s=pacer.clock())
        slot = await pacer.start()
        waiting = asyncio.create_task(pacer.start())
        await asyncio.sleep(1)
        assert not waiting.done(), "one call at a time"
        slot.give_back()
        await waiting
        return [*times, pacer.clock() - began_s]

    assert run_virtual(scenario()) == pytest.approx([1, 2], abs=0.05)


def test_whoever_asked_first_starts_first_though_a_call_could_start_at_once() -> None:
    async def scenario() -> list[str]:
        pacer, order = Pacer(10), list[str]()

        async def begin(name: str) -> None:
            await pacer.start()
            order.append(name)

        pacer.hold("pause", "for the test")
        first = asyncio.create_task(begin("first"))
        await asyncio.sleep(1)
        pacer.release("pause")  # the first has been woken, and has not run yet
        await asyncio.gather(begin("second"), first)
        return order

    assert run_virtual(scenario()) == ["first", "second"]
