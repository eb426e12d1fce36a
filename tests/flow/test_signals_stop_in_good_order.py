"""Signals: the first stops in good order, the second at once; in every phase."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD
from typing import Any, BinaryIO

import pytest

from bulkroute.simulator import Faults
from tests.harness import Service, exported, ids, serving, started, targets, write_csv

pytestmark = pytest.mark.slow

RUN = ("--rate", "50", "--no-snapshot", "--json")


def wait_for(happened: Callable[[], Any]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until, "it did not happen within a minute"
        time.sleep(0.01)


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def number(request: pytest.FixtureRequest) -> signal.Signals:
    chosen: signal.Signals = request.param
    return chosen


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def unread(pipe: BinaryIO) -> int:
    """Return how many bytes of a pipe nobody has read yet."""
    return int.from_bytes(ioctl(pipe, FIONREAD, bytes(4)), sys.byteorder)


def is_asleep(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether a process waits for something to happen (proc(5), stat)."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def begin(service: Service, folder: Path, *more: str) -> Any:
    write_csv(folder / "night.csv", targets(ids(500)))
    return started("run", "night.csv", "--base-url", service.url, *RUN, *more, cwd=folder)


def test_the_first_signal_ends_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    with serving(ids(500), Faults(latency_ms=300)) as service, begin(service, tmp_path) as process:
        wait_for(lambda: service.modified > 30)
        process.send_signal(number)
        code, out, err = ended(process)
        assert code == 4, err
        assert f"interrupted by {number.name}" in out
        assert "Traceback" not in err
        rows = exported(tmp_path / "night.ledger.db")
        states = [row["status"] for row in rows.values()]
        assert "sent" not in states
        # Every call that reached the service was awaited and is on record.
        assert states.count("succeeded") == service.modified > 30
        assert "bulkroute run night.csv" in err


def test_the_second_signal_ends_at_once_and_marks_what_is_in_doubt(tmp_path: Path, number: signal.Signals) -> None:
    with serving(ids(500), Faults(hang_before=1)) as service, begin(service, tmp_path, "--timeout", "600") as process:
        wait_for(lambda: service.modified >= 16)
        process.send_signal(number)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(number)
        code, _out, err = ended(process)
        assert code == 4, err
        assert "Traceback" not in err
        rows = exported(tmp_path / "night.ledger.db")
        assert sum(row["status"] == "sent" for row in rows.values()) == service.modified


def test_a_signal_while_all_wait_for_a_throttling_service(tmp_path: Path, number: signal.Signals) -> None:
    faults = Faults(throttle_forever=True, retry_after="300")
    with serving(ids(500), faults) as service, begin(service, tmp_path) as process:
        wait_for(lambda: service.modified)
        process.send_signal(number)
        code, _out, err = ended(process)
        assert code == 4, err
        assert {row["status"] for row in exported(tmp_path / "night.ledger.db").values()} == {"pending"}


def test_a_signal_while_the_token_is_fetched(tmp_path: Path, number: signal.Signals) -> None:
    with serving(ids(500), Faults(token_latency_s=600)) as service, begin(service, tmp_path) as process:
        wait_for(lambda: (tmp_path / "night.ledger.db.ctl").exists())
        time.sleep(0.3)
        process.send_signal(number)
        code, _out, err = ended(process)
        assert code == 4, err
        assert service.modified == 0


def test_a_signal_while_the_manifest_is_read(tmp_path: Path, number: signal.Signals) -> None:
    rows = write_csv(tmp_path / "rows.csv", targets(ids(2))).read_bytes()
    os.mkfifo(tmp_path / "night.csv")
    with (
        serving(ids(2)) as service,
        started("run", "night.csv", "--base-url", service.url, *RUN, cwd=tmp_path) as process,
        (tmp_path / "night.csv").open("wb", buffering=0) as slow,
    ):
        slow.write(rows)  # there might be more
        wait_for(lambda: not unread(slow) and is_asleep(process))
        process.send_signal(number)
        code, _out, err = ended(process)
        assert code == 4, err
        assert "night.csv: is a named pipe; waiting for whoever writes into it" in err
        assert "nothing was sent" in err
        assert "Traceback" not in err
        assert service.modified == 0
        assert not (tmp_path / "night.ledger.db").exists()
