"""A fleet through the command line: all or nothing at the start, an outcome for each tenant, killed and resumed."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from bulkroute.cli.fleet.fleet_of import fleet_of
from bulkroute.events import Event
from bulkroute.fleet.one_process import Order, Verb
from bulkroute.fleet.processes import Processes
from bulkroute.run.loop import run_in_loop
from bulkroute.simulator import Faults
from tests.carrier import Carrier, carrier
from tests.flow.engine import most_within
from tests.flow.test_never_above_the_rate import ALMOST_A_SECOND_S
from tests.harness import bulkroute, started

ROWS = 40
RATE = 20


def _is_right(fleet: Carrier, name: str) -> bool:
    return fleet.seen()[name].bindings.items() >= fleet.wanted[name].items()


def _names(count: int) -> list[str]:
    return [f"t{number:02}" for number in range(count)]


@pytest.mark.slow
def test_every_tenant_is_served_within_its_rate(tmp_path: Path) -> None:
    with carrier(tmp_path, _names(8), ROWS) as fleet:
        file = fleet.write({"rate": RATE, "canary": 2, "note": "CHG7"})
        done = bulkroute("fleet", "run", file.name, "--json", "--metrics-file", "fleet.prom", cwd=tmp_path)
        assert done.code == 0, done.err
        assert "8 of 8 tenants done; 320 of 320 rows done, 0 failed, 0 left; 320 calls" in done.err
        assert [tenant["tenant"] for tenant in done.summary["tenants"]] == _names(8)
        assert {(each["exit_code"], each["note"], each["host"]) for each in done.summary["tenants"]} == {
            (0, "CHG7", os.uname().nodename)
        }
        assert done.summary["totals"]["succeeded"] == 8 * ROWS
        for name, seen in fleet.seen().items():
            assert _is_right(fleet, name)
            assert most_within(seen.called_at, ALMOST_A_SECOND_S) <= RATE
        metrics = (tmp_path / "fleet.prom").read_text()
        assert all(f'tenant="{name}"' in metrics for name in _names(8))
        again = bulkroute("fleet", "run", file.name, "--json", cwd=tmp_path)
        assert (again.code, again.summary["totals"]["attempts"]) == (0, 0)
        verified = bulkroute("fleet", "verify", file.name, "--json", cwd=tmp_path)
        assert (verified.code, {each["checked"] for each in verified.summary["tenants"]}) == (0, {ROWS})
        back = bulkroute("fleet", "rollback", file.name, "--first", "1", "--json", cwd=tmp_path)
        assert (back.code, back.summary["totals"]["tenants"], _is_right(fleet, "t00")) == (0, 1, False)
        planned = bulkroute("fleet", "plan", file.name, "--json", cwd=tmp_path).summary["tenants"]
        assert [each["to_change"] for each in planned] == [ROWS, *[0] * 7]
        # Each command of bulkroute works on the ledger of a tenant.
        assert bulkroute("status", "t01.ledger.db", "--json", cwd=tmp_path).summary["succeeded"] == ROWS


@pytest.mark.slow
def test_a_plan_that_may_not_be_run_keeps_all_from_being_sent(tmp_path: Path) -> None:
    with carrier(tmp_path, _names(3), 4) as fleet:
        for name, tenant in (("t00", "another"), ("t01", "t01")):
            given = ("--base-url", fleet.urls[name], "--tenant", tenant)
            saved = bulkroute("plan", f"{name}.csv", "-o", f"{name}.plan", *given, cwd=tmp_path)
            assert saved.code == 0, saved.err
        before = [len(seen.called_at) for seen in fleet.seen().values()]
        own = {"t00": {"manifest": "t00.plan"}, "t01": {"manifest": "t01.plan", "approved": "0" * 12}}
        file = fleet.write({"rate": RATE}, own=own)
        for command in ("check", "run"):
            done = bulkroute("fleet", command, file.name, cwd=tmp_path)
            assert done.code == 65, done.err
            assert "t00: t00.plan: this plan is of tenant another, not of tenant t00" in done.err
            assert "and --approved says 0000 0000 0000" in done.err
        assert [len(seen.called_at) for seen in fleet.seen().values()] == before


def test_the_fleet_file_is_not_written_to_as_a_log(tmp_path: Path) -> None:
    with carrier(tmp_path, _names(1), 1) as fleet:
        file = fleet.write({"rate": RATE})
        before = file.read_text()
        done = bulkroute("fleet", "run", file.name, "--log-file", file.name, cwd=tmp_path)
        assert (done.code, file.read_text()) == (2, before)
        assert "is needed otherwise" in done.err


def test_a_fault_in_one_manifest_keeps_all_from_being_sent(tmp_path: Path) -> None:
    with carrier(tmp_path, _names(3), 4) as fleet:
        file = fleet.write({"rate": RATE}, own={"t02": {"expect": 5}})
        (tmp_path / "t01.csv").write_text("id,devicetype,deviceId\n1,7,1\n" + "2,1,x\n" * 100)
        (tmp_path / "t00.csv").write_text("id,devicetype,deviceId\n" + "2,1,x\n" * 100)
        for verb in ("check", "run", "plan"):
            done = bulkroute("fleet", verb, file.name, cwd=tmp_path)
            assert done.code == 65
            assert "t01: t01.csv:2: devicetype '7' is unknown" in done.err
            assert "t00: 84 more; `bulkroute check` shows them" in done.err
            assert "t02: t02.csv: 4 rows, and `expect` says 5" in done.err
            assert "202 faults, nothing was sent" in done.err
        told = bulkroute("fleet", "run", file.name, "--json", cwd=tmp_path).summary
        assert (told["tenants"], told["exit_code"], "202 faults" in told["stopped"]) == ([], 65, True)
        assert [seen.called_at for seen in fleet.seen().values()] == [[], [], []]
        assert list(tmp_path.glob("*.db*")) == []


@pytest.mark.slow
def test_the_exit_code_says_whether_somebody_must_act(tmp_path: Path) -> None:
    faults = {"t01": Faults(business_ids=0.2, latency_ms=5)}
    with carrier(tmp_path, _names(4), 20, faults, latency_ms=5) as fleet:
        (tmp_path / "wrong.env").write_text("BULKROUTE_APP_KEY=other\nBULKROUTE_APP_SECRET=hush-hush\n")
        (tmp_path / "wrong.env").chmod(0o600)
        some = fleet.write({"rate": 200}, own={"t00": {"max-rows": 5}})
        done = bulkroute("fleet", "run", some.name, "--first", "1", cwd=tmp_path)
        assert done.code == 4
        assert "to go on: bulkroute fleet run fleet.yaml --first 1" in done.err
        file = fleet.write({"rate": 200}, own={"t00": {"max-rows": 5}, "t02": {"credentials": "wrong.env"}})
        done = bulkroute("fleet", "run", file.name, "--json", "--at-once", "1", cwd=tmp_path)
        codes = {each["tenant"]: each["exit_code"] for each in done.summary["tenants"]}
        assert (done.code, codes) == (1, {"t00": 4, "t01": 1, "t02": 77, "t03": 0})
        lines = [line.split()[0] for line in done.err.splitlines() if line.startswith("t0")]
        assert lines == ["t01", "t02", "t00"]  # the worst first; who is done has no line
        assert "hush" not in done.err + done.out
        few = bulkroute(
            "fleet", "run", file.name, "--json", "--at-once", "1", "--max-failed-tenants", "1", cwd=tmp_path
        )
        stops = {each["tenant"]: each["stopped"] for each in few.summary["tenants"]}
        assert few.code == 1
        assert stops["t03"] == "--max-failed-tenants 1 is reached; nothing was sent"


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_every_row_once(tmp_path: Path) -> None:
    with carrier(tmp_path, _names(6), ROWS) as fleet:
        file = fleet.write({"rate": RATE})
        with started("fleet", "run", file.name, cwd=tmp_path) as process:
            while sum(len(seen.modified_at) for seen in fleet.seen().values()) < 60:
                time.sleep(0.05)
            process.kill()
        with started("fleet", "run", file.name, "--json", cwd=tmp_path) as process:
            while sum(len(seen.modified_at) for seen in fleet.seen().values()) < 150:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        told = json.loads(out)
        assert process.returncode == 4, err.decode()
        assert {each["stop"] for each in told["tenants"]} == {"signal"}
        done = bulkroute("fleet", "run", file.name, cwd=tmp_path)
        assert done.code == 0, done.err
        seen = fleet.seen()
        assert all(_is_right(fleet, name) for name in seen)
        # A row whose call the kill cut off is read back, and sent again only where it did not land.
        in_flight = 16
        assert all(ROWS <= len(each.modified_at) <= ROWS + in_flight for each in seen.values())
        assert all(most_within(each.called_at, ALMOST_A_SECOND_S) <= 2 * RATE for each in seen.values())


def _workers(parent: int) -> list[int]:
    """Return the processes that a fleet's process has begun to do the work."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields, line = stat.read_bytes().rpartition(b")")[2].split(), (stat.parent / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == parent and b"spawn_main" in line:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.slow
