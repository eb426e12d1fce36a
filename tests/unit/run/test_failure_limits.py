import pytest

from bulkroute.errors import StopKind
from bulkroute.run.failure_limits import Limits
from bulkroute.settings import FailureLimit, parse_failure_limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1", FailureLimit(rows=1)),
        (" 50 ", FailureLimit(rows=50)),
        ("5%", FailureLimit(share=0.05)),
        ("2.5 %", FailureLimit(share=0.025)),
        (".5%", FailureLimit(share=0.005)),
        ("100%", FailureLimit(share=1.0)),
    ],
)
def test_a_limit_is_a_number_or_a_share(text: str, limit: FailureLimit) -> None:
    assert parse_failure_limit(text) == limit
    assert parse_failure_limit(str(limit)) == limit


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "0%", "101%", "%", "5 rows", "1e3", "٣"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit of failures"):
        parse_failure_limit(text)


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


def test_a_share_counts_from_the_20th_row_on_whatever_that_one_is() -> None:
    assert outcomes(Limits(FailureLimit(share=0.1), None), "xxxx" + "." * 15) is None
    assert outcomes(Limits(FailureLimit(share=0.1), None), "xxxx" + "." * 16) is not None
    assert outcomes(Limits(FailureLimit(share=0.1), None), "x" + "." * 30) is None
