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
