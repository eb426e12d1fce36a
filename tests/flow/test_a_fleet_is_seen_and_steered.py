"""A fleet that is run in one process is seen and steered from another one."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bulkroute.cli import main
from bulkroute.simulator import Faults
from tests.carrier import carrier
from tests.flow.test_signals_stop_in_good_order import wait_for
from tests.harness import bulkroute, started

NAMES = ["t0", "t1", "t2", "t3", "t4"]
BEGUN = NAMES[:3]


def standing(folder: Path) -> dict[str, Any]:
    """Return what `fleet status --json` says, by tenant, those first that need somebody."""
    found = bulkroute("fleet", "status", "fleet.yaml", "--json", cwd=folder)
    return {each["tenant"]: each for each in json.loads(found.out)["tenants"]}


def ctl(folder: Path, *words: str) -> tuple[int, list[str], list[str]]:
    done = bulkroute("fleet", "ctl", "fleet.yaml", *words, cwd=folder)
    return done.code, done.out.splitlines(), done.err.splitlines()


def metrics_of(file: Path) -> dict[tuple[str, str, str], float]:
    """Return metrics by their name, tenant and state."""
    families = text_string_to_metric_families(file.read_text())
    samples = [each for family in families for each in family.samples]
    return {(each.name, each.labels.get("tenant", ""), each.labels.get("state", "")): each.value for each in samples}


def ended(fleet: "subprocess.Popen[bytes]") -> int:
    fleet.communicate(timeout=60)
    return fleet.returncode


@pytest.mark.slow
def test_status_and_ctl_reach_each_tenant(tmp_path: Path) -> None:
    faults = {"t1": Faults(business_ids=0.3)}
    with carrier(tmp_path, NAMES, 400, faults) as services:
        services.write({"rate": 10, "snapshot": False})
        assert ctl(tmp_path, "pause")[0] == 69
        with started("fleet", "run", "fleet.yaml", "--at-once", "3", "--metrics-file", "f.prom", cwd=tmp_path) as fleet:
            wait_for(lambda: all(services.seen()[name].modified_at for name in BEGUN))
            wait_for(lambda: standing(tmp_path)["t1"]["failed"] > 0)
            seen = standing(tmp_path)
            assert list(seen) == ["t1", "t0", "t2", "t3", "t4"], "one with failed rows comes first"
            assert [seen[name]["state"] for name in NAMES] == ["running"] * 3 + ["to come"] * 2
            assert {seen[name]["asked_per_s"] for name in BEGUN} == {10.0}
            assert seen["t1"]["last_failure"].endswith(": business")
            assert seen["t1"]["total"] == seen["t1"]["done"] + seen["t1"]["failed"] + seen["t1"]["left"] == 400

            code, out, err = ctl(tmp_path, "rate", "5")
            assert code == 0
            assert [line.partition(": run 1: running; ")[0] for line in out] == BEGUN
            assert all("/s of 5/s; " in line for line in out)
            assert err == [f"{name}: no run is working on this ledger: there is no such file" for name in NAMES[3:]]
            assert ctl(tmp_path, "pause", "lunch", "break", "--tenant", "t2")[1][0].startswith("t2: run 1: paused: ")
            paused = standing(tmp_path)
            assert next(iter(paused)) == "t2", "what waits comes first"
            assert (paused["t2"]["state"], paused["t2"]["reason"]) == ("paused", "lunch break")
            assert paused["t0"]["state"] == "running"
            code, out, err = ctl(tmp_path, "rate", "none", "--tenant", "t0", "--tenant", "t2")
            assert (code, out, len(err)) == (2, [], 2)

            assert ctl(tmp_path, "stop")[0] == 0
            assert ended(fleet) == 4
        assert [bool(seen.called_at) for seen in services.seen().values()] == [True] * 3 + [False] * 2
        metrics = metrics_of(tmp_path / "f.prom")
        assert {metrics["bulkroute_last_run_exit_code", name, ""] for name in NAMES} == {4.0}
        assert {metrics["bulkroute_fleet_tenants", "", state] for state in ("running", "failed", "done")} == {0.0}
        assert metrics["bulkroute_fleet_tenants", "", "stopped"] == len(NAMES)
        for name, found in services.seen().items():
            assert metrics["bulkroute_calls_total", name, ""] == len(found.modified_at)
        after = bulkroute("fleet", "status", "fleet.yaml", cwd=tmp_path)
        assert after.code == 0
        assert "5 tenants: 3 stopped, 2 to come" in after.out
        assert after.out.count("stopped (4)") == after.out.count("stopped by the operator (fleet ctl stop)") == 3
        assert ctl(tmp_path, "resume")[0] == 69


@pytest.mark.slow
def test_a_stop_reaches_a_tenant_that_gets_ready_in_another_process(tmp_path: Path) -> None:
    with carrier(tmp_path, ["t0", "t1"], 300, {"t1": Faults(latency_ms=4000)}) as services:
        services.write({"rate": 10, "snapshot": False}, own={"t1": {"snapshot": True}})
        each_takes_one = ("--processes", "2", "--at-once", "2")
        with started("fleet", "run", "fleet.yaml", *each_takes_one, cwd=tmp_path) as fleet:
            wait_for(lambda: bool(services.seen()["t0"].modified_at))
            assert standing(tmp_path)["t1"]["state"] == "preparing"
            code, out, err = ctl(tmp_path, "stop")
            assert (code, len(out)) == (0, 1)
            assert err[0].startswith("t1: the run on this ledger (pid ")
            assert ended(fleet) == 4
        assert services.seen()["t1"].modified_at == []
        assert bulkroute("status", "t0.ledger.db", "--json", cwd=tmp_path).summary["stop"] == "ctl"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("halt",), "the verbs are status, "),
        (("rate",), "write `rate R`"),
        (("stop", "now"), "stop takes no value"),
        (("pause", "--tenant", "acne"), "the fleet has no tenant acne; did you mean acme?"),
    ],
)
def test_what_fleet_ctl_does_not_understand(
    tmp_path: Path, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("tenants: {acme: {manifest: acme.csv}}")
    assert _ends(["fleet", "ctl", str(file), *words]) == 2
    assert says in capsys.readouterr().err


def test_the_label_of_single_runs_is_no_tenant_of_the_fleet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BULKROUTE_TENANT", "shop-eu")
    (tmp_path / "bulkroute.toml").write_text('tenant = "shop-us"')
    (tmp_path / "fleet.yaml").write_text("tenants: {acme: {manifest: acme.csv}}")
    assert _ends(["fleet", "ctl", "fleet.yaml", "pause"]) == 69
    assert "acme: no run is working on this ledger" in capsys.readouterr().err


def test_a_ledger_that_cannot_be_read_is_named_and_the_others_follow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("tenants: {a: {manifest: a.csv}, b: {ledger: kept.db}, c: {rate: 5}}")
    assert _ends(["fleet", "status", str(file)]) == 65
    assert "fleet.yaml:1: c has no manifest and no ledger" in capsys.readouterr().err
    file.write_text("tenants: {a: {manifest: a.csv}, b: {ledger: kept.db}}")
    (tmp_path / "kept.db").write_text("no ledger")
    assert _ends(["fleet", "status", str(file)]) == 5
    told = capsys.readouterr().out
    assert "2 tenants: 1 unreadable, 1 to come" in told
    assert "kept.db: this is not a ledger" in told


def _ends(words: list[str]) -> object:
    """Return the exit code of a command in this process."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code
