"""A token service that fails, dawdles or talks nonsense, and clocks that jump: in virtual time."""

import itertools
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import bulkroute.cec.answers
from bulkroute.simulator import Faults
from tests.flow.engine import most_in_a_second, spend_night
from tests.harness import exported, ids, targets


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.slow
def test_a_token_service_that_recovers(tmp_path: Path, status: int) -> None:
    wanted = targets(ids(20))
    night = spend_night(tmp_path, wanted, Faults(token_fail_times=3, token_fail_status=status))
    assert night.summary.succeeded == 20
    assert night.simulator.tokens_issued == 1


@pytest.mark.parametrize(
    ("faults", "exit_code"),
    [
        (Faults(token_fail_times=1000), 69),
        (Faults(token_fail_times=1000, token_fail_status=403), 77),
        (Faults(token_fail_times=1000, token_fail_status=401), 77),
        (Faults(token_limit=0), 77),
        (Faults(token_latency_s=1000), 69),
        *((Faults(token_answer=answer), 69) for answer in ("html", "empty", "list", "no_token")),
        *((Faults(token_expires=text), 69) for text in ("", "0", "-1", "nan", "inf", "1e999", "soon", "\x00")),
    ],
    ids=str,
)
def test_no_token_to_be_had(tmp_path: Path, faults: Faults, exit_code: int) -> None:
    night = spend_night(tmp_path, targets(ids(20)), faults)
    assert night.summary.exit_code == exit_code
    assert night.summary.pending == 20
    assert night.summary.stopped
    assert not night.starts()
    assert night.virtual_s < 300


def test_a_token_service_that_dies_in_the_night_leaves_the_rest_pending(tmp_path: Path) -> None:
    night = spend_night(tmp_path, targets(ids(300)), Faults(token_life_s=4, token_limit=2))
    assert night.summary.exit_code == 77
    assert 0 < night.summary.succeeded < 300
    assert night.summary.failed == night.summary.in_doubt == 0


STEPS: dict[str, Callable[[float, int], float]] = {
    "back an hour": lambda real, calls: real - 3600 * (calls > 40),
    "forth a year": lambda real, calls: real + 365 * 86400 * (calls > 40),
    "to and fro": lambda real, calls: real + 86400 * (-1) ** calls,
    "before 1970": lambda _real, calls: -1000.0 * calls,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.slow
def test_a_wall_clock_that_jumps_disturbs_nothing(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = time.time, itertools.count()

    def jumping() -> Any:
        return STEPS[step](real(), next(calls))

    wanted = targets(ids(200))
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", jumping)
        faults = Faults(token_life_s=5, throttle=12, retry_after="seconds", fail_500=0.05)
        night = spend_night(tmp_path, wanted, faults, rate_per_s=20.0)
    assert night.summary.succeeded == 200
    assert night.simulator.statuses[403] == 0, "a token was used beyond its life"
    assert most_in_a_second(night.starts()) <= 20
    assert night.virtual_s < 120
    assert night.summary.seconds >= 0
    assert len(exported(tmp_path / "night.ledger.db")) == 200


@pytest.mark.parametrize("skew_s", [-86400, 86400])
def test_a_date_to_wait_for_is_taken_by_the_services_clock(
    tmp_path: Path, skew_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator's dates come from the true clock, the client's clock is wrong."""

    class Skewed(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + timedelta(seconds=skew_s)

    monkeypatch.setattr(bulkroute.cec.answers, "datetime", Skewed)
    night = spend_night(tmp_path, targets(ids(100)), Faults(throttle=10, retry_after="date"), rate_per_s=20.0)
    assert night.summary.succeeded == 100
    assert night.virtual_s < 60
