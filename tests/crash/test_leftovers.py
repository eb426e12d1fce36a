"""What SIGKILL leaves in the temporary folder is removed by the next command, and nothing that is in use."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.harness import ROOT, Service, bulkroute, environment, ids, serving, started, targets, write_csv

PACE = ("--rate", "unlimited", "--concurrency", "1")
SLOW = Faults(latency_ms=400)

MANY = """
import sqlite3, sys
from bulkroute.ledger import temp_db
from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute, attached
connection = sqlite3.connect(":memory:", isolation_level=None)
for _ in range(int(sys.argv[1])):
    temp_db._remove_leftovers.cache_clear()
    with LiveBindings() as live:
        live.take([LiveRoute("1", 1, 101, "", "", None, "", "")], 1)
        with attached(connection, seen=live.path):
            assert connection.execute("SELECT count(*) FROM seen.binding").fetchone() == (1,)
"""


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def await_reading(service: Service, process: subprocess.Popen[bytes]) -> None:
    """Wait until live bindings are being read, into a temporary file."""
    deadline_s = time.monotonic() + 60
    while not service.simulator.calls_per_endpoint["queryCalledRoute"]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.mark.slow
def test_what_a_killed_run_leaves_is_removed_by_the_next_one(tmp_path: Path, temporary: Path) -> None:
    wanted = targets(ids(300))
    write_csv(tmp_path / "night.csv", wanted)
    env = {"TMPDIR": str(temporary)}
    with serving(wanted, SLOW) as service:
        words = ("run", "night.csv", "--base-url", service.url, *PACE)
        with started(*words, cwd=tmp_path, env=env) as process:
            await_reading(service, process)
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        assert {path.name for path in temporary.rglob("*.db")} == {"staging.db", "live.db"}
        (temporary / "bulkroute-scratch-mine").write_text("no folder")
        (temporary / "bulkroute-other").mkdir()
        service.simulator.set_faults(Faults())
        assert bulkroute(*words, cwd=tmp_path, env=env).code == 0
    assert sorted(path.name for path in temporary.iterdir()) == ["bulkroute-other", "bulkroute-scratch-mine"]


@pytest.mark.slow
def test_what_is_in_use_is_left_alone(tmp_path: Path, temporary: Path) -> None:
    wanted = targets(ids(300))
    write_csv(tmp_path / "night.csv", wanted)
    env = {"TMPDIR": str(temporary)}
    with serving(wanted, SLOW) as service:
        words = ("night.csv", "--base-url", service.url, *PACE)
        with started("plan", *words, cwd=tmp_path, env=env) as process:
            await_reading(service, process)
            assert bulkroute("run", *words, "--simulate", cwd=tmp_path, env=env).code == 0
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert b"300 to change" in out
    assert not list(temporary.iterdir())


def test_many_at_once_never_take_each_other_for_leftovers(temporary: Path) -> None:
    command = [sys.executable, "-c", MANY, "150"]
    env = environment({"TMPDIR": str(temporary)})
    many = [subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in many:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert not list(temporary.iterdir())
