"""When another rate is tried, and which."""

import pytest

from bulkroute.rate.rounds import Tally
from bulkroute.rate.trials import (
    DOUBLE,
    LONGEST_GAP_HALTED_S,
    LONGEST_GAP_S,
    PATIENT_CALLS,
    PATIENT_S,
    PRICE,
    STEEPEST,
    STEP,
    Timetable,
    Trial,
)


def trial(rate: float = 40.0, *, is_faster: bool = True, refused: int = 0) -> Trial:
    return Trial(rate, Tally(200, refused, 200 / rate), is_faster, 0.0, 0, 0)


def faster(timetable: Timetable, rate: float = 40.0, *, is_halting: bool = False) -> float:
    return timetable.faster_than(rate, is_halting=is_halting)


def test_each_success_doubles_the_step_up_to_the_steepest() -> None:
    timetable = Timetable()
    rates = [faster(timetable)]
    for _ in range(4):
        timetable.faster_succeeded(trial(), rates[-1], 10.0, is_halting=False)
        assert timetable.faster_s == 10.0, "at once"
        rates.append(faster(timetable))
    assert rates == pytest.approx([40 * (1 + step) for step in (STEP, 2 * STEP, STEEPEST, STEEPEST, STEEPEST)])


@pytest.mark.parametrize(("cost_s", "gap_s"), [(0.0, 0.0), (0.03, 0.03 / PRICE), (5.0, LONGEST_GAP_S)])
def test_a_trial_that_failed_waits_until_its_price_is_earned(cost_s: float, gap_s: float) -> None:
    timetable = Timetable()
    timetable.step = STEEPEST
    timetable.faster_failed(trial(), 52.0, cost_s, 100.0, halts_s=0.0)
    assert timetable.faster_s == pytest.approx(100.0 + gap_s)
    assert timetable.step == STEP


@pytest.mark.parametrize(("rate", "gap_s"), [(1.5, PATIENT_CALLS / 1.5), (0.1, PATIENT_S)])
def test_at_a_slow_rate_it_waits_longer(rate: float, gap_s: float) -> None:
    timetable = Timetable()
    timetable.faster_failed(trial(rate), 1.08 * rate, 60.0, 100.0, halts_s=0.0)
    assert timetable.faster_s == pytest.approx(100.0 + gap_s)


def test_once_it_went_slower_a_faster_rate_is_soon_tried_however_long_it_was_to_wait() -> None:
    timetable = Timetable()
    timetable.faster_shut(trial(), 43.2, 60.0, 100.0)
    assert timetable.faster_s == 100.0 + LONGEST_GAP_HALTED_S
    timetable.slower_succeeded(trial(is_faster=False), 110.0, is_halting=False)
    assert timetable.faster_s == 110.0 + LONGEST_GAP_S


@pytest.mark.parametrize(("halts_s", "gap_s", "step"), [(0.0, 0.0, STEEPEST), (1.0, 2 * STEP / PRICE, STEP)])
def test_after_a_double_step_a_smaller_one_is_tried_at_once_unless_it_halts_everybody(
    halts_s: float, gap_s: float, step: float
) -> None:
    timetable = Timetable()
    timetable.step = DOUBLE
    timetable.faster_failed(trial(), 80.0, 1.0, 100.0, halts_s=halts_s)
    # With a halt: the more there is to gain, the sooner; here a double step, which is to gain 100 %.
    assert timetable.faster_s == pytest.approx(100.0 + gap_s)
    assert timetable.step == step


def test_where_refusals_halt_everybody_half_of_the_way_is_gone_and_not_the_last_bit() -> None:
    timetable = Timetable()
    timetable.too_fast = 44.0
    assert faster(timetable, is_halting=True) == 42.0
    assert faster(timetable) == pytest.approx(40 * (1 + STEP))
    timetable.faster_succeeded(trial(), 42.0, 10.0, is_halting=True)
    assert timetable.faster_s == 10.0 + LONGEST_GAP_HALTED_S


def test_the_rate_that_a_trial_set_out_from_is_slow_enough_until_it_was_gone_back_to() -> None:
    timetable = Timetable()
    assert timetable.slow_enough == 0.0
    timetable.faster_succeeded(trial(40.0), 43.2, 10.0, is_halting=True)
    assert timetable.slow_enough == 40.0
    timetable.slower_succeeded(trial(43.2, is_faster=False), 20.0, is_halting=True)
    assert timetable.slow_enough == 0.0
    assert timetable.too_fast == 43.2


@pytest.mark.parametrize(
    ("calls", "refused", "clear"), [(200, 0, True), (30, 0, False), (40, 2, False), (400, 20, True)]
)
def test_a_slower_trial_is_clear_once_chance_would_have_refused_more(calls: int, refused: int, clear: bool) -> None:
    before = trial(is_faster=False, refused=10)  # 5 %
    assert before.is_clear(Tally(calls, refused, calls / 40), 38.0, is_halting=False) == clear


def test_a_faster_rate_must_be_worth_more_a_slower_one_as_much() -> None:
    same = Tally(200, 0, 5.0)
    assert not trial().is_better(same)
    assert trial(is_faster=False).is_better(same)
    assert not trial(is_faster=False).is_better(Tally(190, 0, 5.0))
    assert trial().is_better(Tally(210, 0, 5.0))
    assert not trial().is_better(Tally(210, 6, 5.0)), "a refusal counts against it"


