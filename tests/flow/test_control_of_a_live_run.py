"""Live control of a run in another process, by `ctl` and by the socket itself."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bulkroute.errors import NotRunning
from bulkroute.ledger import lock
from bulkroute.ledger.paths import lock_file
from bulkroute.run.control import ask, socket_path
from bulkroute.simulator import Faults
from tests.flow.engine import most_within
from tests.flow.test_never_above_the_rate import ALMOST_A_SECOND_S
from tests.flow.test_signals_stop_in_good_order import wait_for
from tests.harness import Service, bulkroute, ids, serving, started, targets, write_csv

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("uncounted_commands")]


@contextmanager
def running(folder: Path, *more: str, rows: int = 5000, faults: Faults | None = None) -> Iterator[tuple[Any, Service]]:
    """Run `rows` rows at 60 calls a second, and give the process once calls are under way."""
    row_ids = ids(rows)
    write_csv(folder / "night.csv", targets(row_ids))
    with (
        serving(row_ids, faults or Faults(latency_ms=20)) as service,
        started(
            "run", "night.csv", "--base-url", service.url, "--no-snapshot", "--rate", "60", *more, cwd=folder
        ) as process,
    ):
        wait_for(lambda: service.modified > 10)
        yield process, service


def ctl(folder: Path, *words: str) -> dict[str, Any]:
    result = bulkroute("ctl", "night.ledger.db", *words, "--json", cwd=folder)
    assert result.code == 0, result.err
    answer: dict[str, Any] = json.loads(result.out)
    return answer


def stamps(service: Service) -> list[float]:
    return [call.at for call in service.simulator.calls if call.endpoint == "modifyCalledRoute"]


def test_pause_resume_rate_concurrency_stop(tmp_path: Path) -> None:
    with running(tmp_path) as (process, service):
        path = tmp_path / "night.ledger.db.ctl"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ctl(tmp_path, "status")["state"] == "running"

        paused = ctl(tmp_path, "pause", "calls", "are", "dropped")
        assert paused["state"] == "paused"
        assert paused["pauses"][0]["reason"] == "calls are dropped"
        wait_for(lambda: asyncio.run(ask(tmp_path / "night.ledger.db", "status"))["in_flight"] == 0)
        seen = service.modified
        time.sleep(1.0)
        assert service.modified == seen
        told = bulkroute("ctl", "night.ledger.db", "status", cwd=tmp_path)
        assert "paused: calls are dropped" in told.out

        assert ctl(tmp_path, "resume")["state"] == "running"
        wait_for(lambda: service.modified > seen + 60)
        lowered = ctl(tmp_path, "rate", "20")
        assert lowered["asked_per_s"] == lowered["rate_per_s"] == 20
        settled_at = time.monotonic() + 1.0
        wait_for(lambda: time.monotonic() > settled_at + 4)
        late = [at for at in stamps(service) if at >= settled_at]
        assert len(late) > 20
        assert most_within(late, ALMOST_A_SECOND_S) <= 20

        assert ctl(tmp_path, "concurrency", "3")["concurrency"] == 3
        assert ctl(tmp_path, "rate", "unlimited")["rate_per_s"] is None
        assert ctl(tmp_path, "stop")["state"] == "stopping"
        _out, err = process.communicate(timeout=60)
        assert process.returncode == 4
        assert b"ctl stop" in err
        assert b"paused" in err
        assert not path.exists()


def test_waits_are_on_record(tmp_path: Path) -> None:
    import sqlite3

    with running(tmp_path) as (process, _service):
        ctl(tmp_path, "pause", "lunch")
        time.sleep(0.3)
        with sqlite3.connect(tmp_path / "night.ledger.db") as ledger:
            assert ledger.execute("SELECT reason, ended_at FROM wait").fetchall() == [("lunch", None)]
        ledger.close()
        ctl(tmp_path, "resume")
        ctl(tmp_path, "stop")
        process.communicate(timeout=60)
    ledger = sqlite3.connect(tmp_path / "night.ledger.db")
    ((run, started_at, ended_at),) = ledger.execute("SELECT run, started_at, ended_at FROM wait").fetchall()
    ledger.close()
    assert run == 1
    assert ended_at > started_at + 0.25


def test_the_time_to_go_follows_the_rate_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as (process, _service):
        for rate in (2, 20):
            told = ctl(tmp_path, "rate", str(rate))
            assert told["eta_s"] == pytest.approx(told["left"] / rate, rel=0.02)
        text = bulkroute("ctl", "night.ledger.db", "status", cwd=tmp_path).out
        assert re.search(r"so far, [34] min \d+ s to go", text), text
        ctl(tmp_path, "stop")
        process.communicate(timeout=60)


def test_a_run_that_is_stopped_while_it_is_paused_does_not_claim_to_go_on(tmp_path: Path) -> None:
    with running(tmp_path, "--max-duration", "1h") as (process, _service):
        ctl(tmp_path, "pause", "lunch")
        stopped = ctl(tmp_path, "stop")
        assert (stopped["state"], stopped["eta_s"]) == ("stopping", None)
        assert stopped["ends_at"].endswith("Z")
        assert datetime.fromisoformat(stopped["ends_at"]) > datetime.now(UTC) + timedelta(minutes=50)
        _out, err = process.communicate(timeout=60)
    text = err.decode()
    assert "paused: lunch" in text
    assert re.search(r"paused for [\d.]+ s, until the run ended", text)
    assert "going on" not in text


@pytest.mark.parametrize("words", [("rate", "0"), ("rate", "fast"), ("concurrency", "0"), ("concurrency", "-1")])
def test_nonsense_changes_nothing(tmp_path: Path, words: tuple[str, str]) -> None:
    with running(tmp_path) as (_process, _service):
        refused = bulkroute("ctl", "night.ledger.db", words[0], "--", words[1], cwd=tmp_path)
        assert refused.code == 2
        assert refused.err.startswith("bulkroute: ")
        standing = ctl(tmp_path, "status")
        assert (standing["asked_per_s"], standing["concurrency"]) == (60, 16)


def test_lines_that_are_no_questions_do_no_harm(tmp_path: Path) -> None:
    with running(tmp_path) as (process, service):
        for line in (
            b"\n",
            b"[]\n",
            b"null\n",
            b"\xff\xfe\n",
            b'{"verb": {}}\n',
            b"[" * 50_000 + b"\n",
            b"x" * 200_000,
        ):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(os.fspath(socket_path(tmp_path / "night.ledger.db")))
                client.sendall(line)
                client.shutdown(socket.SHUT_WR)
                client.settimeout(20)
                answer = client.recv(65536)
                assert not answer or json.loads(answer)["ok"] is False
        seen = service.modified
        wait_for(lambda: service.modified > seen)
        process.send_signal(signal.SIGTERM)
        assert b"Traceback" not in process.communicate(timeout=60)[1]


def test_without_a_run(tmp_path: Path) -> None:
    missing = bulkroute("ctl", "night.ledger.db", "status", cwd=tmp_path)
    assert missing.code == 69
    assert "no run is working on this ledger: there is no such file; check the name" in missing.err
    with pytest.raises(NotRunning):
        asyncio.run(ask(tmp_path / "night.ledger.db", "status"))
    (tmp_path / "a night.ledger.db").touch()
    ended = bulkroute("ctl", "a night.ledger.db", "status", cwd=tmp_path)
    assert ended.code == 69
    assert "no such file" not in ended.err
    assert "no run is working on this ledger now; `bulkroute status 'a night.ledger.db'` shows how" in ended.err


def test_a_run_that_is_not_at_its_socket_yet(tmp_path: Path) -> None:
    ledger = tmp_path / "night.ledger.db"
    with lock.hold(ledger):
        result = bulkroute("ctl", ledger.name, "status", cwd=tmp_path)
        assert result.code == 69
        assert f"(pid {os.getpid()} on {socket.gethostname()}" in result.err
        assert "cannot be talked to now" in result.err
        noted = lock_file(ledger).read_bytes()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lock_file(ledger).write_bytes(noted.replace(str(os.getpid()).encode(), str(gone.pid).encode()))
    assert "no run is working" in bulkroute("ctl", ledger.name, "status", cwd=tmp_path).err


def test_a_leftover_of_a_killed_run_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path) as (process, _service):
        process.kill()
        process.wait()
    path = tmp_path / "night.ledger.db.ctl"
    assert path.exists()
    assert bulkroute("ctl", "night.ledger.db", "status", cwd=tmp_path).code == 69
    with running(tmp_path, "--service-moved") as (_process, _service):
        assert ctl(tmp_path, "status")["state"] == "running"


def test_a_ledger_deep_down_has_its_socket_in_a_folder_of_our_own(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    runtime = Path(tempfile.mkdtemp(prefix="run"))  # tmp_path may be too long for a socket
    link = tmp_path / "link"
    link.symlink_to(deep)
    here = dict(os.environ)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        with running(deep) as (process, _service):
            (path,) = (runtime / "bulkroute").iterdir()
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert bulkroute("ctl", "night.ledger.db", "stop", cwd=link).code == 0
            process.communicate(timeout=60)
            assert process.returncode == 4
            assert not path.exists()
    finally:
        os.environ.clear()
        os.environ.update(here)
        shutil.rmtree(runtime)


def test_a_link_in_the_place_of_the_socket_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "night.ledger.db.ctl").symlink_to(victim)
    with running(tmp_path) as (_process, _service):
        assert ctl(tmp_path, "status")["ok"]
    assert victim.read_text() == "precious"


def test_a_file_in_the_place_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "night.ledger.db.ctl"
    precious.write_text("precious")
    with running(tmp_path) as (process, _service):
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=60)
    assert b"ctl` will not reach this run" in err
    assert precious.read_text() == "precious"
