"""What live bindings decide before the first call, through the real command line; the simulator is the oracle."""

import csv
import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bulkroute.simulator import Faults, Flow, Route, routes_for
from bulkroute.simulator.names import queue_name
from tests.harness import (
    Target,
    bulkroute,
    exported,
    ids,
    serving,
    started,
    targets,
    write_csv,
)

FAST = ("--rate", "unlimited", "--concurrency", "32", "--backoff", "0.01", "--backoff-cap", "0.05")
UNKNOWN = "9999999999999999999"


def tenant(count: int = 350, right: int = 40, locked: int = 2) -> tuple[list[Route], dict[str, Target]]:
    """Return routes, `right` of which lead where the manifest wants them and `locked` of which are locked; one id less."""
    wanted = targets(ids(count))
    routes = list(routes_for(list(wanted)))
    for place in range(right):
        devicetype, device_id = wanted[routes[place].id]
        routes[place] = replace(routes[place], devicetype=devicetype, device_id=device_id)
    for place in range(locked):
        routes[right + place] = replace(routes[right + place], editable="13"[place % 2])
    del routes[-1]
    return routes, wanted


def calls(service: object, endpoint: str) -> int:
    return int(service.simulator.calls_per_endpoint[endpoint])  # type: ignore[attr-defined]  # any Service


def test_a_run_sends_only_what_must_change(tmp_path: Path) -> None:
    routes, wanted = tenant()
    routes.append(Route(UNKNOWN))  # 350 live routes again, one of them not in the manifest
    write_csv(tmp_path / "night.csv", wanted)
    with serving(routes) as service:
        before = dict(service.bindings)
        result = bulkroute("run", "night.csv", "--base-url", service.url, *FAST, "--json", cwd=tmp_path)
        assert result.code == 1, result.err
        assert service.modified == 350 - 40 - 2 - 1 == 307
        assert calls(service, "queryCalledRoute") == 4
        endpoints = [call.endpoint for call in service.simulator.calls]
        assert "queryCalledRoute" not in endpoints[endpoints.index("modifyCalledRoute") :]
        assert (result.summary["succeeded"], result.summary["unchanged"]) == (307, 40)
        assert result.summary["failures"] == {"locked": 2, "unknown_id": 1}
        rows = exported(tmp_path / "night.ledger.db")
        for row_id, row in rows.items():
            if row_id in before:
                assert (int(row["before_devicetype"]), int(row["before_deviceId"])) == before[row_id]

        again = bulkroute("run", "night.csv", "--base-url", service.url, *FAST, "--json", cwd=tmp_path)
        assert again.code == 1
        assert service.modified == 307
        assert exported(tmp_path / "night.ledger.db").keys() == rows.keys()
        for row_id, row in exported(tmp_path / "night.ledger.db").items():
            assert row["before_deviceId"] == rows[row_id]["before_deviceId"]


def test_350_routes_40_right_2_locked_and_an_unknown_id_take_308_calls(tmp_path: Path) -> None:
    routes, wanted = tenant(351)
    write_csv(tmp_path / "night.csv", wanted)
    with serving(routes) as service:
        assert len(service.bindings) == 350
        assert bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path).code == 1
        assert service.modified == 308
        assert calls(service, "queryCalledRoute") == 4


@pytest.mark.slow
def test_a_finished_batch_is_held_against_live_bindings_and_sends_nothing_again(tmp_path: Path) -> None:
    wanted = targets(ids(20))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service:
        assert bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path).code == 0
        write_csv(tmp_path / "night.csv", dict(reversed(wanted.items())))
        assert bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path).code == 0
        assert calls(service, "queryCalledRoute") == 2
        by_ledger = bulkroute("run", "night.csv", "--base-url", service.url, *FAST, "--no-snapshot", cwd=tmp_path)
        assert "20 done already, by the ledger: live bindings were not read" in by_ledger.err
        assert calls(service, "queryCalledRoute") == 2
        assert service.modified == 20