@pytest.mark.parametrize(
    ("calls", "refused", "clear"), [(100, 0, True), (99, 0, False), (100, 1, False), (239, 11, False), (100, 12, True)]
)
def test_how_clear_a_slower_trial_must_be(calls: int, refused: int, clear: bool) -> None:
    """Five of a hundred would have been refused at random: none of them is clear, one is not."""
    before = trial(is_faster=False, refused=10)
    assert before.is_clear(Tally(calls, refused, calls / 40), 38.0, is_halting=False) is clear


@pytest.mark.parametrize(("refused", "clear"), [(1, False), (2, True)])
def test_where_refusals_halt_everybody_two_of_them_are_clear(refused: int, clear: bool) -> None:
    before = trial(is_faster=False, refused=1)
    assert before.is_clear(Tally(20, refused, 0.5), 38.0, is_halting=True) is clear
    assert not before.is_clear(Tally(20, refused, 0.5), 38.0, is_halting=False)


@pytest.mark.parametrize(
    ("calls", "refused", "clear"), [(0, 0, False), (1, 0, True), (45, 2, False), (46, 2, True), (12, 3, True)]
)
def test_a_faster_trial_is_clear_at_once_unless_something_is_refused(calls: int, refused: int, clear: bool) -> None:
    """The more is refused, and the smaller the step, the more calls it takes; but what is far too fast shows soon."""
    before = trial(refused=10 if refused else 0)
    assert before.is_clear(Tally(calls, refused, calls / 43.2), 43.2, is_halting=False) is clear


def test_what_was_too_fast_is_forgotten_when_it_is_reached_or_was_come_near() -> None:
    timetable = Timetable()
    timetable.too_fast = 43.0
    assert faster(timetable, is_halting=True) == pytest.approx(40 * (1 + STEP)), "nearer than is worth while"
    timetable.too_fast = 43.2
    timetable.faster_succeeded(trial(), 43.2, 10.0, is_halting=True)
    assert timetable.faster_s == timetable.slower_s == 10.0
    assert timetable.too_fast > 1e9
    assert faster(timetable, 43.2, is_halting=True) == pytest.approx(43.2 * (1 + 2 * STEP))


def test_a_slower_trial_that_failed_is_repeated_once_it_is_paid_for() -> None:
    timetable = Timetable()
    assert timetable.slower_s < 0
    timetable.slower_failed(trial(is_faster=False), 3 * PRICE, 100.0, halts_s=0.0)
    assert timetable.slower_s == pytest.approx(103.0)
    timetable.slower_failed(trial(is_faster=False), -1.0, 100.0, halts_s=0.0)
    assert timetable.slower_s == 100.0, "it cost nothing"


@pytest.mark.parametrize(
    ("step", "at_once", "then", "faster_s"),
    [(DOUBLE, True, STEP, 100.0), (DOUBLE, False, STEEPEST, 500.0), (STEP, False, STEP, 500.0)],
)
def test_slowing_down_makes_steps_small_and_a_faster_trial_due_if_much_has_changed(
    step: float, at_once: bool, then: float, faster_s: float
) -> None:
    timetable = Timetable()
    timetable.step, timetable.faster_s = step, 500.0
    timetable.slow_down(100.0, at_once=at_once)
    assert (timetable.step, timetable.faster_s) == (then, faster_s)


@pytest.mark.parametrize(("halts_s", "gap_s"), [(0.0, 0.0), (0.3, 0.3 / PRICE), (60.0, LONGEST_GAP_HALTED_S)])
def test_a_measured_rate_stands_until_a_halt_is_paid_for(halts_s: float, gap_s: float) -> None:
    timetable = Timetable()
    timetable.step = STEEPEST
    timetable.measured(100.0, halts_s=halts_s)
    assert timetable.faster_s == pytest.approx(100.0 + gap_s)
    assert timetable.step == STEP


def test_where_a_slower_rate_won_and_refusals_halt_everybody_a_faster_one_is_tried_at_once() -> None:
    timetable = Timetable()
    timetable.faster_s = 999.0
    timetable.slower_succeeded(trial(50.0, is_faster=False), 100.0, is_halting=True)
    assert (timetable.faster_s, timetable.slower_s, timetable.step) == (100.0, 100.0, STEEPEST)
    assert timetable.too_fast == 50.0


def test_one_refusal_of_two_calls_is_far_too_fast() -> None:
    assert trial().is_clear(Tally(2, 1, 0.05), 43.2, is_halting=False)
    assert not trial(refused=10).is_clear(Tally(2, 0, 0.05), 43.2, is_halting=False)


def test_a_rate_that_failed_is_approached_by_halves_where_refusals_halt_everybody_and_only_there() -> None:
    timetable = Timetable()
    timetable.faster_failed(trial(), 44.0, 1.0, 100.0, halts_s=1.0)
    assert faster(timetable, is_halting=True) == 42.0
    timetable.faster_succeeded(trial(), 42.0, 200.0, is_halting=False)
    assert (timetable.faster_s, timetable.step) == (200.0, 2 * STEP), "at once, though it is near"
