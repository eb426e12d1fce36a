"""The arithmetic of pacing: the bound, the mean, and what is made up for, by the times of starts alone."""

import math
import random
from collections import deque
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.rate.schedule import MARGIN_S, PUNCTUAL_S, UNBOUNDED, Schedule, catch_up_s
from tests.pace_real_time import burst_needed, most_within


def mean_per_s(starts_s: list[float]) -> float:
    return (len(starts_s) - 1) / (starts_s[-1] - starts_s[0])


def test_below_one_a_second_calls_are_1_over_r_apart() -> None:
    schedule, now_s, starts_s = Schedule(0.25), 0.0, []
    for late_s in (0.0, 0.5, 0.0, 3.0, 0.0):
        now_s += schedule.delay(now_s) + late_s
        schedule.start(now_s)
        starts_s.append(now_s)
    assert starts_s == [0.0, 4.5, 8.5, 15.5, 19.5]


def test_a_rate_that_is_not_whole_keeps_the_bound() -> None:
    schedule, now_s, starts_s = Schedule(7.9), 0.0, []
    while now_s < 20:
        now_s += schedule.delay(now_s)
        schedule.start(now_s)
        starts_s.append(now_s)
    assert most_within(starts_s, 1.0) == 7
    assert mean_per_s(starts_s) >= 0.99 * 7


RATES = st.sampled_from([0.3, 1.0, 2.0, 5.5, 20.0, 60.0, None])


STEPS = st.one_of(
    st.tuples(st.just("work"), st.floats(0, 1.5), st.floats(0, 0.2)),
    st.tuples(st.just("idle"), st.floats(0, 2.5), st.just(0.0)),
    st.tuples(st.just("rate"), RATES, st.just(0.0)),
)


@given(RATES, st.lists(STEPS, max_size=20))
def test_no_stall_and_no_change_of_rate_breaks_the_bound(rate_per_s: float | None, steps: list[Any]) -> None:
    """At each start, the second before it holds no more than the rate in force; so no second does."""
    schedule, now_s = Schedule(rate_per_s), 100.0
    starts_s: list[float] = []
    for step, amount, late_s in steps:
        if step == "rate":
            schedule.rate_per_s = amount
        elif step == "idle":
            now_s += amount
        else:
            end_s = now_s + amount
            for _ in range(300):
                now_s += schedule.delay(now_s) + late_s
                if now_s > end_s:
                    break
                assert schedule.due_within(now_s, 0) >= 1
                schedule.start(now_s)
                starts_s.append(now_s)
                if schedule.rate_per_s is not None:
                    inside = sum(now_s - start_s < 1.0 + MARGIN_S - 1e-9 for start_s in starts_s)
                    assert inside <= max(1, math.floor(schedule.rate_per_s))


@given(st.sampled_from([1.0, 20.0, 100.0]), st.lists(st.floats(0, 0.1), min_size=1, max_size=30), st.floats(0, 1))
def test_never_more_start_than_due_within_said(rate_per_s: float, late_s: list[float], lead_s: float) -> None:
    schedule, now_s = Schedule(rate_per_s), 0.0
    for late in late_s:
        now_s += schedule.delay(now_s) + late
        schedule.start(now_s)
    promised, end_s, started = schedule.due_within(now_s, lead_s), now_s + lead_s - 1e-9, 0  # ties go either way
    while now_s + schedule.delay(now_s) <= end_s:
        now_s += schedule.delay(now_s)
        schedule.start(now_s)
        started += 1
    assert started <= promised <= started + 5


@pytest.mark.parametrize("rate_per_s", [10, 20, 100, 500])
def test_stalls_and_changes_of_rate_need_no_burst_above_5(rate_per_s: int) -> None:
    chance = random.Random(rate_per_s)
    schedule, now_s, starts_s = Schedule(rate_per_s), 0.0, []
    for _ in range(10 * rate_per_s):
        now_s += schedule.delay(now_s) + (chance.uniform(0, 0.3) if chance.random() < 0.02 else 0)
        schedule.start(now_s)
        starts_s.append(now_s)
        schedule.rate_per_s = rate_per_s
    assert burst_needed(starts_s, rate_per_s) <= 4


