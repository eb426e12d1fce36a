"""The outage rule on whole nights in virtual time: what is promised of each kind of night, for several seeds."""

import pytest

from bulkroute.rate.outage import Turn
from tests.lab import outage_nights as nights
from tests.lab import seeds as lab_seeds
from tests.lab.outage_nights import Night
from tests.lab.outage_run import TIMEOUT_S, Result, spend, spend_without

seeds = pytest.mark.parametrize("seed", lab_seeds(3))


def of(*some: Night) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("night", some, ids=lambda night: night.name)


def assert_all_done(result: Result, night: Night) -> None:
    assert (result.exit_code, result.done, result.failed) == (0, night.rows, 0), result


@seeds
@of(*nights.outages(2, 20, 300))
def test_an_outage_fails_no_row_and_the_run_goes_on_by_itself(night: Night, seed: int) -> None:
    result = spend(night, seed)
    assert_all_done(result, night)
    assert result.calls_while_away <= 60
    silent = night.name.startswith(nights.HANG)
    assert result.after_s is not None
    assert result.after_s <= (15 + TIMEOUT_S if silent else 10)


@seeds
@of(*nights.outages(20, 300))
def test_without_the_rule_an_outage_ends_the_night(night: Night, seed: int) -> None:
    result = spend_without(night, seed)
    if night.name.startswith(nights.HANG) and night.back_s == 25:
        assert result.exit_code == 0  # shorter than four tries of 15 s
    else:
        assert result.exit_code == 3
        assert result.wrongly_failed >= 20


@seeds
@of(*nights.outages(1800))
def test_beyond_patience_the_run_stops_and_every_row_stays_pending(night: Night, seed: int) -> None:
    result = spend(night, seed)
    assert (result.exit_code, result.failed) == (4, 0)
    assert result.done + result.pending == night.rows
    assert 900 <= result.seconds - night.begins_s <= 900 + 2 * TIMEOUT_S
    assert result.turns == [Turn.DOWN, Turn.GAVE_UP]


@seeds
def test_an_hour_of_patience_outlasts_half_an_hour(seed: int) -> None:
    result = spend(nights.PATIENT, seed)
    assert_all_done(result, nights.PATIENT)
    assert result.after_s is not None
    assert result.after_s <= 10.2


@pytest.mark.slow
@seeds
@of(nights.BROWN_OUT, nights.SHAKY, nights.MIXED, nights.FLAPPING)
def test_a_brown_out_fails_hardly_a_row(night: Night, seed: int) -> None:
    result = spend(night, seed)
    assert result.wrongly_failed <= 0.002 * night.rows
    assert result.done + result.failed == night.rows


@seeds
def test_500_from_modify_alone_is_an_outage_for_25_s(seed: int) -> None:
    assert_all_done(spend(nights.MODIFY_ALONE, seed), nights.MODIFY_ALONE)


@pytest.mark.slow
@seeds
@of(nights.BAD_IN_A_ROW, nights.A_TENTH_BAD, nights.LAST_ROW_BAD)
def test_bad_rows_fail_as_without_the_rule_and_at_most_5_s_later(night: Night, seed: int) -> None:
    result, without = spend(night, seed), spend_without(night, seed)
    assert result.exit_code == without.exit_code == 1
    assert (result.failed, result.wrongly_failed) == (len(night.bad), 0)
    assert result.seconds <= without.seconds + 5


@pytest.mark.slow
@seeds
@of(nights.MORE_BAD_IN_A_ROW, nights.BAD_AT_THE_END)
def test_more_bad_rows_fail_as_well_when_a_read_has_told(night: Night, seed: int) -> None:
    result, without = spend(night, seed), spend_without(night, seed)
    assert result.exit_code == without.exit_code == 1
    assert (result.failed, result.wrongly_failed) == (len(night.bad), 0)
    assert result.seconds <= without.seconds + 30
    assert result.most_tries <= 10


@pytest.mark.slow
@seeds
def test_a_third_of_bad_rows_fails_as_ever(seed: int) -> None:
    result, without = spend(nights.A_THIRD_BAD, seed), spend_without(nights.A_THIRD_BAD, seed)
    assert result.exit_code in (1, 3)  # by chance 20 of the last ones are in a row
    assert result.wrongly_failed == 0
    assert abs(result.failed - without.failed) <= 2


@seeds
def test_a_manifest_of_bad_rows_alone_stops_as_ever(seed: int) -> None:
    result, without = spend(nights.ALL_BAD, seed), spend_without(nights.ALL_BAD, seed)
    assert result.exit_code == without.exit_code == 3
    assert result.seconds <= without.seconds + 1


@seeds
@of(nights.SECOND_HALF_BAD, nights.LAST_THIRD_BAD)
def test_where_only_bad_rows_are_left_five_probes_and_a_read_stop_the_run(night: Night, seed: int) -> None:
    result, without = spend(night, seed), spend_without(night, seed)
    assert result.exit_code == without.exit_code == 3
    assert result.wrongly_failed == 0
    assert result.seconds <= without.seconds + 27
    assert result.turns == [Turn.DOWN, Turn.ROWS]


@seeds
def test_bad_rows_and_an_outage_on_one_night_are_told_apart(seed: int) -> None:
    result = spend(nights.BAD_THEN_AWAY, seed)
    assert (result.exit_code, result.failed, result.wrongly_failed) == (1, 20, 0)
    assert result.calls_while_away <= 60


@seeds
def test_refused_from_the_start_is_an_address_nobody_answers_at(seed: int) -> None:
    result, without = spend(nights.REFUSED_FROM_THE_START, seed), spend_without(nights.REFUSED_FROM_THE_START, seed)
    assert result.exit_code == without.exit_code == 69
    assert result.seconds == without.seconds


@seeds
@of(*(nights.from_the_start(kind, seconds) for kind in (nights.GATEWAY_503, nights.HANG) for seconds in (2, 20, 300)))
def test_a_gateway_that_answers_from_the_start_is_waited_for(night: Night, seed: int) -> None:
    result = spend(night, seed)
    assert_all_done(result, night)
    assert result.calls_while_away <= 60


@seeds
def test_500_from_the_start_is_taken_for_bad_rows_as_ever(seed: int) -> None:
    night = nights.from_the_start(nights.ERROR_500, 300)
    result, without = spend(night, seed), spend_without(night, seed)
    assert result.exit_code == without.exit_code == 3
    assert result.seconds <= without.seconds + 1


@seeds
@pytest.mark.parametrize("rows_left", [1, 7, 8, 12])
@pytest.mark.parametrize("seconds", [2, 300])
@pytest.mark.parametrize("kind", nights.OUTAGES)
def test_an_outage_that_meets_the_last_rows_fails_none_of_them(
    kind: str, seconds: float, rows_left: int, seed: int
) -> None:
    night = nights.at_the_end(kind, seconds, rows_left=rows_left)
    result = spend(night, seed)
    assert_all_done(result, night)
    assert result.calls_while_away <= 60
