"""A ledger that is damaged, cut, foreign, newer, gone or on a full disk: exit 5 with what to do, and never modified."""

import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.crash.launcher import Launcher
from tests.harness import Target, for_anybody, ids, serving, targets, write_csv

ROWS = 300
FLAGS = ("--no-snapshot", "--rate", "unlimited", "--quiet")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Path:
    """A folder with a manifest and a ledger of which all rows are done."""
    folder = tmp_path_factory.mktemp("finished")
    wanted = targets(ids(ROWS))
    write_csv(folder / "night.csv", wanted)
    with serving(wanted) as service:
        assert launcher.run("run", "night.csv", "--base-url", service.url, *FLAGS, cwd=folder).result.code == 0
    assert not (folder / "night.ledger.db-wal").exists(), "a run that ended leaves one file"
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it that may be spoilt."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def overwrite(at: float, data: bytes) -> Callable[[Path], None]:
    """Return what writes `data` at a share of the file's length."""

    def spoil(ledger: Path) -> None:
        content = bytearray(ledger.read_bytes())
        start = int(len(content) * at)
        content[start : start + len(data)] = data
        ledger.write_bytes(content)

    return spoil


def another_program(ledger: Path) -> None:
    ledger.unlink()
    with closing(sqlite3.connect(ledger)) as connection:
        connection.executescript("CREATE TABLE song (title TEXT); INSERT INTO song VALUES ('Yesterday');")