@pytest.mark.parametrize("rate_per_s", [20, 500, 2000])
def test_late_wakeups_are_made_up_for(rate_per_s: int) -> None:
    schedule, now_s, starts_s = Schedule(rate_per_s), 0.0, list[float]()
    while len(starts_s) < 10 * rate_per_s:
        now_s += 0.0015 if schedule.delay(now_s) else 0
        while not schedule.delay(now_s):
            schedule.start(now_s)
            starts_s.append(now_s)
    assert most_within(starts_s, 1.0) <= rate_per_s
    assert mean_per_s(starts_s) >= 0.99 * rate_per_s


@pytest.mark.parametrize("rate_per_s", [20, 500, 2000])
def test_nothing_is_made_up_for_where_nobody_was_late(rate_per_s: int) -> None:
    """Neither at the start nor after a pause: calls that start together share a second with those before, or after."""
    schedule, now_s = Schedule(rate_per_s), 0.0
    for idle_s in (0.0, 0.2, 3.0):
        now_s += idle_s
        starts_s = []
        for _ in range(5):
            now_s += schedule.delay(now_s)
            schedule.start(now_s)
            starts_s.append(now_s)
        gaps_s = [later - earlier for earlier, later in pairwise(starts_s)]
        assert gaps_s == pytest.approx([1 / rate_per_s] * 4)


@pytest.mark.parametrize("rate_per_s", [0, -1, math.nan])
def test_a_rate_that_is_none_is_refused(rate_per_s: float) -> None:
    schedule = Schedule(3)
    with pytest.raises(ValueError, match="above 0 calls per second"):
        schedule.rate_per_s = rate_per_s
    assert schedule.rate_per_s == 3


def test_a_learnt_rate_keeps_its_fraction_and_the_bound_is_that_of_the_rate_asked_for() -> None:
    schedule, now_s, starts_s = Schedule(20), 0.0, list[float]()
    schedule.learnt_per_s = 7.9
    while now_s < 20:
        now_s += schedule.delay(now_s)
        schedule.start(now_s)
        starts_s.append(now_s)
    assert mean_per_s(starts_s) == pytest.approx(7.9)
    schedule.learnt_per_s = 300
    begun_s = now_s
    while now_s < begun_s + 5:
        now_s += schedule.delay(now_s)
        schedule.start(now_s)
        starts_s.append(now_s)
    assert most_within(starts_s, 1.0) == 20


def test_without_a_rate_asked_for_calls_are_spaced_by_the_learnt_one_alone() -> None:
    schedule = Schedule(None)
    assert schedule.delay(0.0) == 0
    assert schedule.due_within(0.0, 0.02) == UNBOUNDED
    schedule.learnt_per_s = 10
    schedule.start(0.0)
    assert schedule.delay(0.0) == pytest.approx(0.1)
    assert schedule.due_within(0.0, 0.55) == 5
    schedule.learnt_per_s = None
    assert schedule.delay(0.0) == 0


LATENESS = st.one_of(st.just(0.0), st.floats(0, 0.01), st.floats(0, 0.99))


@given(st.sampled_from([1.0, 2.0, 7.0, 20.0]), st.lists(st.tuples(LATENESS, st.floats(0, 0.05)), max_size=80))
def test_calls_that_leave_late_break_no_bound(rate_per_s: float, calls: list[tuple[float, float]]) -> None:
    """Slots are taken as soon as they can be; each first byte leaves up to a second after its slot, in any order."""
    schedule, now_s = Schedule(rate_per_s), 0.0
    waiting: deque[tuple[float, float]] = deque()  # when it leaves, and its slot
    left_s: list[float] = []

    def let_leave(until_s: float) -> None:
        for leaves_s, slot_s in sorted(waiting):
            if leaves_s <= until_s:
                waiting.remove((leaves_s, slot_s))
                schedule.restart(slot_s, leaves_s)
                left_s.append(leaves_s)

    for late_s, idle_s in calls:
        now_s += idle_s
        let_leave(now_s)
        while (wait_s := schedule.delay(now_s)) > 0:
            now_s = min([now_s + wait_s, *(leaves_s for leaves_s, _ in waiting)])
            let_leave(now_s)
        schedule.start(now_s)
        waiting.append((now_s + late_s, now_s))
    let_leave(math.inf)
    assert most_within(sorted(left_s), 1.0) <= rate_per_s


def test_small_lateness_moves_no_start() -> None:
    schedule = Schedule(10)
    schedule.start(5.0)
    assert schedule.restart(5.0, 5.0 + PUNCTUAL_S) == 5.0
    assert schedule.restart(5.0, 5.5) == 5.5
    assert schedule.started_within(5.5, 0.4) == 1
    schedule.take_back(5.5)
    assert schedule.started_within(5.5, 1.0) == 0


