"""`--json`: exactly one object on stdout, of the same shape, however a run or rollback ends once its options are read."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bulkroute.ledger import lock
from bulkroute.progress import Summary
from bulkroute.simulator import Faults
from tests.harness import Result, bulkroute, ids, serving, targets, write_csv


def read(result: Result) -> dict[str, Any]:
    """Return the object, whole and alone on stdout."""
    assert result.out.count("\n") == 1, (result.out, result.err)
    found: dict[str, Any] = json.loads(result.out)
    assert list(found) == [field.name for field in fields(Summary)]
    assert found["exit_code"] == result.code
    return found


@pytest.mark.slow
def test_every_ending_prints_one_object(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(30)))
    (tmp_path / "faulty.csv").write_text("id,devicetype,deviceId\n1,9,9\n")
    (tmp_path / "junk.db").write_text("no ledger at all")
    with serving(ids(30)) as service:
        words = ("--base-url", service.url, "--rate", "unlimited", "--backoff", "0.01", "--json")

        def ends(code: int, *arguments: object, secret: str | None = None) -> dict[str, Any]:
            env = {"BULKROUTE_APP_SECRET": secret} if secret else None
            result = bulkroute(*arguments, *words, cwd=tmp_path, env=env)
            assert result.code == code, result.err
            return read(result)

        nothing = ends(65, "run", "faulty.csv")
        assert (nothing["batch"], nothing["run"], nothing["total"]) == (None, None, 0)
        assert "1 fault, nothing was sent" in nothing["stopped"]
        ends(5, "run", "night.csv", "--ledger", "junk.db")
        ends(5, "rollback", "none.ledger.db")
        ends(77, "run", "night.csv", secret="wrong")
        ends(4, "run", "night.csv", "--max-rows", "10")
        with lock.hold(tmp_path / "night.ledger.db"):
            busy = ends(75, "run", "night.csv")
        assert (busy["batch"], busy["run"], busy["succeeded"], busy["pending"]) == (1, None, 10, 20)
        assert busy["attempts"] == 0
        assert "another run holds this ledger" in busy["stopped"]
        ends(0, "run", "night.csv")
        ends(77, "rollback", "night.ledger.db", secret="wrong")
        ends(0, "rollback", "night.ledger.db")
        service.simulator.set_faults(Faults(query_status=404))
        ends(69, "rollback", "night.ledger.db")
        service.simulator.set_faults(Faults(business_ids=1))
        ends(3, "run", "night.csv")
        ends(1, "run", "night.csv", "--max-consecutive-failures", "1000")
