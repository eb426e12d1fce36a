"""Verify and rollback through the real command line; the simulator is the oracle."""

import csv
import re
import shlex
import signal
import time
from pathlib import Path

import pytest

from bulkroute.model import number_text
from bulkroute.simulator import Faults
from tests.harness import Service, Target, bulkroute, exported, ids, serving, started, targets, write_csv

FAST = ("--rate", "unlimited", "--concurrency", "32", "--backoff", "0.01", "--backoff-cap", "0.05")


def kill_after(service: Service, modified: int, *arguments: object, cwd: Path) -> None:
    """Start a command and SIGKILL it once the service has seen so many calls."""
    with started(*arguments, cwd=cwd) as process:
        deadline_s = time.monotonic() + 60
        while service.modified < modified:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline_s
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)


@pytest.mark.slow
def test_verify_tells_what_differs(tmp_path: Path) -> None:
    wanted = targets(ids(130))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(read_delay_s=2)) as service:
        before = dict(service.bindings)
        connection = ("--base-url", service.url, "--rate", "unlimited", "--backoff", "0.2")
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        good = bulkroute("verify", "night.ledger.db", *connection, cwd=tmp_path)
        assert good.code == 0, good.out
        assert "130 of 130 rows done are as the ledger says" in good.out
        foreign = list(wanted)[7]
        service.simulator.rebind(foreign, 1, 999)
        bad = bulkroute("verify", "night.ledger.db", *connection, "--json", cwd=tmp_path)

        def known(target: Target) -> dict[str, object]:
            found = service.simulator.tenant.target(target)
            return {"devicetype": target[0], "deviceId": target[1], "name": found.name if found else ""}

        assert bad.code == 6
        assert bad.summary["checked"] == 130
        (told,) = bad.summary["differences"]
        assert (told["id"], told["kind"]) == (foreign, "elsewhere")
        assert told["accessCode"] == service.simulator.routes[foreign].access_code
        assert (told["was"], told["wanted"]) == (known(before[foreign]), known(wanted[foreign]))
        assert (told["is"]["devicetype"], told["is"]["deviceId"]) == (1, 999)
        assert service.modified == 130


def test_verify_finds_success_that_was_not_applied(tmp_path: Path) -> None:
    wanted = targets(ids(40))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(not_applied_ids=0.1)) as service:
        connection = ("--base-url", service.url, *FAST)
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        untrue = {row_id for row_id in wanted if service.bindings[row_id] != wanted[row_id]}
        assert untrue
        found = bulkroute("verify", "night.ledger.db", *connection, "--json", cwd=tmp_path)
        assert found.code == 6
        assert {each["id"] for each in found.summary["differences"]} == untrue


