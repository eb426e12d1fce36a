"""One run for a ledger; everybody else may look."""

import json
import socket
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.flow.test_signals_stop_in_good_order import wait_for
from tests.harness import bulkroute, command, environment, ids, serving, started, targets, write_csv


@pytest.mark.slow
def test_of_twenty_at_once_one_works(tmp_path: Path) -> None:
    row_ids = ids(60)
    write_csv(tmp_path / "night.csv", targets(row_ids))
    with serving(row_ids, Faults(latency_ms=200)) as service:
        # 60 rows at 3 a second: whoever is first is still at work when the last of the others has started.
        words = ("run", "night.csv", "--base-url", service.url, "--no-snapshot", "--rate", "3", "--json")
        processes = [
            subprocess.Popen(
                command(*words),
                cwd=tmp_path,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for _ in range(20)
        ]
        ends = [process.communicate(timeout=300) for process in processes]
        assert Counter(process.returncode for process in processes) == {0: 1, 75: 19}
        (worker,) = [process.pid for process in processes if process.returncode == 0]
        for process, (out, err) in zip(processes, ends, strict=True):
            if process.returncode == 75:
                assert json.loads(out)["exit_code"] == 75
                assert f"pid {worker} on {socket.gethostname()}, since 2".encode() in err
        assert set(service.simulator.calls_per_id.values()) == {1}
        assert service.modified == 60


@pytest.mark.slow
def test_others_read_while_a_run_writes(tmp_path: Path) -> None:
    row_ids = ids(5000)
    write_csv(tmp_path / "night.csv", targets(row_ids))
    with (
        serving(row_ids) as service,
        started(
            "run", "night.csv", "--base-url", service.url, "--no-snapshot", "--rate", "100", cwd=tmp_path
        ) as process,
    ):
        wait_for(lambda: service.modified > 50)
        for _ in range(3):
            standing = json.loads(bulkroute("status", "night.ledger.db", "--json", cwd=tmp_path).out)
            assert standing["exit_code"] is None
            assert 0 < standing["succeeded"] < 5000
            export = bulkroute("export", "night.ledger.db", cwd=tmp_path)
            assert export.code == 0
            assert len(export.out.splitlines()) == 5001
        assert process.poll() is None
        busy = bulkroute("run", "night.csv", "--base-url", service.url, "--no-snapshot", cwd=tmp_path)
        assert busy.code == 75
        assert f"pid {process.pid} on {socket.gethostname()}" in busy.err
        assert "`bulkroute ctl night.ledger.db status` shows how far that one is" in busy.err
        process.kill()
        process.wait()
        # The kernel let the lock go with the process: nothing is to be cleaned up.
        again = bulkroute(
            "run", "night.csv", "--base-url", service.url, "--no-snapshot", "--rate", "unlimited", cwd=tmp_path
        )
        assert again.code == 0, again.err
    with sqlite3.connect(tmp_path / "night.ledger.db") as ledger:
        assert ledger.execute("SELECT count(*) FROM row WHERE status = 'succeeded'").fetchone() == (5000,)
    ledger.close()
