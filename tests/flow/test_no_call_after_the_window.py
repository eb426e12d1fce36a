"""The window of a run: no call starts once it has closed, whatever the run is waiting for."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.flow.engine import spend_night
from tests.harness import bulkroute, exported, ids, serving, targets, write_csv


@pytest.mark.parametrize("latency_s", [0.02, 5])
@pytest.mark.slow
def test_no_call_starts_after_the_duration(tmp_path: Path, latency_s: float) -> None:
    night = spend_night(
        tmp_path,
        targets(ids(2000)),
        Faults(latency_ms=latency_s * 1000),
        rate_per_s=10,
        max_duration_s=60,
    )
    assert night.summary.exit_code == 4
    assert night.summary.stopped == "the 60 s of --max-duration are over"
    assert night.summary.in_doubt == 0
    starts = night.starts()
    # What was in flight was awaited.
    assert night.summary.succeeded == len(starts)
    assert 55 < starts[-1] - starts[0] <= 60


@pytest.mark.parametrize("faults", [Faults(throttle_forever=True, retry_after="300"), Faults(token_latency_s=1000)])
def test_a_window_closes_on_a_run_that_waits(tmp_path: Path, faults: Faults) -> None:
    night = spend_night(tmp_path, targets(ids(50)), faults, max_duration_s=60, timeout_s=2000)
    assert night.summary.exit_code == 4
    assert night.summary.pending == 50
    assert 59 < night.virtual_s < 62


@pytest.mark.slow
def test_until_tells_which_moment_it_took(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(300)))
    now = datetime.now().astimezone()
    soon, passed = now + timedelta(seconds=4), now - timedelta(minutes=10)
    with serving(ids(300)) as service:
        words = ("run", "night.csv", "--base-url", service.url, "--no-snapshot")
        stopped = bulkroute(*words, "--rate", "5", "--until", f"{soon:%H:%M:%S}", cwd=tmp_path)
        assert stopped.code == 4, stopped.err
        assert re.search(rf"no call starts after .*{soon:%H:%M:%S}", stopped.err)
        assert 0 < service.modified < 40
        assert "sent" not in {row["status"] for row in exported(tmp_path / "night.ledger.db").values()}
        tomorrow = passed + timedelta(days=1)
        done = bulkroute(*words, "--rate", "unlimited", "--until", f"{passed:%H:%M}", cwd=tmp_path)
        assert done.code == 0, done.err
        assert f"no call starts after {tomorrow:%Y-%m-%d %H:%M}:00" in done.err
        for wrong in ("25:00", f"{passed.isoformat()}", "2026-03-29T04:00:00"):
            refused = bulkroute(*words, "--until", wrong, cwd=tmp_path)
            assert refused.code == 2
            assert "--until" in refused.err


@pytest.mark.slow
def test_reading_live_bindings_ends_with_the_window_too(tmp_path: Path) -> None:
    row_ids = ids(250)
    write_csv(tmp_path / "night.csv", targets(row_ids))
    with serving(row_ids) as service:
        slow = ("--base-url", service.url, "--rate", "12/m", "--max-duration", "2s", "--json")
        done = bulkroute("run", "night.csv", *slow, cwd=tmp_path)
    assert (done.code, json.loads(done.out)["stop"]) == (4, "window")
    assert "the 2 s of --max-duration are over; nothing was sent" in done.err
    assert service.modified == 0
    assert len(service.simulator.calls) <= 3
