"""What stops a run before its end: limits of failures, the canary, a number of rows."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bulkroute.simulator import Faults, routes_for
from tests.harness import Target, bulkroute, exported, ids, serving, targets, write_csv

FAST = ("--rate", "unlimited", "--concurrency", "4", "--backoff", "0.01", "--backoff-cap", "0.05")


def test_a_number_of_failures_stops_and_says_why_and_how_to_go_on(tmp_path: Path) -> None:
    wanted = targets(ids(200))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(business_ids=0.3)) as service:
        arguments = ("run", "night.csv", "--base-url", service.url, *FAST, "--max-failures", "7")
        result = bulkroute(*arguments, "--json", cwd=tmp_path)
        assert result.code == result.summary["exit_code"] == 3
        assert 7 <= result.summary["failed"] <= 7 + 4
        assert result.summary["pending"] > 100
        assert "--max-failures 7 is reached: 7 of" in result.summary["stopped"]
        assert "business: the called route is in use, e.g. " in result.summary["stopped"]
        assert re.search(rf"^to go on: +bulkroute {re.escape(' '.join(arguments))} --json$", result.err, re.MULTILINE)
        assert result.summary["stopped"] in result.err

        quiet = bulkroute(*arguments, "--quiet", cwd=tmp_path)
        assert quiet.code == 3
        assert "--max-failures 7" in quiet.err
        assert "to go on: " in quiet.err
        assert "the called route is in use" in quiet.err


@pytest.mark.slow
def test_rows_refused_without_a_call_reach_no_limit_of_failures(tmp_path: Path) -> None:
    routes = [replace(route, editable="1") if place < 3 else route for place, route in enumerate(routes_for(ids(40)))]
    wanted = targets(ids(44))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(routes, Faults(fail_500=1)) as service:
        run = ("run", "night.csv", "--base-url", service.url, *FAST, "--max-consecutive-failures", "1000", "--json")
        stopped = bulkroute(*run, "--max-failures", "2", "--concurrency", "1", "--max-attempts", "2", cwd=tmp_path)
        assert (stopped.code, stopped.summary["stop"]) == (3, "max_failures")
        assert stopped.summary["failures"] == {"locked": 3, "unknown_id": 4, "server": 2}
        assert (stopped.summary["failed"], stopped.summary["refused"]) == (2, 7)
        seen = service.modified
        refused = bulkroute(*run, "--max-refused", "6", cwd=tmp_path)
        assert (refused.code, refused.summary["stop"]) == (3, "max_refused")
        assert service.modified == seen


@pytest.mark.slow
def test_a_share_counts_from_20_finished_rows_on(tmp_path: Path) -> None:
    wanted = targets(ids(100))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(business_ids=0.4)) as service:
        run = ("run", "night.csv", "--base-url", service.url, *FAST, "--json")
        result = bulkroute(*run, "--max-failures", "5%", "--concurrency", "1", cwd=tmp_path)
        assert result.code == 3
        assert result.summary["succeeded"] + result.summary["failed"] == 20
        assert "--max-failures 5% is reached" in result.summary["stopped"]
        through = bulkroute(*run, "--max-failures", "90%", cwd=tmp_path)
        assert through.code == 1
        assert through.summary["pending"] == 0


@pytest.mark.slow
def test_failures_of_earlier_runs_do_not_count(tmp_path: Path) -> None:
    wanted = targets(ids(60))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(business_ids=0.2)) as service:
        bad = sum(bulkroute_failed(service, wanted))
        run = ("run", "night.csv", "--base-url", service.url, *FAST, "--json", "--max-failures", str(bad + 1))
        for _ in range(3):
            result = bulkroute(*run, cwd=tmp_path)
            assert result.code == 1, result.err
            assert result.summary["failed"] == bad


def bulkroute_failed(service: object, wanted: dict[str, Target]) -> list[bool]:
    """Return for each id whether the simulator's dice make it fail for ever."""
    dice = service.simulator._service._dice  # type: ignore[attr-defined]  # any Service
    return [bool(dice.of_id(row_id)) for row_id in wanted]


@pytest.mark.slow
def test_twenty_failures_in_a_row_stop_a_run_unless_told_otherwise(tmp_path: Path) -> None:
    wanted = targets(ids(100))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(fail_500_ids=1)) as service:
        run = ("run", "night.csv", "--base-url", service.url, *FAST, "--json")
        result = bulkroute(*run, cwd=tmp_path)
        assert result.code == 3
        assert 20 <= result.summary["failed"] < 30
        # A few more of those in flight may be counted before the run notices.
        assert re.search(
            r"--max-consecutive-failures 20 is reached: 2\d rows in a row failed", result.summary["stopped"]
        )
        assert "server: business failure: check the parameter values" in result.summary["stopped"]
        assert bulkroute(*run, "--max-consecutive-failures", "101", cwd=tmp_path).code == 1


