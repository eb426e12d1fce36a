"""Every line of the JSON log has the fields that the reference tells of, and no other."""

import json
from pathlib import Path
from typing import Any

import pytest

from bulkroute.simulator import Faults
from tests.docs.outputs import fields_of_events
from tests.harness import bulkroute, ids, serving, started, targets, write_csv

TOLD = {event: {name.strip("`") for name, *_rest in rows} for event, (_about, rows) in fields_of_events().items()}


def _require_as_told(log: str) -> set[str]:
    """Return the events of a log, every line of which is as told."""
    seen = set()
    for line in log.splitlines():
        record: dict[str, Any] = json.loads(line)
        assert {"ts", "event"} < record.keys(), line
        event = record["event"]
        assert TOLD[event] - {"traceback"} == record.keys() - {"ts", "event"}, event
        seen.add(event)
    return seen


@pytest.mark.slow
def test_of_runs_of_every_kind(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(60)))
    faults = Faults(business_ids=0.1, throttle=30, retry_after="seconds", latency_ms=50)
    with serving(ids(60), faults) as service:
        words = (
            "run",
            "night.csv",
            "--base-url",
            service.url,
            "--log-format",
            "json",
            "--rate",
            "60",
            "--max-rows",
            "40",
        )
        first = bulkroute(*words, cwd=tmp_path)
        seen = _require_as_told(first.err)
        with started(*words[:-2], "--rate", "1", cwd=tmp_path) as process:
            while bulkroute("ctl", "night.ledger.db", "pause", "look", cwd=tmp_path).code:
                assert process.poll() is None
            bulkroute("ctl", "night.ledger.db", "rate", "5", cwd=tmp_path)
            bulkroute("ctl", "night.ledger.db", "stop", cwd=tmp_path)
            _out, err = process.communicate(timeout=60)
        seen |= _require_as_told(err.decode())
    assert seen >= {"run_started", "row_failed", "wait_began", "wait_ended", "rate_changed", "stopping", "run_ended"}
    assert seen >= {"failure_group", "closing"}


def test_of_errors(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("id,devicetype,deviceId\n1,2,3\n")
    log = bulkroute("run", "bad.csv", "--base-url", "http://127.0.0.1:9", "--log-format", "json", cwd=tmp_path).err
    assert _require_as_told(log) == {"manifest_fault", "error"}
