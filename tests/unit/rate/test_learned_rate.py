"""The rate learnt: what a service does to calls, and what the rate does then."""

import math
import random
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.rate.door import Opening
from bulkroute.rate.learned_rate import BELOW, BELOW_HALTING, DEEPEST, LOWEST_PER_S, LearnedRate
from bulkroute.rate.rounds import Round
from bulkroute.rate.trials import STEP

Admits = Callable[[float], bool]
NUMBERS = count()


class Life:
    """Makes calls at the rate learnt, each answered 10 ms later."""

    def __init__(self, rate: LearnedRate, asked: float) -> None:
        self.rate = rate
        self.asked = asked
        self.now_s = 0.0

    @property
    def in_force(self) -> float:
        return self.rate.rate_per_s or self.asked

    def live(self, seconds: float, admits: Admits, retry_after_s: float | None = None) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            started_s, part = self.now_s, self.rate.started(self.now_s)
            if admits(started_s):
                self.rate.accepted(started_s, part, started_s + 0.01)
            else:
                self.rate.refused(started_s, part, started_s + 0.01, retry_after_s)
                self.now_s += retry_after_s or 0.0
            self.now_s += 1 / self.in_force


def life(asked: float, head_room: float = 0.0) -> Life:
    return Life(LearnedRate(asked, head_room), asked)


def window(calls: int) -> Admits:
    """At most so many in any second; what is refused does not count."""
    counted: list[float] = []

    def admits(now_s: float) -> bool:
        counted[:] = [at_s for at_s in counted if at_s > now_s - 1]
        if len(counted) < calls:
            counted.append(now_s)
            return True
        return False

    return admits


def at_random(share: float, seed: int = 1) -> Admits:
    chance = random.Random(seed)
    return lambda _now_s: chance.random() >= share


def test_nothing_is_limited_while_nothing_is_refused() -> None:
    night = life(50)
    night.live(60, lambda _now_s: True)
    assert night.rate.rate_per_s is None


@pytest.mark.parametrize("share", [0.005, 0.02, 0.05])
def test_refusals_at_random_cost_no_pace_for_long(share: float) -> None:
    night = life(50)
    night.live(300, at_random(share))
    assert night.rate.rate_per_s is None or night.in_force > 0.9 * 50


def test_a_limit_is_found_and_kept_to() -> None:
    night, service = life(60), window(40)
    night.live(20, service)
    rates = []
    for _ in range(60):
        night.live(1, service)
        rates.append(night.in_force)
    assert min(rates) > 37
    assert max(rates) <= 40 * 1.2
    assert sum(rates) / len(rates) == pytest.approx(40, rel=0.05)


def test_a_limit_that_goes_is_left_behind() -> None:
    night = life(40)
    night.live(60, window(10))
    assert night.in_force < 12
    night.live(40, lambda _now_s: True)
    assert night.rate.rate_per_s is None


def test_a_service_that_allows_a_quarter_is_followed_at_once() -> None:
    night = life(40)
    night.live(60, lambda _now_s: True)
    night.live(4, window(10))
    assert 8 < night.in_force < 13


def test_head_room_is_kept_below_a_limit_that_was_found_and_only_then() -> None:
    night = life(60, head_room=0.2)
    night.live(30, lambda _now_s: True)
    assert night.rate.rate_per_s is None
    service = window(40)
    night.live(30, service)
    rates = []
    for _ in range(100):
        night.live(1, service)
        rates.append(night.in_force)
    resting = [rate for rate in rates if rate < 34]
    assert len(resting) > 80, "most of the time"
    assert min(resting) == pytest.approx(0.8 * 40, rel=0.07)


def test_retry_after_makes_a_limit_known_by_the_most_accepted_in_a_second() -> None:
    night = life(400)
    night.live(15, window(40), retry_after_s=1.0)
    assert night.in_force == BELOW_HALTING * 40