def test_of_two_processes_one_is_killed_and_the_other_goes_on_with_its_tenants(tmp_path: Path) -> None:
    with carrier(tmp_path, _names(6), ROWS) as fleet:
        file = fleet.write({"rate": RATE})
        with started("fleet", "run", file.name, "--processes", "2", "--json", cwd=tmp_path) as process:
            while sum(len(seen.modified_at) for seen in fleet.seen().values()) < 60:
                time.sleep(0.05)
            victim, other = _workers(process.pid)
            os.kill(victim, signal.SIGKILL)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err.decode()
        assert {each["exit_code"] for each in json.loads(out)["tenants"]} == {0}
        assert not Path(f"/proc/{other}").exists()
        seen = fleet.seen()
        assert all(_is_right(fleet, name) for name in seen)
        assert sum(len(each.modified_at) for each in seen.values()) <= 6 * ROWS + 6 * 16


@pytest.mark.slow
def test_what_one_of_several_processes_has_ended_no_other_begins_again(tmp_path: Path) -> None:
    names = _names(6)
    faults = {name: Faults(latency_ms=5, business_ids=1) for name in names[:3]}
    with carrier(tmp_path, names, 10, faults, latency_ms=5) as fleet:
        file = fleet.write({"rate": 40, "max-failures": 3, "canary": 0, "concurrency": 1})
        done = bulkroute("fleet", "run", file.name, "--processes", "3", "--json", cwd=tmp_path)
        assert done.code == 1, done.err
        ends = {each["tenant"]: each for each in done.summary["tenants"]}
        assert {(ends[name]["run"], ends[name]["stop"]) for name in names[:3]} == {(1, "max_failures")}
        assert {(ends[name]["run"], ends[name]["attempts"]) for name in names[3:]} == {(1, 10)}
        assert all(done.err.count(f" {name}: stopped: ") == 1 for name in names[:3])