def test_a_batch_that_was_never_rolled_back_has_no_rollback_to_show(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    assert bulkroute("run", "night.csv", "--simulate", "--ledger", "night.ledger.db", cwd=tmp_path).code == 0
    assert "rollback" not in bulkroute("status", "night.ledger.db", cwd=tmp_path).out
    for command in ("status", "export"):
        refused = bulkroute(command, "night.ledger.db", "--rollback", cwd=tmp_path)
        assert refused.code == 2
        assert "this batch was never rolled back; leave out --rollback" in refused.err


def test_rollback_puts_all_back_but_a_foreign_change_and_the_batch_can_run_again(tmp_path: Path) -> None:
    wanted = targets(ids(60))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service:
        before = dict(service.bindings)
        connection = ("--base-url", service.url, *FAST)
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        foreign = list(wanted)[11]
        service.simulator.rebind(foreign, 1, 999)

        back = bulkroute("rollback", "night.ledger.db", *connection, "--json", cwd=tmp_path)
        assert back.code == 1, back.err
        assert back.summary["succeeded"] == 59
        assert back.summary["failures"] == {"conflict": 1}
        route = service.simulator.routes[foreign]
        number = number_text(route.access_code, route.ext_code)
        assert f"refused: 1 conflict: {number} (id {foreign}) for example" in back.err
        assert "is skill_queue 999" in back.err
        assert dict(service.bindings) == {**before, foreign: (1, 999)}
        assert service.modified == 60 + 59
        assert {
            row["status"] for row_id, row in exported(tmp_path / "night.ledger.db").items() if row_id != foreign
        } == {"pending"}

        advice = re.search(r"^to see the refused rows: +bulkroute (export .+)$", back.err, re.MULTILINE)
        assert advice
        assert bulkroute(*shlex.split(advice[1]), cwd=tmp_path).code == 0
        (failed,) = csv.DictReader((tmp_path / "failed.csv").read_text().splitlines())
        assert (failed["id"], failed["error"]) == (foreign, "conflict")
        assert (int(failed["devicetype"]), int(failed["deviceId"])) == before[foreign]
        forward = bulkroute("status", "night.ledger.db", cwd=tmp_path)
        assert "`bulkroute status night.ledger.db --rollback` shows" in forward.out
        undone = bulkroute("status", "night.ledger.db", "--rollback", "--json", cwd=tmp_path).summary
        of_the_run_alone = ("rate", "seconds", "live_read")  # the clock's, and what the ledger does not keep
        assert {**back.summary, **{name: undone[name] for name in of_the_run_alone}} == undone

        repeated = bulkroute("rollback", "night.ledger.db", *connection, cwd=tmp_path)
        assert repeated.code == 1
        assert service.modified == 60 + 59

        # The next batch overwrites what the other hand set, which is its *before* then.
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        assert dict(service.bindings) == wanted
        assert service.modified == 60 + 59 + 60
        assert bulkroute("rollback", "night.ledger.db", *connection, cwd=tmp_path).code == 0
        assert dict(service.bindings) == {**before, foreign: (1, 999)}


@pytest.mark.slow
def test_a_rollback_killed_in_the_middle_goes_on(tmp_path: Path) -> None:
    wanted = targets(ids(200))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=20)) as service:
        before = dict(service.bindings)
        connection = ("--base-url", service.url, *FAST)
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        foreign = list(wanted)[150]
        service.simulator.rebind(foreign, 1, 999)
        slow = ("--base-url", service.url, "--rate", "200", "--concurrency", "8")
        kill_after(service, 200 + 50, "rollback", "night.ledger.db", *slow, cwd=tmp_path)
        assert dict(service.bindings) != {**before, foreign: (1, 999)}

        back = bulkroute("rollback", "night.ledger.db", *connection, "--json", cwd=tmp_path)
        assert back.code == 1, back.err
        assert back.summary["total"] == 200
        assert back.summary["failures"] == {"conflict": 1}
        assert dict(service.bindings) == {**before, foreign: (1, 999)}
        assert service.modified <= 200 + 199 + 8


@pytest.mark.slow
def test_a_run_after_half_a_rollback_sends_that_half_again_in_the_next_batch(tmp_path: Path) -> None:
    wanted = targets(ids(80))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=20)) as service:
        before = dict(service.bindings)
        connection = ("--base-url", service.url, *FAST)
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        slow = ("--base-url", service.url, "--rate", "200", "--concurrency", "8")
        kill_after(service, 80 + 30, "rollback", "night.ledger.db", *slow, cwd=tmp_path)
        # Rows of the rollback that were in doubt are known only to it: the run must find them by itself.
        put_back = {row_id for row_id in wanted if service.bindings[row_id] == before[row_id]}
        assert 0 < len(put_back) < 80
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        assert dict(service.bindings) == wanted

        # The next batch changed that half alone; what the first one changed and stands needs --since.
        back = bulkroute("rollback", "night.ledger.db", *connection, cwd=tmp_path)
        assert back.code == 0, back.err
        assert {row_id for row_id in wanted if service.bindings[row_id] == before[row_id]} == put_back
        (more,) = re.findall(r"([\d,]+) rows that earlier batches changed stand after this: `bulkroute (.+)`", back.err)
        assert int(more[0]) == 80 - len(put_back)
        assert bulkroute(*shlex.split(more[1]), *connection, cwd=tmp_path).code == 0
        assert dict(service.bindings) == before


@pytest.mark.slow
def test_rows_in_doubt_are_settled_by_reading_back(tmp_path: Path) -> None:
    wanted = targets(ids(120))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=300)) as service:
        slow = ("--base-url", service.url, "--rate", "unlimited", "--concurrency", "32")
        kill_after(service, 16, "run", "night.csv", *slow, cwd=tmp_path)
        doubted = [row_id for row_id, row in exported(tmp_path / "night.ledger.db").items() if row["status"] == "sent"]
        landed = [row_id for row_id in doubted if service.bindings[row_id] == wanted[row_id]]
        assert len(landed) >= 3
        early, foreign = landed[0], landed[1]
        before = exported(tmp_path / "night.ledger.db")[early]
        service.simulator.rebind(early, int(before["before_devicetype"]), int(before["before_deviceId"]))
        service.simulator.rebind(foreign, 1, 999)

        result = bulkroute("run", "night.csv", "--base-url", service.url, *FAST, "--json", cwd=tmp_path)
        assert result.code == 1, result.err
        assert result.summary["failures"] == {"conflict": 1}
        assert dict(service.bindings) == {**wanted, foreign: (1, 999)}
        assert service.simulator.calls_per_id[foreign] == 1
        assert service.simulator.calls_per_id[early] == 2
        assert all(service.simulator.calls_per_id[row_id] == 1 for row_id in landed[1:])

        service.simulator.rebind(foreign, int(before["before_devicetype"]), int(before["before_deviceId"]))
        assert bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path).code == 1


