"""One run for a ledger; everybody else may look."""

import json
import re
import signal
import socket
import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.flow.test_signals_stop_in_good_order import wait_for
from tests.harness import bulkroute, ids, serving, started, targets, write_csv

pytestmark = pytest.mark.usefixtures("uncounted_commands")


@pytest.mark.slow
def test_of_twenty_at_once_one_works(tmp_path: Path) -> None:
    row_ids = ids(60)
    write_csv(tmp_path / "night.csv", targets(row_ids))
    with serving(row_ids) as service, ExitStack() as exits:
        # A row a minute: whoever is first works until it is stopped, however long the others take to start.
        words = ("run", "night.csv", "--base-url", service.url, "--no-snapshot", "--rate", "1/m", "--json")
        processes = [exits.enter_context(started(*words, cwd=tmp_path)) for _ in range(20)]
        wait_for(lambda: sum(process.poll() is None for process in processes) == 1)
        (worker,) = [process for process in processes if process.poll() is None]
        wait_for(lambda: service.modified == 1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 4
        for process in processes:
            if process is not worker:
                out, err = process.communicate()
                assert process.returncode == json.loads(out)["exit_code"] == 75
                # The first one has the lock a moment before it can write there who it is.
                assert re.search(
                    rf"\((pid {worker.pid} on {socket.gethostname()}, since 2\S+|it has just started)\)", err.decode()
                )
        assert service.modified == 1


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


@pytest.mark.slow
def test_a_run_may_wait_for_the_one_before_it(tmp_path: Path) -> None:
    row_ids = ids(20)
    write_csv(tmp_path / "night.csv", targets(row_ids))
    with serving(row_ids) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--no-snapshot", "--rate", "5")
        with started(*run, cwd=tmp_path) as first:
            wait_for(lambda: service.modified > 0)
            assert bulkroute("ctl", "night.ledger.db", "pause", cwd=tmp_path).code == 0
            gave_up = bulkroute(*run, "--wait-for-lock", "1s", cwd=tmp_path)
            assert gave_up.code == 75
            assert "waiting up to 1 s for it to end" in gave_up.err
            with started(*run, "--wait-for-lock", "1h", cwd=tmp_path) as second:
                assert second.stderr is not None
                waits = second.stderr.readline().decode()
                assert f"another run holds this ledger (pid {first.pid} " in waits
                assert bulkroute("ctl", "night.ledger.db", "resume", cwd=tmp_path).code == 0
                assert first.wait(60) == second.wait(60) == 0
                assert "0 of 20 rows to do" in second.stderr.read().decode()
        assert service.modified == 20


@pytest.mark.slow
def test_waiting_ends_at_a_signal(tmp_path: Path) -> None:
    row_ids = ids(200)
    write_csv(tmp_path / "night.csv", targets(row_ids))
    with serving(row_ids) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--no-snapshot", "--rate", "5")
        with started(*run, cwd=tmp_path):
            wait_for(lambda: service.modified > 0)
            with started(*run, "--wait-for-lock", "1h", cwd=tmp_path) as waiting:
                assert waiting.stderr is not None
                assert b"waiting up to 3600 s" in waiting.stderr.readline()
                waiting.send_signal(signal.SIGTERM)
                assert waiting.wait(30) == 4
                assert b"interrupted by SIGTERM; nothing was sent" in waiting.stderr.read()