def test_what_the_service_says_is_the_start() -> None:
    rate = LearnedRate(400)
    rate.expect(5.0, 0.0)
    assert rate.rate_per_s == BELOW_HALTING * 5
    rate.expect(1.0, 1.0)
    assert rate.rate_per_s == BELOW_HALTING * 5, "only the start"


def test_it_says_nothing_of_rates_that_are_not_asked_for() -> None:
    rate = LearnedRate(10)
    rate.expect(50.0, 0.0)
    assert rate.rate_per_s is None


def shut(rate: LearnedRate, accepted: int, at_s: float, *, over_s: float = 0.5) -> None:
    """Have so many calls accepted, and then five refused."""
    for number in range(accepted):
        rate.accepted(at_s - over_s + over_s * number / accepted, None, at_s)
    for _ in range(5):
        rate.refused(at_s, None, at_s, None)


def test_after_a_short_time_shut_it_goes_on_at_what_was_accepted_in_a_second() -> None:
    rate = LearnedRate(400)
    shut(rate, 40, 0.5)
    rate.reopened(Opening(0.5, 0.6, 41), 1.1)
    assert rate.rate_per_s == BELOW * 40


def test_a_door_that_opens_within_the_second_was_not_shut_by_a_limit_of_a_second() -> None:
    rate = LearnedRate(400)
    shut(rate, 10, 0.1, over_s=0.1)
    rate.reopened(Opening(0.1, 0.1, 11), 0.2)
    assert rate.rate_per_s == pytest.approx(BELOW * 10 / 0.2)


def test_where_only_a_handful_was_accepted_it_doubles_until_that_is_too_much() -> None:
    night = life(400)
    shut(night.rate, 8, 0.5)
    night.rate.reopened(Opening(0.5, 0.6, 9), 1.1)
    night.now_s = 1.1
    rates = [night.in_force]
    service = window(50)
    for _ in range(8):
        night.live(1.2, service)
        rates.append(night.in_force)
    assert rates[0] == pytest.approx(8, abs=0.5)
    assert max(rates[:4]) >= 4 * rates[0]
    assert 30 < rates[-1] < 65


def test_a_storm_changes_nothing_the_first_time_and_a_second_one_tells_the_rate_from_opening_to_opening() -> None:
    rate = LearnedRate(50)
    shut(rate, 50, 12.0)
    rate.reopened(Opening(12.0, 48.0, 600), 60.0)
    assert rate.rate_per_s is None
    shut(rate, 50, 72.0)
    rate.reopened(Opening(12.0, 48.0, 600), 120.0)
    assert rate.rate_per_s == 10


def test_a_door_that_shuts_within_a_second_of_slowing_down_was_shut_by_the_rate_before() -> None:
    rate = LearnedRate(40)
    rate.expect(20, 0.0)
    found = rate.rate_per_s
    assert found == BELOW_HALTING * 20
    shut(rate, 0, 0.5)
    rate.reopened(Opening(0.5, 0.3, 1), 0.8)
    assert rate.rate_per_s == found
    shut(rate, 0, 0.9)
    rate.reopened(Opening(0.1, 0.3, 1), 1.2)
    assert rate.rate_per_s == DEEPEST * found, "the second time it is no memory of the rate before"


def test_a_handful_in_a_long_time_is_taken_as_it_is() -> None:
    rate = LearnedRate(10)
    shut(rate, 5, 1.0)
    rate.reopened(Opening(1.0, 59.0, 6), 60.0)
    assert rate.rate_per_s == pytest.approx(0.1)


def test_five_refusals_by_chance_are_only_a_trial() -> None:
    night = life(50)
    night.live(30, at_random(0.02))
    night.rate.expect(49.0, night.now_s)  # found
    shut(night.rate, 20, night.now_s, over_s=0.4)
    night.rate.reopened(Opening(30.0, 0.1, 1500), night.now_s + 0.1)
    assert night.in_force >= DEEPEST * 45
    night.now_s += 0.1
    night.live(60, at_random(0.02))
    assert night.in_force > 40


