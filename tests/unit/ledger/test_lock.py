"""Who holds a ledger, and whether that process is still there: pids are given again, and the dead linger."""

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bulkroute.errors import LedgerBusy, LedgerError
from bulkroute.ledger import lock
from bulkroute.ledger.lock import Process
from bulkroute.ledger.paths import lock_file
from bulkroute.ledger.runs import RunRecord, RunState

HOLDING = """
import sys
from pathlib import Path
from bulkroute.ledger import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

RUN = RunRecord(1, 1, "run", 1.0, None, None, 4711, "h", "0", "s", None, None, None, None, None, None, None, 99)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "x.ledger.db"


def test_the_lock_names_its_holder_and_leaves_nothing(ledger: Path) -> None:
    with lock.hold(ledger):
        with pytest.raises(LedgerBusy, match=rf"pid {os.getpid()} on .*, since \d{{4}}-"), lock.hold(ledger):
            pytest.fail("two held it")
        assert stat.S_IMODE(lock_file(ledger).stat().st_mode) == 0o600
        found = lock.holder(ledger)
        assert found is not None
        assert found.process == Process.own()
    assert lock.holder(ledger) is None
    assert list(ledger.parent.iterdir()) == []
    with lock.hold(ledger):
        pass


def test_a_killed_holder_holds_nothing_though_its_file_stays(ledger: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, ledger], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        found = lock.holder(ledger)
        assert found is not None
        assert (found.process.pid, found.process.is_here) == (process.pid, True)
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet forgotten
        assert not found.process.is_alive()
        assert lock.holder(ledger) is None
    assert lock_file(ledger).exists()
    assert not found.process.is_alive()
    with lock.hold(ledger):
        assert lock.holder(ledger) != found


def test_a_pid_that_was_given_again_is_another_process(ledger: Path) -> None:
    me = Process.own()
    assert me.started_ticks is not None
    assert me.is_alive()
    earlier = me._replace(started_ticks=me.started_ticks - 1)
    assert not earlier.is_alive()
    assert not earlier.may_be(me)
    lock_file(ledger).write_text(
        json.dumps({"pid": me.pid, "host": me.host, "started": "then", "pid_started": earlier.started_ticks})
    )
    assert lock.holder(ledger) is None
    unknown = me._replace(started_ticks=None)
    assert unknown.is_alive()
    assert unknown.may_be(me)


def test_what_the_kernel_does_not_tell_is_asked_with_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_stat", lambda _pid: None)
    assert Process(os.getpid(), "h", 1).is_alive()
    assert not Process(2**22 + 1, "h", 1).is_alive()
    assert not Process(2**70, "h", 1).is_alive()


@pytest.mark.parametrize("noted", ["", "[]", "{", '{"pid": "x", "host": "h", "started": ""}', '{"pid": 1}'])
def test_who_has_not_yet_said_who_it_is_holds_it_all_the_same(ledger: Path, noted: str) -> None:
    lock_file(ledger).write_text(noted)
    assert lock.holder(ledger) == lock.JUST_STARTED
    assert str(lock.JUST_STARTED) == "it has just started"
    assert RUN.state(lock.JUST_STARTED) is RunState.KILLED


def test_a_holder_on_another_host_is_believed(ledger: Path) -> None:
    lock_file(ledger).write_text(json.dumps({"pid": 4711, "host": "elsewhere", "started": "2026-03-29T02:00:00.000Z"}))
    found = lock.holder(ledger)
    assert str(found) == "pid 4711 on elsewhere, since 2026-03-29T02:00:00.000Z"
    assert RUN._replace(host="elsewhere").state(found) is RunState.ELSEWHERE


def test_what_a_run_is_doing_goes_by_who_holds_the_ledger(ledger: Path) -> None:
    me = Process.own()
    mine = RUN._replace(pid=me.pid, host=me.host, pid_started=me.started_ticks)
    assert mine.state(lock.holder(ledger)) is RunState.KILLED
    with lock.hold(ledger):
        found = lock.holder(ledger)
        assert mine.state(found) is RunState.RUNNING
        assert mine._replace(pid_started=None).state(found) is RunState.RUNNING  # of an earlier format
        assert mine._replace(pid_started=1).state(found) is RunState.KILLED
        assert mine._replace(pid=1).state(found) is RunState.KILLED
        assert mine._replace(host=socket.gethostname() + "x").state(found) is RunState.KILLED
        assert mine._replace(exit_code=0).state(found) is RunState.ENDED


def test_what_a_lock_file_says_is_plain_text(ledger: Path) -> None:
    said = {"pid": 1, "host": "\x1b]0;pwn\x07" + "h" * 300, "started": "\x1b[2J2026"}
    lock_file(ledger).write_text(json.dumps(said))
    with lock_file(ledger).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LedgerBusy) as busy, lock.hold(ledger):
            pytest.fail("two held it")
    for told in (str(busy.value), str(lock.holder(ledger))):
        assert told.isprintable()
        assert "pid 1 on \N{REPLACEMENT CHARACTER}]0;pwn" in told
        assert len(told) < 700


@pytest.mark.parametrize("noted", [b"[" * 4000, b'{"pid": 1e999, "host": 1, "started": 2}', b"\xff", b"[]", b"{}"])
def test_a_lock_file_may_say_anything(ledger: Path, noted: bytes) -> None:
    lock_file(ledger).write_bytes(noted)
    assert str(lock.holder(ledger)) == "it has just started"
    with lock.hold(ledger):
        found = lock.holder(ledger)
        assert found is not None
        assert found.process == Process.own()


def test_a_fifo_in_place_of_the_lock_holds_nobody_up(ledger: Path) -> None:
    os.mkfifo(lock_file(ledger))
    assert lock.holder(ledger) is None
    with pytest.raises(LedgerError, match="is no regular file"), lock.hold(ledger):
        pytest.fail("it was held")


def test_a_hard_link_in_place_of_the_lock_is_not_written_to(ledger: Path) -> None:
    other = ledger.with_name("precious.txt")
    other.write_text("kept")
    lock_file(ledger).hardlink_to(other)
    with pytest.raises(LedgerError, match="a hard link"), lock.hold(ledger):
        pytest.fail("it was held")
    assert other.read_text() == "kept"
