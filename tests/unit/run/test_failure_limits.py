from bulkroute.errors import StopKind
from bulkroute.run.failure_limits import Limits
from bulkroute.settings import FailureLimit


def outcomes(limits: Limits, told: str) -> tuple[StopKind, str] | None:
    """Take outcomes written as letters, `x` for a failure; return what is reached at the end."""
    for letter in told:
        limits.finished(failed=letter == "x")
    return limits.reached()


def test_no_limit_is_never_reached() -> None:
    assert outcomes(Limits(None, None), "x" * 1000) is None


def test_a_number_is_reached_by_failures_of_any_place() -> None:
    assert outcomes(Limits(FailureLimit(rows=3), None), "x.x..") is None
    reached = outcomes(Limits(FailureLimit(rows=3), None), "x.x..x")
    assert reached == (StopKind.MAX_FAILURES, "--max-failures 3 is reached: 3 of 6 finished rows failed")


def test_rows_in_a_row_count_anew_after_a_success() -> None:
    assert outcomes(Limits(None, 3), "xx.xx.") is None
    assert outcomes(Limits(None, 3), "xx.xxx.....") is not None


def test_a_failure_that_is_of_no_streak_neither_adds_to_it_nor_ends_it() -> None:
    limits = Limits(None, 2)
    for streak in (True, False, True):
        assert limits.reached() is None
        limits.finished(failed=True, streak=streak)
    assert limits.reached() == (
        StopKind.MAX_CONSECUTIVE_FAILURES,
        "--max-consecutive-failures 2 is reached: 2 rows in a row failed",
    )


def test_a_share_counts_from_the_20th_row_on_whatever_that_one_is() -> None:
    assert outcomes(Limits(FailureLimit(share=0.1), None), "xxxx" + "." * 15) is None
    assert outcomes(Limits(FailureLimit(share=0.1), None), "xxxx" + "." * 16) is not None
    assert outcomes(Limits(FailureLimit(share=0.1), None), "x" + "." * 30) is None
    assert outcomes(Limits(FailureLimit(share=1), None), "x" * 20) is not None, "its edge is part of it"
    assert outcomes(Limits(FailureLimit(share=0.05), None), "." * 20) is None
    assert outcomes(Limits(FailureLimit(share=0.05), None), "x" + "." * 19) is not None


def test_a_share_of_nothing_is_not_reached_without_a_failure() -> None:
    assert outcomes(Limits(FailureLimit(share=0), None), "." * 20) is None
