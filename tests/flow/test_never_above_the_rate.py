"""The pace, exactly, as the service sees it: in virtual time, through the whole engine."""

from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.flow.engine import most_in_a_second, spend_night
from tests.harness import ids, targets

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("rate", "rows", "latency_ms"),
    [(20, 400, 700), (100, 1500, 150), (500, 3000, 90), (1, 15, 300), (0.5, 6, 50)],
)
def test_never_more_than_the_rate_in_any_second_and_hardly_less_on_average(
    tmp_path: Path, rate: float, rows: int, latency_ms: float
) -> None:
    night = spend_night(tmp_path, targets(ids(rows)), Faults(latency_ms=latency_ms), rate_per_s=rate, concurrency=64)
    assert night.summary.succeeded == rows
    starts = night.starts()
    assert len(starts) == rows
    assert most_in_a_second(starts) <= max(1, rate)
    assert (rows - 1) / (starts[-1] - starts[0]) >= 0.99 * rate


def test_retries_pass_the_same_limit(tmp_path: Path) -> None:
    faults = Faults(fail_500=0.4, reset_after=0.1, latency_ms=40, jitter_ms=60)
    night = spend_night(tmp_path, targets(ids(600)), faults, rate_per_s=50, concurrency=32, max_attempts=10)
    assert night.summary.succeeded == 600
    assert night.summary.retries > 200
    assert most_in_a_second(night.starts()) <= 50


def test_rows_in_backoff_hold_no_slot(tmp_path: Path) -> None:
    """A tenth of the rows answers 500 for ever, with a backoff of seconds; four slots keep the rate for the others."""
    rows = 1000
    faults = Faults(fail_500_ids=0.1, latency_ms=50)
    night = spend_night(
        tmp_path,
        targets(ids(rows)),
        faults,
        rate_per_s=50,
        concurrency=4,
        backoff_s=4,
        backoff_cap_s=20,
        max_attempts=4,
    )
    assert 50 < night.summary.failed < 200
    assert night.summary.failures == {"server": night.summary.failed}
    starts = night.starts()
    # Until the last row has had its first try there is work enough all the time.
    seen: set[str] = set()
    first_tries = []
    for call in night.simulator.calls:
        if call.endpoint == "modifyCalledRoute" and call.id not in seen:
            seen.add(call.id)
            first_tries.append(call.at)
    busy = [start for start in starts if start <= first_tries[-1]]
    assert (len(busy) - 1) / (busy[-1] - busy[0]) >= 0.99 * 50
    assert night.simulator.max_in_flight <= 4


def test_slots_bound_the_calls_in_flight(tmp_path: Path) -> None:
    night = spend_night(tmp_path, targets(ids(200)), Faults(latency_ms=500), rate_per_s=None, concurrency=7)
    assert night.summary.succeeded == 200
    assert night.simulator.max_in_flight == 7
    assert night.simulator.max_in_flight_per_id == 1