def test_another_rate_asked_for_holds_at_once_and_what_was_learnt_stays() -> None:
    rate = LearnedRate(50)
    rate.ask(20, 0.0)
    in_force = [rate.rate_per_s or 20]
    rate.expect(10, 0.0)
    for asked in (100, 5, None):
        rate.ask(asked, 1.0)
        in_force.append(rate.rate_per_s or asked or math.inf)
    assert in_force == [20, BELOW_HALTING * 10, 5, math.inf]


def test_a_faster_trial_is_not_made_while_answers_wait_in_a_queue() -> None:
    def spend(took_s: float, but_for_one_in: int = 1) -> float:
        rate = LearnedRate(50)
        rate.expect(20, 0.0)
        now_s, highest = 0.0, 0.0
        for number in range(1200):
            part = rate.started(now_s)
            is_quick = number < 40 or number % but_for_one_in
            rate.accepted(now_s, part, now_s + (0.05 if is_quick else took_s))
            now_s += 1 / 19
            highest = max(highest, rate.rate_per_s or 50)
        return highest

    assert spend(0.06) > 19 * (1 + 2 * STEP) > spend(2.0)
    assert spend(2.0, but_for_one_in=2) > 19 * (1 + 2 * STEP), "the quickest answer of a round tells"


ANSWERS = st.tuples(
    st.sampled_from(["accepted", "refused", "told", "lost", "reopened", "asked", "expected"]),
    st.floats(0, 30),
    st.integers(1, 12),
)


@given(st.sampled_from([0.01, 1.0, 50.0, None]), st.lists(ANSWERS, max_size=80), st.sampled_from([0.0, 0.5]))
def test_it_is_always_a_rate(asked: float | None, happened: list[tuple[str, float, int]], head_room: float) -> None:
    rate, now_s = LearnedRate(asked, head_room), 0.0
    for what, forward_s, calls in happened:
        parts: list[tuple[float, Round | None]] = []
        for _ in range(calls):
            now_s += forward_s / calls
            parts.append((now_s, rate.started(now_s)))
        for started_s, part in parts:
            if what == "accepted":
                rate.accepted(started_s, part, now_s)
            elif what in ("refused", "told"):
                rate.refused(started_s, part, now_s, forward_s if what == "told" else None)
            elif what == "lost":
                rate.lost(part, now_s)
        if what == "reopened":
            rate.reopened(Opening(forward_s, forward_s / 2, calls), now_s)
        elif what == "asked":
            asked = forward_s + 0.01
            rate.ask(asked, now_s)
        elif what == "expected":
            rate.expect(forward_s + 0.01, now_s)
        learnt = rate.rate_per_s
        lowest = min(LOWEST_PER_S, asked or math.inf) * (1 - head_room)
        assert learnt is None or (lowest <= learnt < (asked or math.inf))


@pytest.mark.parametrize(("limit", "retry_after_s"), [(20, None), (20, 1.0), (1000, None)])
def test_when_the_clock_began_makes_no_difference(limit: int, retry_after_s: float | None) -> None:
    nights = []
    for began_s in (0.0, 65536.0):
        night, rates = life(40), list[float | None]()
        night.now_s = began_s
        service = window(limit)
        for _ in range(60):
            night.live(1, service, retry_after_s)
            rates.append(night.rate.rate_per_s)
        nights.append(rates)
    assert nights[0] == pytest.approx(nights[1], abs=2)


def test_unlimited_is_what_it_begins_with_where_that_is_asked_for() -> None:
    rate = LearnedRate(None)
    in_force = [rate.rate_per_s]
    rate.expect(20.0, 0.0)
    in_force.append(rate.rate_per_s)
    rate.ask(None, 1.0)
    assert [*in_force, rate.rate_per_s] == [None, BELOW_HALTING * 20, BELOW_HALTING * 20], "what was learnt stays"


def test_a_call_that_nobody_answered_says_nothing() -> None:
    rate = LearnedRate(50)
    for second in range(60):
        for call in range(50):
            now_s = second + call / 50
            part = rate.started(now_s)
            rate.lost(part, now_s + 0.01)
    assert rate.rate_per_s is None