def newer(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA user_version = 99")


def no_status(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("UPDATE row SET status = 'xucceeded' WHERE row = 3")
        connection.commit()


def cut(share: float) -> Callable[[Path], None]:
    def spoil(ledger: Path) -> None:
        os.truncate(ledger, int(ledger.stat().st_size * share))

    return spoil


def schema_scratched(ledger: Path) -> None:
    content = ledger.read_bytes()
    assert content.count(b"CREATE TABLE wait") == 1
    ledger.write_bytes(content.replace(b"CREATE TABLE wait", b"CREATE \xff\xfe\xfd\xfc\xfb wait"))


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda ledger: ledger.write_text("id,devicetype\n"), "not a ledger"),
    "picture": (lambda ledger: ledger.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000)), "not a ledger"),
    "another program": (another_program, "not a ledger"),
    "newer": (newer, "newer"),
    "cut in the header": (cut(0.001), ""),
    "cut in the middle": (cut(0.5), "malformed"),
    "cut near the end": (cut(0.97), "damaged"),
    "a status gone bad": (no_status, "no known status"),
    "header scratched": (overwrite(0, b"SQLite format 3\0" + b"\xff" * 84), ""),
    "schema scratched": (schema_scratched, "not what they were"),
    "pages scratched": (overwrite(0.4, b"\xa5" * 9000), "damaged"),
    "zeros": (overwrite(0.3, bytes(30_000)), "damaged"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_no_sound_ledger_is_refused_and_left_alone(folder: Path, launcher: Launcher, case: str) -> None:
    spoil, says = SPOILT[case]
    ledger = folder / "night.ledger.db"
    spoil(ledger)
    before = ledger.read_bytes()
    wanted = {**targets(ids(ROWS)), "1125397061150000000": (1, 105)}
    write_csv(folder / "night.csv", wanted)
    with serving(wanted) as service:
        run = launcher.run("run", "night.csv", "--base-url", service.url, "--service-moved", *FLAGS, cwd=folder)
        assert not service.simulator.calls
    assert run.result.code == 5, run.result.err
    assert says in run.result.err
    assert "night.ledger.db" in run.result.err
    assert ";" in run.result.err.splitlines()[-1], "it does not say what to do"
    assert ledger.read_bytes() == before
    for command in (("status", ledger.name), ("export", ledger.name)):
        reading = launcher.run(*command, cwd=folder)
        assert reading.result.code in (0, 5), reading.result.err  # what can still be read may be shown
        assert "Traceback" not in reading.result.err
        assert ledger.read_bytes() == before


def test_scratches_anywhere_never_end_in_a_traceback(folder: Path, launcher: Launcher) -> None:
    ledger = folder / "night.ledger.db"
    sound = ledger.read_bytes()
    with serving(targets(ids(ROWS))) as service:
        for place in range(0, 100, 5):
            ledger.write_bytes(sound)
            overwrite(place / 100, os.urandom(700))(ledger)
            run = launcher.run("run", "night.csv", "--base-url", service.url, "--service-moved", *FLAGS, cwd=folder)
            assert run.result.code in (0, 5), (place, run.result.err)
            assert "Traceback" not in run.result.err


@pytest.mark.parametrize("command", ["status", "export", "run"])
def test_places_that_cannot_be(tmp_path: Path, launcher: Launcher, command: str) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    nowhere = ("run", "night.csv", "--base-url", "http://127.0.0.1:9", "--ledger") if command == "run" else (command,)
    result = launcher.run(*nowhere, "nowhere/night.ledger.db", cwd=tmp_path).result
    assert result.code == 5, result.err
    assert "nowhere/night.ledger.db" in result.err


@pytest.mark.parametrize("name", ["night.ledger.db", "night.ledger.db.lock"])
def test_a_symlink_is_not_followed_where_a_file_is_made(tmp_path: Path, launcher: Launcher, name: str) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    victim = tmp_path / "victim"
    (tmp_path / name).symlink_to(victim)
    result = launcher.run("run", "night.csv", "--base-url", "http://127.0.0.1:9", *FLAGS, cwd=tmp_path).result
    assert result.code == 5, result.err
    assert not victim.exists()


@pytest.mark.parametrize("read_only", ["night.ledger.db", "."])
def test_a_read_only_ledger(finished: Path, launcher: Launcher, read_only: str) -> None:
    with serving(targets(ids(ROWS))) as service, for_anybody() as (folder, user):
        for path in finished.iterdir():
            shutil.copy(path, folder)
            if user is not None:
                os.chown(folder / path.name, user, -1)
        write_csv(folder / "night.csv", targets(ids(ROWS)) | {ids(1)[0]: (1, 199)})
        command = ("run", "night.csv", "--base-url", service.url, "--service-moved", *FLAGS)
        before = (folder / "night.ledger.db").read_bytes()
        (folder / read_only).chmod(0o500 if read_only == "." else 0o400)
        result = launcher.run(*command, cwd=folder, user=user).result
        assert result.code == 5, result.err
        assert "permissions" in result.err or "may write" in result.err
        assert (folder / "night.ledger.db").read_bytes() == before
        assert service.modified == 0
        (folder / read_only).chmod(0o700)
        assert launcher.run(*command, cwd=folder, user=user).result.code == 0
        assert service.modified == 1
        (folder / read_only).chmod(0o500)
        for looking in (("status", "--json"), ("export",)):
            looked = launcher.run(*looking, "night.ledger.db", cwd=folder, user=user).result
            assert looked.code == 0, looked.err


@pytest.mark.parametrize("replaced", [False, True])
def test_a_ledger_that_vanishes_stops_the_run(tmp_path: Path, launcher: Launcher, replaced: bool) -> None:
    wanted = targets(ids(400))
    write_csv(tmp_path / "night.csv", wanted)
    ledger = tmp_path / "night.ledger.db"
    with serving(wanted, Faults(latency_ms=10)) as service:

        def vanish() -> None:
            while service.modified < 20:
                time.sleep(0.005)
            ledger.unlink()
            if replaced:
                ledger.write_bytes(b"")

        vanishing = threading.Thread(target=vanish)
        vanishing.start()
        flags = (*FLAGS, "--concurrency", 4)
        result = launcher.run("run", "night.csv", "--base-url", service.url, *flags, cwd=tmp_path).result
        vanishing.join()
        assert result.code == 5, result.err
        assert "removed or replaced" in result.err
        assert service.modified < 400
        assert launcher.run("run", "night.csv", "--base-url", service.url, *FLAGS, cwd=tmp_path).result.code == 0
        assert dict(service.bindings) == wanted


def test_a_full_disk_and_then_room(tmp_path: Path, launcher: Launcher) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        wanted = targets(ids(600))
        write_csv(tmp_path / "night.csv", wanted)
        fills_and_resumes(tmp_path, disk, wanted, launcher)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fills_and_resumes(folder: Path, disk: Path, wanted: dict[str, Target], launcher: Launcher) -> None:
    with serving(wanted) as service:
        command = ("run", "night.csv", "--base-url", service.url, "--ledger", disk / "night.ledger.db", *FLAGS)
        full = launcher.run(*command, cwd=folder).result
        assert full.code == 5, full.err
        assert "make room" in full.err
        assert 0 < service.modified < 600, "the disk was full too early or too late"
        done = service.modified

        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        again = launcher.run(*command, "--json", cwd=folder).result
        assert again.code == 0, again.err
        assert dict(service.bindings) == wanted
        assert service.modified <= 600 + 16, f"{done} calls were made before, and more was lost than was in flight"
