"""Time to go: by the rate in force, and by the rows' own pace if that is lower."""

import pytest

from bulkroute.run.outlook import MEASURED_S, Outlook


def test_the_rate_in_force_tells_from_the_first_moment_on() -> None:
    assert Outlook(100.0).eta_s(330, 2.0) == 165


def test_a_change_of_the_rate_is_seen_at_once() -> None:
    outlook = Outlook(0.0)
    outlook.settled(20.0, 400)
    assert outlook.eta_s(462, 20.0) == pytest.approx(23.1)
    outlook.measure_anew(20.0)
    assert outlook.eta_s(462, 5.0) == pytest.approx(92.4)
    outlook.settled(28.0, 40)
    assert outlook.eta_s(422, 20.0) == pytest.approx(422 / 5), "calls take so long that 20/s is not reached"


def test_a_wait_is_waited_out_first() -> None:
    assert Outlook(0.0).eta_s(100, 10.0, [30.0, 5.0]) == 40
    assert Outlook(0.0).eta_s(100, 10.0, [30.0, None]) is None, "nobody can say when it is over"


def test_a_pace_counts_once_it_was_measured() -> None:
    outlook = Outlook(0.0)
    outlook.settled(MEASURED_S - 1, 4)
    assert outlook.eta_s(96, 20.0) == pytest.approx(96 / 20)
    outlook.settled(MEASURED_S, 16)
    assert outlook.eta_s(80, 20.0) == pytest.approx(80 / 4)
    few = Outlook(0.0)
    few.settled(600.0, 4)
    assert few.eta_s(96, 20.0) == pytest.approx(96 / 20), "four rows are too few"


def test_an_unlimited_rate_goes_by_the_pace_alone() -> None:
    outlook = Outlook(0.0)
    assert outlook.eta_s(100, None) is None
    outlook.settled(0.0, 50)
    assert outlook.eta_s(100, None) == 0
    outlook.settled(1.0, 0)
    assert outlook.eta_s(100, None) == 2


def test_time_in_which_no_row_ends_changes_no_pace() -> None:
    outlook = Outlook(0.0)
    outlook.settled(10.0, 100)
    # Gates are asked for an hour, or a wave is read back: nothing is noted.
    assert outlook.pace_per_s(40.0) == 10
