"""A token service that fails, dawdles or talks nonsense, and clocks that jump: in virtual time."""

import asyncio
import itertools
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import bulkroute.cec.limits
from bulkroute.engine import Engine
from bulkroute.errors import StopKind
from bulkroute.simulator import Faults, Simulator
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

    monkeypatch.setattr(bulkroute.cec.limits, "datetime", Skewed)
    night = spend_night(tmp_path, targets(ids(100)), Faults(throttle=10, retry_after="date"), rate_per_s=20.0)
    assert night.summary.succeeded == 100
    assert night.virtual_s < 60


@pytest.mark.slow
def test_a_token_service_that_is_away_for_minutes_only_delays_the_night(tmp_path: Path) -> None:
    wanted = targets(ids(300))
    states: set[str] = set()

    async def meanwhile(engine: Engine, _simulator: Simulator) -> None:
        while True:
            await asyncio.sleep(1)
            if engine.current is not None:
                states.add(engine.current.progress().state)

    faults = Faults(latency_ms=20, token_life_s=20, outages=("10s+120s:503@token",))
    night = spend_night(tmp_path, wanted, faults, rate_per_s=10.0, meanwhile=meanwhile)
    assert (night.summary.exit_code, night.summary.succeeded) == (0, 300)
    assert states == {"running", "down"}
    assert night.simulator.calls_per_endpoint["tokenByAkSk"] <= 40
    assert most_in_a_second(night.starts()) <= 10
    assert 140 <= night.virtual_s <= 175
    assert {row["attempts"] for row in exported(tmp_path / "night.ledger.db").values()} == {"1"}


@pytest.mark.slow
def test_a_token_service_that_stays_away_stops_the_night_with_nothing_failed(tmp_path: Path) -> None:
    faults = Faults(latency_ms=20, token_life_s=20, outages=("10s+9000s:hang@token",))
    night = spend_night(tmp_path, targets(ids(300)), faults, rate_per_s=10.0, max_outage_wait_s=60.0)
    assert (night.summary.exit_code, night.summary.stop) == (4, StopKind.OUTAGE)
    assert 0 < night.summary.succeeded < 300
    assert night.summary.failed == night.summary.in_doubt == 0
    assert night.virtual_s <= 20 + 60 + 2 * 15


@pytest.mark.slow
def test_a_row_that_alone_is_refused_fails_and_buys_one_more_token(tmp_path: Path) -> None:
    row_ids = ids(100)
    faults = Faults(latency_ms=20, bad_ids={row_ids[40]: "forbidden_ids"})
    night = spend_night(tmp_path, targets(row_ids), faults, rate_per_s=50.0)
    assert (night.summary.exit_code, night.summary.failures) == (1, {"forbidden": 1})
    assert night.simulator.tokens_issued == 2
    assert night.simulator.calls_per_id[row_ids[40]] == 2
    assert night.virtual_s < 5


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 5, 9])
def test_wherever_it_stands_in_a_short_manifest(tmp_path: Path, place: int) -> None:
    row_ids = ids(10)
    faults = Faults(latency_ms=20, bad_ids={row_ids[place]: "forbidden_ids"})
    night = spend_night(tmp_path, targets(row_ids), faults, rate_per_s=50.0)
    assert (night.summary.exit_code, night.summary.succeeded, night.summary.failures) == (1, 9, {"forbidden": 1})


@pytest.mark.slow
def test_where_every_row_is_refused_the_run_stops_with_all_pending(tmp_path: Path) -> None:
    row_ids = ids(30)
    faults = Faults(latency_ms=20, bad_ids=dict.fromkeys(row_ids, "forbidden_ids"))
    night = spend_night(tmp_path, targets(row_ids), faults, rate_per_s=50.0)
    assert (night.summary.exit_code, night.summary.pending) == (77, 30)
    assert night.simulator.tokens_issued == 2