def test_a_manifest_of_another_tenant_costs_no_call(tmp_path: Path) -> None:
    wanted = targets(ids(100))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(["8000000000000000001"]) as service:
        result = bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
        assert result.code == 1
        assert "refused: 100 unknown_id" in result.err
        assert "is this the right tenant?" in result.err
        assert service.modified == 0


@pytest.mark.slow
def test_locked_rows_known_beforehand_stop_no_healthy_night(tmp_path: Path) -> None:
    routes = [replace(route, editable="1") if place < 26 else route for place, route in enumerate(routes_for(ids(800)))]
    write_csv(tmp_path / "night.csv", targets(ids(800)))
    with serving(routes) as service:
        run = ("run", "night.csv", "--base-url", service.url, *FAST, "--max-failures", "1%")
        result = bulkroute(*run, cwd=tmp_path)
        assert (result.code, service.modified) == (1, 774)
        assert "774 of 800 rows done, 0 failed, 26 refused" in result.err
        assert result.err.count("locked") <= 3, "one line for all of them"
        accepted = bulkroute(*run, "--skip", "locked", "--json", cwd=tmp_path)
        assert (accepted.code, accepted.summary["skipped"], service.modified) == (0, 26, 774)
        assert "; 774 done already, as live bindings show, 26 skipped" in accepted.err


def test_max_rows_stops_cleanly_and_goes_on(tmp_path: Path) -> None:
    wanted = targets(ids(25))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(fail_500=0.4)) as service:
        run = (
            "run",
            "night.csv",
            "--base-url",
            service.url,
            *FAST,
            "--json",
            "--max-rows",
            "10",
            "--max-attempts",
            "20",
        )
        codes = []
        for done in (10, 20, 25):
            result = bulkroute(*run, cwd=tmp_path)
            assert result.summary["succeeded"] == done
            codes.append(result.code)
        assert codes == [4, 4, 0]
        assert dict(service.bindings) == wanted


@pytest.mark.slow
def test_the_canary_reaches_every_target_and_waits_for_the_list(tmp_path: Path) -> None:
    wanted: dict[str, Target] = {
        row_id: (1, 101) if place < 90 else (1, 102 + place % 5) for place, row_id in enumerate(ids(100))
    }
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(read_delay_s=1)) as service:
        result = bulkroute(
            "run", "night.csv", "--base-url", service.url, *FAST, "--canary", "6", "--backoff", "0.5", cwd=tmp_path
        )
        assert result.code == 0, result.err
        endpoints = [call.endpoint for call in service.simulator.calls]
        first = endpoints.index("modifyCalledRoute")
        canary = [call.id for call in service.simulator.calls[first : first + 6]]
        assert Counter(wanted[row_id] for row_id in canary) == dict.fromkeys(set(wanted.values()), 1)
        assert endpoints[first + 6] == "queryCalledRoute"
        assert service.modified == 100
        assert dict(service.bindings) == wanted


@pytest.mark.parametrize(
    ("faults", "text"),
    [
        (Faults(business_ids=1), "5 of 5 rows failed"),
        (Faults(not_applied_ids=1), "5 of 5 rows read back different"),
    ],
)
@pytest.mark.slow
def test_a_canary_that_is_not_right_stops_the_run(tmp_path: Path, faults: Faults, text: str) -> None:
    wanted = targets(ids(100))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, faults) as service:
        run = ("run", "night.csv", "--base-url", service.url, *FAST, "--canary", "5", "--json")
        result = bulkroute(*run, cwd=tmp_path)
        assert result.code == 3
        assert service.modified == 5
        assert text in result.summary["stopped"]
        sent = [row_id for row_id, row in exported(tmp_path / "night.ledger.db").items() if row["status"] != "pending"]
        assert all(row_id in result.summary["stopped"] for row_id in sent)
        assert re.search(r"^to go on: +bulkroute run", result.err, re.MULTILINE)


@pytest.mark.slow
def test_a_limit_stops_a_rollback_too(tmp_path: Path) -> None:
    wanted = targets(ids(50))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service:
        before = dict(service.bindings)
        connection = ("--base-url", service.url, *FAST)
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        service.simulator.set_faults(Faults(business_ids=1))
        stopped = bulkroute("rollback", "night.ledger.db", *connection, "--max-failures", "3", cwd=tmp_path)
        assert stopped.code == 3
        assert re.search(r"^to go on: +bulkroute rollback night.ledger.db", stopped.err, re.MULTILINE)
        service.simulator.set_faults(Faults())
        part = bulkroute("rollback", "night.ledger.db", *connection, "--max-rows", "20", cwd=tmp_path)
        assert part.code == 4
        assert bulkroute("rollback", "night.ledger.db", *connection, cwd=tmp_path).code == 0
        assert dict(service.bindings) == before