@pytest.mark.slow
def test_with_the_first_process_gone_the_others_stop_in_good_order(tmp_path: Path) -> None:
    with carrier(tmp_path, _names(2), ROWS) as fleet:
        file = fleet.write({"rate": 5})
        with started("fleet", "run", file.name, "--processes", "2", cwd=tmp_path) as process:
            while sum(len(seen.modified_at) for seen in fleet.seen().values()) < 4:
                time.sleep(0.05)
            workers = _workers(process.pid)
            process.kill()
            process.wait()
            while any(Path(f"/proc/{worker}").exists() for worker in workers):
                time.sleep(0.05)
        for name in ("t00", "t01"):
            told = bulkroute("status", f"{name}.ledger.db", "--json", cwd=tmp_path).summary
            assert (told["stop"], told["in_doubt"]) == ("signal", 0)


def test_several_processes_keep_no_shared_limit(tmp_path: Path) -> None:
    with carrier(tmp_path, _names(2), 4) as fleet:
        shared = {name: {"limit": "x"} for name in _names(2)}
        file = fleet.write({}, limits={"x": 5}, own=shared)
        done = bulkroute("fleet", "run", file.name, "--processes", "2", cwd=tmp_path)
        assert done.code == 2
        assert "tenants share the limit x, which several processes on their own do not keep together" in done.err
        assert [seen.called_at for seen in fleet.seen().values()] == [[], []]


@pytest.mark.slow
def test_a_process_that_is_killed_with_words_unheard_is_not_waited_for(tmp_path: Path) -> None:
    with carrier(tmp_path, _names(2), ROWS) as fleet:
        found = fleet_of(fleet.write({"rate": 5}), [])

        async def main() -> list[int]:
            def show(_tenant: str, _event: Event) -> None:
                """Have said something to each process, and something of each still to hear, when it is killed."""
                time.sleep(1.5)  # as a terminal may take: each tells how far it is meanwhile
                victims = _workers(os.getpid())
                for victim in victims:
                    os.kill(victim, signal.SIGSTOP)
                both.interrupt("interrupted")
                for victim in victims:
                    os.kill(victim, signal.SIGKILL)

            both = Processes(2, Order(found, Verb.RUN, at_once=2, rows={}), show)
            async with asyncio.timeout(40):
                await both.go()
            return [end.exit_code for end in both.ends()]

        assert run_in_loop(main()) == [4, 4]
