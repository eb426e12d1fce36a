"""A fleet through the command line on two hosts that share a PostgreSQL: each a folder of its own, none told of the other."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.carrier import Carrier, carrier
from tests.flow.engine import most_within
from tests.flow.test_never_above_the_rate import ALMOST_A_SECOND_S
from tests.harness import bulkroute, started
from tests.postgres import Cluster
from tests.watching import watching

ROWS = 60
NAMES = ["acme", "globex", "initech"]
IN_FLIGHT = 16

pytestmark = pytest.mark.slow


def _calls(fleet: Carrier) -> int:
    return sum(len(seen.modified_at) for seen in fleet.seen().values())


def _until(holds: Callable[[], bool]) -> None:
    give_up_at_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up_at_s
        time.sleep(0.05)


def _all_right(fleet: Carrier) -> bool:
    return all(seen.bindings.items() >= fleet.wanted[name].items() for name, seen in fleet.seen().items())


def _watched_and_resumed(file: Path, on: str) -> None:
    """See all tenants on the page of a host that has none of their ledgers, and have all of them go on."""
    with watching(file, "--on", on, "--control") as watch:
        seen = watch.snapshot()
        assert {(each["total"], each["href"]) for name, each in seen.items() if name.startswith("t/")} == {(ROWS, None)}
        origin = {"Origin": f"http://127.0.0.1:{watch.port}", "Content-Type": "application/json"}
        answer = watch.ask(
            "POST", "/control", {**watch.key, **origin, "Host": origin["Origin"][7:]}, '{"verb": "resume"}'
        )
        assert (answer.status, json.loads(answer.body)) == (200, {"told": len(NAMES), "refused": []})


def test_another_host_goes_on_and_all_of_it_is_seen_and_steered_from_a_third(tmp_path: Path, postgres: Cluster) -> None:
    on = postgres.url(postgres.new_database())
    first, second, third = (tmp_path / name for name in "abc")
    with carrier(first, NAMES, ROWS) as fleet:
        fleet.write({"rate": 5, "note": "CHG7"})  # so that the run still goes on when a busy machine comes to steer it
        shutil.copytree(first, second)
        shutil.copytree(first, third)
        run = ("fleet", "run", "fleet.yaml", "--on", on, "--json")
        with started(*run, cwd=first) as one:
            _until(lambda: _calls(fleet) > 10)
            with started(*run, cwd=second) as other:
                _until(lambda: _calls(fleet) > 30)
                # On a machine that is busy, the first word may not be heard within the seconds that it is good for.
                pause = ("fleet", "ctl", "fleet.yaml", "--on", on, "pause", "a", "moment")
                _until(lambda: bulkroute(*pause, cwd=third).code == 0)
                told = bulkroute("fleet", "status", "fleet.yaml", "--on", on, "--json", cwd=third).summary["tenants"]
                assert {each["tenant"] for each in told} == set(NAMES)
                assert {(each["state"], each["total"]) for each in told} <= {("paused", ROWS), ("running", ROWS)}
                _watched_and_resumed(third / "fleet.yaml", on)
                one.kill()
                out, err = other.communicate(timeout=90)
        assert other.returncode == 0, err.decode()
        assert _all_right(fleet)
        assert _calls(fleet) <= len(NAMES) * (ROWS + IN_FLIGHT)
        assert {each["exit_code"] for each in json.loads(out)["tenants"]} == {0}
        told = bulkroute("fleet", "status", "fleet.yaml", "--on", on, "--json", cwd=third).summary["tenants"]
        assert {(each["state"], each["exit_code"], each["done"]) for each in told} == {("ended", 0, ROWS)}

        # What lies on the second host is a whole ledger, and is not written without the database.
        status = bulkroute("status", "acme.ledger.db", "--json", cwd=second).summary
        assert (status["succeeded"], status["note"]) == (ROWS, "CHG7")
        alone = bulkroute("fleet", "run", "fleet.yaml", "--json", cwd=second)
        assert {each["exit_code"] for each in alone.summary["tenants"]} == {5}
        assert "this ledger has a copy in PostgreSQL" in alone.err
        back = bulkroute("fleet", "rollback", "fleet.yaml", "--on", on, "--first", "1", cwd=third)
        assert back.code == 0, back.err
        assert not _all_right(fleet)
        freed = bulkroute("fleet", "detach", "fleet.yaml", "--on", on, cwd=second)
        assert freed.code == 0, freed.err
        again = bulkroute("fleet", "run", "fleet.yaml", cwd=second)
        assert again.code == 0, again.err
        assert _all_right(fleet)


def test_without_the_database_nothing_is_sent_and_the_same_command_goes_on(tmp_path: Path, postgres: Cluster) -> None:
    on = postgres.url(postgres.new_database())
    with carrier(tmp_path / "a", NAMES, ROWS) as fleet:
        fleet.write({"rate": 15, "max-throttle-wait": 3})
        run = ("fleet", "run", "fleet.yaml", "--on", on, "--json")
        with started(*run, cwd=fleet.folder) as process:
            _until(lambda: _calls(fleet) > 80)  # so long that it has looked who works on what
            postgres.kill()
            try:
                out, err = process.communicate(timeout=60)
                assert process.returncode == 4, err.decode()
                assert {each["stop"] for each in json.loads(out)["tenants"]} == {"copy"}
                sent = _calls(fleet)
                for more in ((), ("--processes", "2")):
                    refused = bulkroute(*run, *more, cwd=fleet.folder)
                    assert (refused.code, refused.summary["tenants"], _calls(fleet)) == (4, [], sent)
                    assert refused.err.startswith("bulkroute: postgresql://")
                    assert "PostgreSQL cannot be used" in refused.err
            finally:
                postgres.start()
        assert sent < len(NAMES) * ROWS
        done = bulkroute(*run, cwd=fleet.folder)
        assert done.code == 0, done.err
        assert _all_right(fleet)
        assert _calls(fleet) <= len(NAMES) * (ROWS + IN_FLIGHT)


def test_what_is_no_database_or_one_tenant_twice_is_said_before_anything(tmp_path: Path, postgres: Cluster) -> None:
    on = postgres.url(postgres.new_database())
    with carrier(tmp_path, NAMES[:2], 4) as fleet:
        url = fleet.urls["acme"]
        own = {"globex": {"base-url": url, "limit": "x"}, "acme": {"limit": "x"}}
        fleet.write({}, limits={"x": 5}, own=own)
        for given, said in (
            ("postgres", "is not the address of a PostgreSQL database"),
            (on.replace("://", "://me:hush@").replace("hush@bulkroute", "hush"), "holds a password"),
            (on, "acme and globex have one service and one app key, so they are one tenant in the database"),
        ):
            for more in ((), ("--processes", "2")):
                done = bulkroute("fleet", "run", "fleet.yaml", "--on", given, "--json", *more, cwd=tmp_path)
                assert done.code == 2
                assert said in done.err
                assert "Traceback" not in done.err
                assert said in done.summary["stopped"]
        assert [seen.called_at for seen in fleet.seen().values()] == [[], []]


def test_single_runs_share_a_rate_and_a_tenant_in_the_database(tmp_path: Path, postgres: Cluster) -> None:
    on = postgres.url(postgres.new_database())
    shared = ("--on", on, "--limit", "partner=20", "--rate", "unlimited", "--no-snapshot", "--json")
    with carrier(tmp_path, NAMES[:2], ROWS) as fleet:
        one, other = (
            ("run", f"{name}.csv", "--base-url", fleet.urls[name], "--tenant", name, *shared) for name in NAMES[:2]
        )
        with started(*one, cwd=tmp_path) as first, started(*other, cwd=tmp_path) as second:
            _until(lambda: _calls(fleet) > 10)
            busy = bulkroute(*one, "--ledger", "another.db", cwd=tmp_path)
            assert (busy.code, "another process works on it" in busy.err) == (75, True)
            assert [first.wait(60), second.wait(60)] == [0, 0]
        at = sorted(moment for seen in fleet.seen().values() for moment in seen.modified_at)
        assert len(at) == 2 * ROWS
        assert most_within(at, ALMOST_A_SECOND_S) <= 20
        alone = bulkroute("run", "acme.csv", "--base-url", fleet.urls["acme"], cwd=tmp_path)
        assert (alone.code, "this ledger has a copy in PostgreSQL" in alone.err) == (5, True)
        back = bulkroute("rollback", "acme.ledger.db", "--base-url", fleet.urls["acme"], "--on", on, cwd=tmp_path)
        assert back.code == 1, back.err  # it is let in; without a snapshot no earlier binding was recorded
        no_database = bulkroute("run", "acme.csv", "--base-url", fleet.urls["acme"], "--limit", "x=5", cwd=tmp_path)
        assert (no_database.code, "--limit is shared by way of PostgreSQL" in no_database.err) == (2, True)
