"""What a second run may believe of the first: its service, and which rows it tries first."""

import json
import time
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.harness import bulkroute, exported, ids, serving, started, targets, write_csv

pytestmark = pytest.mark.slow

FAST = ("--rate", "unlimited", "--backoff", "0.01", "--backoff-cap", "0.05", "--json")


def test_what_is_done_at_one_service_is_not_done_at_another(tmp_path: Path) -> None:
    wanted = targets(ids(30))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted) as staging, serving(wanted, seed=2) as live:
        assert bulkroute("run", "m.csv", "--base-url", staging.url, *FAST, cwd=tmp_path).code == 0
        before = dict(live.bindings)
        for words in (("run", "m.csv"), ("rollback", "m.ledger.db"), ("verify", "m.ledger.db")):
            refused = bulkroute(*words, "--base-url", live.url, cwd=tmp_path)
            assert refused.code == 2, refused.err
            assert staging.url in refused.err
            assert "--fresh" in refused.err
        assert dict(live.bindings) == before
        fresh = bulkroute("run", "m.csv", "--base-url", live.url, "--fresh", *FAST, cwd=tmp_path)
        assert fresh.code == 0
        assert dict(live.bindings) == wanted


def test_a_service_that_moved_is_gone_on_with_when_told(tmp_path: Path) -> None:
    wanted = targets(ids(20))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted) as service:
        assert bulkroute("run", "m.csv", "--base-url", service.url, "--max-rows", "5", *FAST, cwd=tmp_path).code == 4
        moved = service.url.replace("127.0.0.1", "localhost")
        words = ("run", "m.csv", "--base-url", moved, *FAST)
        assert bulkroute(*words, cwd=tmp_path).code == 2
        assert bulkroute(*words, "--service-moved", cwd=tmp_path).code == 0
        assert bulkroute(*words, cwd=tmp_path).code == 0
        assert service.modified == 20


def test_rows_that_fail_for_ever_keep_no_other_row_waiting(tmp_path: Path) -> None:
    """An eighth of the rows is refused by the service; runs of a few rows each still come to the end."""
    wanted = targets(ids(200))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted, Faults(business_ids=0.2)) as service:
        first = bulkroute("run", "m.csv", "--base-url", service.url, *FAST, "--max-rows", "160", cwd=tmp_path)
        assert first.summary["failed"] >= 20
        again = bulkroute("run", "m.csv", "--base-url", service.url, *FAST, "--concurrency", "1", cwd=tmp_path)
        assert (again.code, again.summary["pending"]) == (1, 0), again.err
        assert again.summary["total"] == again.summary["succeeded"] + again.summary["failed"]


def test_a_canary_tries_rows_that_were_not_tried_before(tmp_path: Path) -> None:
    wanted = targets(ids(60))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted, Faults(business_ids=0.2)) as service:
        words = ("run", "m.csv", "--base-url", service.url, *FAST)
        assert bulkroute(*words, "--max-rows", "30", cwd=tmp_path).summary["failed"] >= 3
        tried = {row_id for row_id, row in exported(tmp_path / "m.ledger.db").items() if row["attempts"] != "0"}
        before = len(service.simulator.calls)
        bulkroute(*words, "--canary", "3", "--max-rows", "3", cwd=tmp_path)
        sent = {call.id for call in service.simulator.calls[before:] if call.endpoint == "modifyCalledRoute"}
        assert len(sent) == 3
        assert not sent & tried


def test_nothing_looks_like_a_call_in_the_air_while_the_run_is_paused(tmp_path: Path) -> None:
    wanted = targets(ids(200))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted, Faults(latency_ms=20)) as service:
        words = ("run", "m.csv", "--base-url", service.url, "--no-snapshot", "--rate", "50", "--quiet")
        with started(*words, cwd=tmp_path) as process:
            while service.modified < 5:
                assert process.poll() is None
                time.sleep(0.01)
            assert bulkroute("ctl", "m.ledger.db", "pause", "a look", cwd=tmp_path).code == 0
            found = {"in_doubt": -1}
            for _ in range(50):  # those that were noted just ahead of the pause stay so
                found = json.loads(bulkroute("status", "m.ledger.db", "--json", cwd=tmp_path).out)
                if found["in_doubt"] <= 1:
                    break
            assert found["in_doubt"] <= 1
            assert bulkroute("ctl", "m.ledger.db", "stop", cwd=tmp_path).code == 0
            process.wait(30)
        assert json.loads(bulkroute("status", "m.ledger.db", "--json", cwd=tmp_path).out)["in_doubt"] == 0


@pytest.mark.parametrize(("flag", "stop"), [(("--max-rows", "3"), "max_rows"), (("--max-duration", "1s"), "window")])
def test_quiet_stays_quiet_when_the_window_closes(tmp_path: Path, flag: tuple[str, str], stop: str) -> None:
    wanted = targets(ids(60))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted) as service:
        ended = bulkroute("run", "m.csv", "--base-url", service.url, "--rate", "20", "--quiet", *flag, cwd=tmp_path)
    assert (ended.code, ended.out, ended.err) == (4, "", "")
    told = bulkroute("status", "m.ledger.db", "--json", cwd=tmp_path).summary
    assert (told["stop"], told["exit_code"]) == (stop, 4)
    assert flag[0] in told["stopped"]


def test_a_missing_manifest_in_a_missing_folder_is_a_manifest_error(tmp_path: Path) -> None:
    refused = bulkroute("run", "missing/m.csv", "--simulate", cwd=tmp_path)
    assert refused.code == 65
    assert "does not exist" in refused.err


def test_status_shows_the_runs_and_how_they_ended(tmp_path: Path) -> None:
    wanted = targets(ids(10))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted) as service:
        bulkroute("run", "m.csv", "--base-url", service.url, *FAST, "--max-rows", "4", cwd=tmp_path)
        bulkroute("run", "m.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
    shown = bulkroute("status", "m.ledger.db", cwd=tmp_path).out
    assert "--max-rows 4 is reached" in shown
    assert "went through" in shown


def test_the_first_line_of_a_run_adds_up(tmp_path: Path) -> None:
    wanted = targets(ids(40))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted, Faults(business_ids=0.3)) as service:
        words = ("run", "m.csv", "--base-url", service.url, "--rate", "unlimited", "--max-consecutive-failures", "99")
        first = bulkroute(*words, cwd=tmp_path)
        assert "run 1: 40 of 40 rows to do at unlimited" in first.err
        failed = [row_id for row_id in wanted if service.bindings[row_id] != wanted[row_id]]
        assert len(failed) > 4
        for row_id in failed[:3]:
            service.simulator.rebind(row_id, *wanted[row_id])  # by hand, meanwhile
        left, done = len(failed) - 3, 40 - len(failed) + 3
        second = bulkroute(*words, "--max-rows", "1", cwd=tmp_path)
        assert f"run 2: {left} of 40 rows to do ({left} failed earlier) at" in second.err
        assert f"; {done} done already, as live bindings show\n" in second.err
        # Rows that the second run never came to have failed earlier all the same.
        third = bulkroute(*words, cwd=tmp_path)
        assert f"run 3: {left} of 40 rows to do ({left} failed earlier) at" in third.err
        write_csv(tmp_path / "m.csv", {**wanted, "unknown": (1, 1)})
        fourth = bulkroute(*words, cwd=tmp_path)
        assert f"run 4: {left} of 41 rows to do ({left} failed earlier) at" in fourth.err
        assert f"; {done} done already, as live bindings show, 1 refused; the manifest changed: 1 new" in fourth.err