def test_plan_tells_the_difference_and_changes_nothing(tmp_path: Path) -> None:
    routes, wanted = tenant(351)
    manifest = write_csv(tmp_path / "night.csv", wanted)
    devicetype, device_id = wanted[routes[5].id]
    manifest.write_text(manifest.read_text() + f"{routes[5].id},{devicetype},{device_id}\n")
    with serving(routes) as service:
        plan = bulkroute(
            "plan", "night.csv", "--base-url", service.url, *FAST, "--json", "--rows", "--exit-code", cwd=tmp_path
        )
        assert plan.code == 6, plan.err
        found = plan.summary
        counts = ("total", "to_change", "already_right", "drifted", "skipped", "refused", "twice")
        assert {name: found[name] for name in counts} == {
            "total": 351,
            "to_change": 308,
            "already_right": 40,
            "drifted": 0,
            "skipped": 0,
            "refused": {"locked": 2, "unknown_id": 1},
            "twice": 1,
        }
        assert sum(pair["rows"] for pair in found["pairs"]) == 308
        assert found["pairs"] == sorted(found["pairs"], key=lambda pair: -pair["rows"])
        assert any(pair["from"]["name"] == queue_name(90001) for pair in found["pairs"])
        assert any(pair["to"] == {"devicetype": 1, "deviceId": 101, "name": queue_name(101)} for pair in found["pairs"])
        standings = {row["id"]: row["standing"] for row in found["rows"]}
        assert len(standings) == 351
        assert standings[list(wanted)[-1]] == "unknown_id"
        assert service.modified == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["night.csv"]

        text = bulkroute("plan", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
        assert text.code == 0
        assert "308 to change" in text.out
        pairs = [line.split() for line in text.out.splitlines() if line.split()[1] == "from"]
        shown = [pair["rows"] for pair in found["pairs"]][:20]
        assert [int(pair[0]) for pair in pairs] == shown
        more = len(found["pairs"]) - 20
        assert f"{308 - sum(shown)} in {more} more pairs of targets; `plan --json` shows all" in text.out
        assert calls(service, "queryCalledRoute") == 8


@pytest.mark.parametrize(("status", "code"), [(404, 69), (403, 77), (500, 69)])
@pytest.mark.slow
def test_without_the_list_nothing_is_sent(tmp_path: Path, status: int, code: int) -> None:
    wanted = targets(ids(5))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(query_status=status)) as service:
        run = ("run", "night.csv", "--base-url", service.url, *FAST)
        refused = bulkroute(*run, "--json", cwd=tmp_path)
        assert refused.code == code, refused.err
        assert "queryCalledRoute" in refused.err
        assert "--no-snapshot goes without" in refused.err
        assert service.modified == 0
        assert refused.summary["pending"] == 5
        assert bulkroute(*run, "--no-snapshot", cwd=tmp_path).code == 0
        assert dict(service.bindings) == wanted


@pytest.mark.parametrize("faults", [Faults(unstable_order=6), Faults(list_changes=3)])
@pytest.mark.slow
def test_a_list_that_moves_is_read_until_it_settles(tmp_path: Path, faults: Faults) -> None:
    wanted = targets(ids(250))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, faults) as service:
        result = bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
        assert result.code == 0, result.err
        assert calls(service, "queryCalledRoute") > 3
        assert {row_id: service.bindings[row_id] for row_id in wanted} == wanted


