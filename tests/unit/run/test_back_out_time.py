"""How long a back-out would take: a call for each changed row, the list read twice, at the pace in force."""

import pytest

from bulkroute.run.back_out_time import BackOutTime, back_out_time, fits


def test_a_back_out_sends_a_call_a_row_and_reads_the_list_twice() -> None:
    found = back_out_time(rows=1500, routes=3001, pace_per_s=1.0)
    assert found == BackOutTime(1500, 1500 + 2 * 31, None), "31 pages of at most 100 routes"


def test_the_latest_start_is_so_long_before_the_window_closes() -> None:
    assert back_out_time(rows=1540, routes=1000, pace_per_s=10.0, ends_at=50_000.0).latest_start == 50_000 - 156


def test_where_nothing_is_changed_there_is_nothing_to_read_either() -> None:
    assert back_out_time(rows=0, routes=10_000, pace_per_s=10.0, ends_at=500.0) == BackOutTime(0, 0.0, 500.0)


def test_without_a_pace_nothing_is_foretold() -> None:
    assert back_out_time(rows=10, routes=10, pace_per_s=None, ends_at=500.0) == BackOutTime(10, None, None)
    assert fits(10**6, 0, 10**6, None, 1.0)


@pytest.mark.parametrize(("left_s", "does"), [(2003.0, True), (2002.9, False)])
def test_a_wave_fits_if_it_and_the_way_back_do(left_s: float, does: bool) -> None:
    # 500 calls, a page of read-back; 1,500 rows back by then, two readings of one page.
    assert fits(500, changed=1000, routes=80, pace_per_s=1.0, left_s=left_s) is does


@pytest.mark.parametrize(("left_s", "does"), [(501.0, True), (500.9, False)])
def test_without_a_way_back_the_wave_alone_has_to_fit(left_s: float, does: bool) -> None:
    assert fits(500, changed=None, routes=80, pace_per_s=1.0, left_s=left_s) is does


def test_without_a_window_everything_fits() -> None:
    assert fits(10**6, 10**6, 10**6, 0.1, None)
