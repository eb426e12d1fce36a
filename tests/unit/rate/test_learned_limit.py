"""The rate learnt from refusals: what was accepted in a second, a little less, and a careful climb from there."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.rate.learned_limit import BELOW, LOWEST_PER_S, Allowance


def second_of(allowance: Allowance, calls: int, begin_s: float = 0.0) -> None:
    """Have so many calls accepted, evenly over a second."""
    for number in range(calls):
        at = begin_s + number / calls
        allowance.accepted(at, at)


def test_nothing_is_limited_before_the_first_refusal() -> None:
    allowance = Allowance()
    second_of(allowance, 400)
    assert allowance.rate_per_s is None


def test_a_refusal_sets_the_rate_to_a_little_less_than_was_accepted() -> None:
    allowance = Allowance()
    second_of(allowance, 40)
    allowance.refused(2.0, 400.0)
    assert allowance.rate_per_s == BELOW * 40


def test_calls_that_were_under_way_count_too_but_stragglers_of_the_past_do_not() -> None:
    allowance = Allowance()
    second_of(allowance, 30)
    allowance.refused(2.0, 400.0)
    for number in range(10):
        allowance.accepted(0.99 + number / 10_000, 1.5)
    assert allowance.rate_per_s == BELOW * 40
    allowance.resumed()
    allowance.accepted(2.1, 2.1)
    before = allowance.rate_per_s
    allowance.accepted(0.5, 2.2)
    assert allowance.rate_per_s >= before


def test_a_limit_that_two_refusals_agree_on_is_kept_for_long() -> None:
    allowance = Allowance()
    second_of(allowance, 40)
    allowance.refused(2.0, 400.0)
    allowance.resumed()
    second_of(allowance, 39, 2.1)
    allowance.refused(4.0, 41.0)
    allowance.resumed()
    for second in range(20):
        second_of(allowance, 38, 5.0 + second)
    assert allowance.rate_per_s is not None
    assert allowance.rate_per_s < 41


def test_a_wait_in_which_nothing_is_accepted_lowers_the_rate_once_only() -> None:
    allowance = Allowance()
    second_of(allowance, 40)
    allowance.refused(2.0, 400.0)
    allowance.resumed()
    for until_s in (3.0, 4.0, 5.0):
        allowance.refused(until_s, 39.0)
    assert allowance.rate_per_s == BELOW * 40


@given(
    st.lists(
        st.tuples(st.sampled_from(["accepted", "refused", "resumed"]), st.floats(0, 100), st.floats(0, 5)), max_size=200
    )
)
def test_it_is_always_a_rate(happened: list[tuple[str, float, float]]) -> None:
    allowance, now_s = Allowance(), 0.0
    for what, forward_s, back_s in happened:
        now_s += forward_s
        if what == "accepted":
            allowance.accepted(now_s - back_s, now_s)
        elif what == "refused":
            allowance.refused(now_s + back_s, allowance.rate_per_s or math.inf)
        else:
            allowance.resumed()
        rate = allowance.rate_per_s
        assert rate is None or LOWEST_PER_S <= rate < math.inf


@pytest.mark.parametrize("accepted", [0, 1, 2, 3])
def test_a_handful_is_no_measure(accepted: int) -> None:
    allowance = Allowance()
    for number in range(accepted):
        allowance.accepted(number / 2, number / 2)
    allowance.refused(2.0, 400.0)
    assert allowance.rate_per_s is not None
    assert LOWEST_PER_S <= allowance.rate_per_s <= 4


def test_the_burst_of_a_leaky_bucket_is_not_taken_for_its_limit() -> None:
    allowance = Allowance()
    for number in range(8):
        allowance.accepted(number / 400, number / 400)
    allowance.refused(0.2, 400.0)
    allowance.resumed()
    for number in range(7):
        allowance.accepted(0.3 + number / 20, 0.3 + number / 20)
    allowance.refused(0.9, 50.0)
    allowance.resumed()
    for number in range(40):  # all are accepted, at whatever rate that is
        at = 1.0 + number / 20
        allowance.accepted(at, at)
    assert allowance.rate_per_s is not None
    assert allowance.rate_per_s > 10