def test_a_list_that_never_settles_is_said_so(tmp_path: Path) -> None:
    wanted = targets(ids(50))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(wrong_total=3)) as service:
        result = bulkroute("plan", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
        assert result.code == 0
        assert "never settled in 3 readings: 50 found of 53" in result.err


@pytest.mark.slow
def test_snapshot_is_a_manifest_of_what_is_live(tmp_path: Path) -> None:
    routes = [replace(route, device_desc="") for route in routes_for(ids(120))]
    routes[0] = replace(routes[0], access_code="+4930123")
    with serving(routes) as service:
        taken = bulkroute("snapshot", "-o", "live.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
        assert taken.code == 0, taken.err
        with (tmp_path / "live.csv").open() as file:
            rows = {row["id"]: row for row in csv.DictReader(file)}
        assert {row_id: (int(row["devicetype"]), int(row["deviceId"])) for row_id, row in rows.items()} == dict(
            service.bindings
        )
        assert rows[routes[0].id]["accessCode"] == "'+4930123"
        assert rows[routes[1].id]["extCode"] == routes[1].ext_code
        assert [rows[route.id]["mediaType"] for route in routes] == [str(route.mediatype_id or "") for route in routes]
        assert bulkroute("check", "live.csv", cwd=tmp_path).code == 0
        planned = bulkroute("plan", "live.csv", "--base-url", service.url, *FAST, "--exit-code", cwd=tmp_path)
        assert planned.code == 0, planned.out
        assert [path.name for path in tmp_path.iterdir()] == ["live.csv"]


@pytest.mark.slow
def test_targets_that_calls_cannot_reach(tmp_path: Path) -> None:
    wanted = dict(zip(ids(4), [(1, 101), (1, 777), (3, 201), (3, 888)], strict=True))
    write_csv(tmp_path / "night.csv", wanted)
    flows = [Flow(201, "closed", loaded=False), Flow(90101), Flow(90102), Flow(90103)]
    with serving(wanted, Faults(schema_wrapper=True), flows=flows) as service:
        strict = bulkroute("run", "night.csv", "--base-url", service.url, *FAST, "--strict-targets", cwd=tmp_path)
        assert strict.code == 2
        assert service.modified == 0
        plan = bulkroute("plan", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
        assert plan.code == 0
        run = bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
        assert run.code == 0
        for text in (strict.err, plan.out, run.err):
            for warning in (
                "skill_queue 777 does not exist",
                "closed (ivr 201) is not loaded",
                "ivr 888 does not exist",
            ):
                assert warning in text
            assert "skill_queue 101 " not in text.replace(f"to {queue_name(101)} (skill_queue 101)", "")


@pytest.mark.slow
def test_a_target_is_looked_up_whatever_leads_there_and_before_the_way_back(tmp_path: Path) -> None:
    known = ids(5)
    routes = [Route(row_id, 3, 3010) for row_id in known[:2]] + [Route(row_id, 3, 3008) for row_id in known[2:]]
    flows = [Flow(3010, "Night", loaded=False), Flow(3008, "Day")]
    write_csv(tmp_path / "night.csv", dict.fromkeys(known, (3, 3010)))
    warning = "Night (ivr 3010) is not loaded: 3 rows lead there"
    with serving(routes, flows=flows) as service:
        there = ("night.csv", "--base-url", service.url, *FAST)
        for command in ("plan", "run"):
            strict = bulkroute(command, *there, "--strict-targets", "--json", cwd=tmp_path)
            assert strict.code == 2
            assert warning in strict.err
        assert strict.summary["stop"] == "targets"
        assert service.modified == 0
        plan = bulkroute("plan", *there, "--json", cwd=tmp_path)
        assert plan.summary["warnings"] == [warning]
        assert plan.summary["pairs"] == [
            {
                "from": {"devicetype": 3, "deviceId": 3008, "name": "Day"},
                "to": {"devicetype": 3, "deviceId": 3010, "name": "Night"},
                "rows": 3,
            }
        ]
        run = bulkroute("run", *there, cwd=tmp_path)
        assert (run.code, service.modified) == (0, 3)
        assert f"warning: {warning}" in run.err

    with serving([Route(row_id, 3, 3010) for row_id in known], flows=[Flow(3008, "Day", loaded=False)]) as service:
        back = ("rollback", "night.ledger.db", "--base-url", service.url, "--service-moved", *FAST)
        strict = bulkroute(*back, "--strict-targets", cwd=tmp_path)
        assert (strict.code, service.modified) == (2, 0)
        warned = bulkroute(*back, cwd=tmp_path)
        assert (warned.code, service.modified) == (0, 3)
        for result in (strict, warned):
            assert "Day (ivr 3008) is not loaded: 3 rows lead there" in result.err


@pytest.mark.slow
def test_plan_says_what_drifted_and_what_is_skipped_as_run_does(tmp_path: Path) -> None:
    known = ids(6)
    write_csv(tmp_path / "night.csv", dict.fromkeys([*known, "404"], (1, 101)))
    routes = [Route(row_id, 1, 7, editable="1" if row_id == known[5] else "0") for row_id in known]
    with serving(routes) as service:
        there = ("night.csv", "--base-url", service.url, *FAST, "--json", "--skip", "unknown_id")
        assert bulkroute("run", *there, cwd=tmp_path).code == 1
        service.rebind({known[1]: (1, 8), known[2]: (3, 9)})
        plan = bulkroute("plan", *there, "--rows", "--expect", "7", cwd=tmp_path).summary
        counts = {name: plan[name] for name in ("to_change", "already_right", "drifted", "skipped", "refused")}
        assert counts == {"to_change": 2, "already_right": 3, "drifted": 2, "skipped": 1, "refused": {"locked": 1}}
        assert [row["id"] for row in plan["rows"] if row["standing"] == "change"] == known[1:3]
        assert [row["id"] for row in plan["rows"] if row["drifted"]] == known[1:3]
        sent = service.modified
        run = bulkroute("run", *there, cwd=tmp_path).summary
        assert run["drifted"] == plan["drifted"]
        assert service.modified - sent == plan["to_change"]
        wrong = bulkroute("plan", *there, "--expect", "8", cwd=tmp_path)
        assert wrong.code == 65
        assert "7 rows, and --expect says 8" in wrong.err
        write_csv(tmp_path / "other.csv", {"405": (1, 101), "406": (1, 101), known[0]: (1, 101)})
        other = bulkroute("plan", "other.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
        assert "warning: more than half of the manifest's ids are not there: is this the right tenant?" in other.out


@pytest.mark.slow
def test_before_is_written_once_a_row_was_called(tmp_path: Path) -> None:
    wanted = targets(ids(3))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(business_ids=1)) as service:
        first = dict(service.bindings)
        run = ("run", "night.csv", "--base-url", service.url, *FAST)
        assert bulkroute(*run, cwd=tmp_path).code == 1
        for row_id in wanted:
            service.simulator.rebind(row_id, 1, 999)
        assert bulkroute(*run, cwd=tmp_path).code == 1
        for row_id, row in exported(tmp_path / "night.ledger.db").items():
            assert (int(row["before_devicetype"]), int(row["before_deviceId"])) == first[row_id]
        assert json.loads(bulkroute("status", "night.ledger.db", "--json", cwd=tmp_path).out)["failed"] == 3


@pytest.mark.parametrize("arguments", [("run", "night.csv"), ("plan", "night.csv"), ("snapshot", "-o", "live.csv")])
@pytest.mark.slow
def test_a_signal_ends_a_reading_in_good_order(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    wanted = targets(ids(5))
    write_csv(tmp_path / "night.csv", wanted)
    with (
        serving(wanted, Faults(latency_ms=60_000)) as service,
        started(*arguments, "--base-url", service.url, cwd=tmp_path) as process,
    ):
        while not calls(service, "queryCalledRoute"):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=30)
        assert process.returncode == 4
        assert err.decode().startswith("bulkroute: interrupted by SIGTERM; nothing was sent")
        assert [path.name for path in tmp_path.iterdir()] == ["night.csv"]