def test_a_start_that_is_long_past_can_be_taken_back_or_moved_all_the_same() -> None:
    schedule = Schedule(10)
    for second in (0.0, 2.0, 4.0):
        schedule.start(second)
    schedule.take_back(0.0)
    assert schedule.restart(2.0, 4.5) == 4.5
    assert schedule.started_within(4.5, 1.0) == 2


@pytest.mark.parametrize(
    ("rate_per_s", "late_s"),
    [(0.99, 0.0), (1.0, 0.02), (20, 0.02), (150, 0.02), (200, 0.015), (500, 0.006), (501, 0.02), (2000, 0.02)],
)
def test_so_late_a_call_may_be_and_still_be_made_up_for(rate_per_s: float, late_s: float) -> None:
    assert catch_up_s(rate_per_s) == pytest.approx(late_s)


def test_a_rate_of_one_a_second_is_a_whole_one() -> None:
    schedule = Schedule(1.0)
    schedule.start(10.0)
    assert schedule.delay(10.0) == pytest.approx(1.0 + MARGIN_S)
    schedule.rate_per_s = 1.9
    schedule.learnt_per_s = 1.5
    schedule.start(20.0)
    assert schedule.delay(20.0) == pytest.approx(1.0 + MARGIN_S), "one in a second, whatever was learnt"


def test_changes_of_rate_give_no_credit_and_take_none() -> None:
    schedule = Schedule(10)
    schedule.start(100.0)
    assert schedule.delay(100.0) == pytest.approx(0.1)
    for rate_per_s in (20, 40, 20, 10):
        schedule.rate_per_s = rate_per_s
    assert schedule.delay(100.0) == pytest.approx(0.1), "what has filled is a call, however fast it drains"
    schedule.rate_per_s = 5
    assert schedule.delay(100.0) == pytest.approx(0.2), "not more than a call"
    schedule.rate_per_s = None
    assert schedule.delay(100.0) == 0
    schedule.rate_per_s = 10
    assert schedule.delay(100.0) == pytest.approx(0.1 - 0.02), "one call fills it, which may be made up for"


def test_the_first_call_of_a_limited_run_waits_for_nothing() -> None:
    schedule = Schedule(None)
    schedule.rate_per_s = 10
    assert schedule.delay(0.0) == 0
    assert schedule.due_within(0.0, 0.0) == 1


def test_calls_that_started_in_a_span_are_counted_and_those_before_it_are_not() -> None:
    schedule = Schedule(10)
    for start_s in (0.0, 0.2, 0.4, 0.6):
        schedule.start(start_s)
    assert [schedule.started_within(0.6, span_s) for span_s in (0.1, 0.21, 0.41, 1.0)] == [1, 2, 3, 4]
    schedule.take_back(0.7)
    schedule.take_back(0.4)
    assert schedule.started_within(0.6, 1.0) == 3, "one that is not there is not taken back"


def test_no_more_are_due_than_the_second_has_room_for() -> None:
    schedule = Schedule(4)
    for start_s in (10.0, 10.25, 10.5, 10.75):
        assert schedule.delay(start_s) == 0
        schedule.start(start_s)
    assert schedule.due_within(10.76, 0.2) == 0
    assert schedule.due_within(10.76, 0.5) == 2


def test_a_look_ahead_is_of_a_second_at_most() -> None:
    assert [Schedule(5).due_within(0.0, lead_s) for lead_s in (0.0, 1.0)] == [1, 5]
    for lead_s in (-0.1, 1.1):
        with pytest.raises(ValueError, match="within 0 and 1 second"):
            Schedule(5).due_within(0.0, lead_s)


def test_so_many_calls_at_least_may_be_made_up_for_where_that_is_wanted() -> None:
    assert [catch_up_s(10, calls) for calls in (0, 1, 3)] == pytest.approx([0.02, 0.1, 0.3])
    assert catch_up_s(0.5, 3) == 0


def test_punctual_is_up_to_two_milliseconds() -> None:
    schedule = Schedule(10)
    schedule.start(0.0)
    assert schedule.restart(0.0, PUNCTUAL_S) == 0.0
    assert schedule.restart(0.0, 2 * PUNCTUAL_S) == 2 * PUNCTUAL_S