@pytest.mark.slow
def test_a_retargeted_row_goes_all_the_way_back(tmp_path: Path) -> None:
    wanted = targets(ids(10))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service:
        before = dict(service.bindings)
        connection = ("--base-url", service.url, *FAST)
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        moved: dict[str, Target] = dict.fromkeys(wanted, (1, 150))
        write_csv(tmp_path / "night.csv", moved)
        assert bulkroute("run", "night.csv", *connection, "--max-rows", "4", cwd=tmp_path).code == 4
        assert sum(target == (1, 150) for target in service.bindings.values()) == 4
        assert bulkroute("rollback", "night.ledger.db", "--since", "1", *connection, cwd=tmp_path).code == 0
        assert dict(service.bindings) == before
        assert bulkroute("verify", "night.ledger.db", *connection, cwd=tmp_path).code == 0


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.slow
def test_what_was_sent_without_a_snapshot_cannot_be_put_back(tmp_path: Path, gone: bool) -> None:
    wanted = targets(ids(6))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service:
        connection = ("--base-url", service.url, *FAST)
        assert bulkroute("run", "night.csv", *connection, "--no-snapshot", cwd=tmp_path).code == 0
        if gone:
            write_csv(tmp_path / "night.csv", dict(list(wanted.items())[:3]))
            assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        back = bulkroute("rollback", "night.ledger.db", *connection, cwd=tmp_path)
        assert "6 rows cannot be put back" in back.err
        assert back.code == 1
        assert dict(service.bindings) == wanted


def test_rollback_makes_no_ledger(tmp_path: Path) -> None:
    back = bulkroute("rollback", "none.ledger.db", "--base-url", "http://127.0.0.1:9", cwd=tmp_path)
    assert back.code == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_killed_or_failed_rollback_leaves_nothing_claimed_that_was_put_back(tmp_path: Path) -> None:
    wanted = targets(ids(200))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=20)) as service:
        connection = ("--base-url", service.url, *FAST)
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        before_calls = service.modified
        slow = ("--base-url", service.url, "--rate", "200", "--concurrency", "8")
        kill_after(service, before_calls + 50, "rollback", "night.ledger.db", *slow, cwd=tmp_path)
        found = exported(tmp_path / "night.ledger.db")
        assert {row["status"] for row in found.values()} == {"pending", "sent", "succeeded"}
        for row_id, row in found.items():
            assert row["status"] != "succeeded" or service.bindings[row_id] == wanted[row_id]
        assert bulkroute("verify", "night.ledger.db", *connection, cwd=tmp_path).code == 0

        # Put back, and then the connection is lost: no clear answer, so neither "done" nor "never sent" would be true.
        service.simulator.set_faults(Faults(reset_after=1))
        lost = ("--max-attempts", "1", "--max-outage-wait", "0")
        assert bulkroute("rollback", "night.ledger.db", *connection, *lost, cwd=tmp_path).code == 3
        found = exported(tmp_path / "night.ledger.db")
        assert any(row["status"] == "sent" for row in found.values())
        for row_id, row in found.items():
            assert row["status"] != "succeeded" or service.bindings[row_id] == wanted[row_id]
        service.simulator.set_faults(Faults())
        assert bulkroute("run", "night.csv", *connection, cwd=tmp_path).code == 0
        assert dict(service.bindings) == wanted


@pytest.mark.slow
def test_rows_that_a_stopped_rollback_never_reached_stay_done(tmp_path: Path) -> None:
    wanted = targets(ids(60))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults()) as service:
        assert bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path).code == 0
        words = ("rollback", "night.ledger.db", "--base-url", service.url, "--rate", "5")
        with started(*words, cwd=tmp_path) as process:
            while service.modified < 60 + 10:
                assert process.poll() is None
            while bulkroute("ctl", "night.ledger.db", "pause", cwd=tmp_path).code:
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)  # a call noted as sent is withdrawn
            assert process.wait(30) == 4
        for row_id, row in exported(tmp_path / "night.ledger.db").items():
            assert row["status"] == ("succeeded" if service.bindings[row_id] == wanted[row_id] else "pending")
