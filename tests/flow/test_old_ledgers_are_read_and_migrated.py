"""A ledger of an earlier format through the real command line: read as it is, brought up by what writes, sound whatever happens."""

import hashlib
import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from bulkroute.ledger.file import FORMAT
from tests.crash.launcher import Launcher
from tests.harness import Service, bulkroute, ids, serving, targets, write_csv
from tests.ledgers import OLD_FORMATS, of_format
from tests.watching import watching

WANTED = targets(ids(9))
DONE = list(WANTED)[:3]
FLAGS = ("--service-moved", "--rate", "unlimited", "--backoff", "0.01", "--backoff-cap", "0.02")
STEP = {"commit: before": 1, "commit: after": 1, "SQLITE_FULL": 2}
NOTICE = f"the ledger is of format {{}}; brought to format {FORMAT}"

old = pytest.mark.parametrize("version", OLD_FORMATS)


@contextmanager
def an_old_night(folder: Path, version: int) -> Iterator[Service]:
    """Put manifest and ledger into a folder, and serve the routes as the ledger says that they are."""
    write_csv(folder / "night.csv", WANTED)
    of_format(version, folder / "night.ledger.db")
    with serving(WANTED) as service:
        for place, (row_id, target) in enumerate(WANTED.items()):
            service.simulator.rebind(row_id, *(target if row_id in DONE else (1, 900 + place)))
        yield service


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "night.ledger.db").read_bytes()).hexdigest()


def format_now(folder: Path) -> int:
    """Return the format, after a look at whether the file is sound and has what that format has."""
    with closing(sqlite3.connect(folder / "night.ledger.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('run')")}
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert ("pace" in tables, "stop" in columns) == (version >= 2, version >= 3)
    return int(version)


def check_end(folder: Path, service: Service) -> None:
    """Hold the end of the batch against the service."""
    assert dict(service.bindings) == WANTED
    assert not set(service.simulator.calls_per_id) & set(DONE), "rows that were done are sent again"
    with closing(sqlite3.connect(folder / "night.ledger.db")) as connection:
        found = connection.execute("SELECT count(*) FROM row WHERE batch = 3 AND status IN ('succeeded', 'unchanged')")
        assert found.fetchone() == (9,)


@old
def test_run_brings_it_up_and_goes_on_with_what_is_left(tmp_path: Path, version: int) -> None:
    with an_old_night(tmp_path, version) as service:
        first = bulkroute("run", "night.csv", "--base-url", service.url, *FLAGS, cwd=tmp_path)
        assert first.code == 0, first.err
        assert NOTICE.format(version) in first.err
        assert format_now(tmp_path) == FORMAT
        check_end(tmp_path, service)
        again = bulkroute("run", "night.csv", "--base-url", service.url, *FLAGS, cwd=tmp_path)
        assert again.code == 0
        assert "format" not in again.err
    with closing(sqlite3.connect(tmp_path / "night.ledger.db")) as connection:
        assert connection.execute("SELECT DISTINCT run FROM pace WHERE run > 4 ORDER BY 1").fetchall() == [(5,), (6,)]


@old
def test_rollback_brings_it_up_too(tmp_path: Path, version: int) -> None:
    with an_old_night(tmp_path, version) as service:
        for row_id in (*list(WANTED)[3:6], list(WANTED)[6]):
            service.simulator.rebind(row_id, *WANTED[row_id])
        back = bulkroute("rollback", "night.ledger.db", "--base-url", service.url, *FLAGS, cwd=tmp_path)
        assert back.code == 0, back.err
        assert NOTICE.format(version) in back.err
        assert [service.bindings[row_id] for row_id in WANTED][:2] == [(1, 900), (1, 901)]
    assert format_now(tmp_path) == FORMAT


READING = {
    "status": ("status", "night.ledger.db"),
    "status --json": ("status", "night.ledger.db", "--json"),
    "export": ("export", "night.ledger.db"),
    "report": ("report", "night.ledger.db", "-o", "night.html"),
    "plan": ("plan", "night.csv", "--service-moved"),
    "verify": ("verify", "night.ledger.db", "--service-moved"),
    "ctl status": ("ctl", "night.ledger.db", "status"),
}


@old
@pytest.mark.parametrize("name", READING)
def test_reading_it_leaves_it_as_it_is(tmp_path: Path, name: str, version: int) -> None:
    with an_old_night(tmp_path, version) as service:
        before = digest(tmp_path)
        at = ("--base-url", service.url) if name in {"plan", "verify"} else ()
        done = bulkroute(*READING[name], *at, cwd=tmp_path)
        assert done.code == (69 if name == "ctl status" else 0), done.err
        assert digest(tmp_path) == before
        if name == "status --json":
            found = {key: done.summary[key] for key in ("succeeded", "unchanged", "failed", "pending", "in_doubt")}
            assert found == {"succeeded": 2, "unchanged": 1, "failed": 3, "pending": 2, "in_doubt": 1}
            assert (done.summary["stop"], done.summary["stopped"], done.summary["exit_code"]) == (None, None, None)
        if name == "status":
            assert "broke off" in done.out
        if name == "verify":
            assert "3 of 3" in done.out


@old
def test_watching_it_leaves_it_as_it_is(tmp_path: Path, version: int) -> None:
    of_format(version, tmp_path / "night.ledger.db")
    before = digest(tmp_path)
    with watching(tmp_path / "night.ledger.db") as watch:
        seen = watch.snapshot()
    assert (seen["counts"]["failed"], seen["calls"]["all"], seen["state"]["state"]) == (3, 7, "killed")
    assert [change["cause"] for change in seen["paces"]] == [[], ["throttled", "operator", "operator"]][version - 1]
    assert [mark["run"] for mark in seen["timeline"]["runs"]] == [3, 4]
    assert {10.0, 20.0} <= set(seen["timeline"]["target"])
    assert digest(tmp_path) == before


@old
def test_it_can_be_read_where_nothing_can_be_written(tmp_path: Path, version: int) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no right to mount a disk")
    try:
        of_format(version, disk / "night.ledger.db")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert json.loads(bulkroute("status", "night.ledger.db", "--json", cwd=disk).out)["failed"] == 3
        assert bulkroute("report", "night.ledger.db", "-o", tmp_path / "night.html", cwd=disk).code == 0
        assert bulkroute("export", "night.ledger.db", cwd=disk).out.count("\n") == 10
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_manifest_with_faults_does_not_bring_it_up(tmp_path: Path) -> None:
    with an_old_night(tmp_path, OLD_FORMATS[-1]) as service:
        before = digest(tmp_path)
        (tmp_path / "night.csv").write_text("id,devicetype,deviceId\n1,nonsense,2\n")
        assert bulkroute("run", "night.csv", "--base-url", service.url, *FLAGS, cwd=tmp_path).code == 65
    assert digest(tmp_path) == before


@pytest.mark.slow
@old
@pytest.mark.parametrize("at", STEP)
def test_killed_or_out_of_space_on_the_way_it_is_sound_and_goes_on(
    tmp_path: Path, launcher: Launcher, at: str, version: int
) -> None:
    """The Nth commit is cut off, or the Nth statement refused, N rising until one left a ledger of today's format."""
    for nth in count(1, STEP[at]):
        folder = tmp_path / str(nth)
        folder.mkdir()
        with an_old_night(folder, version) as service:
            command = ("run", "night.csv", "--base-url", service.url, *FLAGS)
            first = launcher.run(*command, cwd=folder, at=at, nth=nth)
            assert first.struck
            assert first.result.code == (5 if at == "SQLITE_FULL" else -signal.SIGKILL), first.result.err
            assert "Traceback" not in first.result.err
            found = format_now(folder)
            second = launcher.run(*command, cwd=folder)
            assert second.result.code == 0, second.result.err
            assert (NOTICE.format(version) in second.result.err) == (found == version)
            check_end(folder, service)
        if found == FORMAT:
            break
    assert nth > (3 if at == "SQLITE_FULL" else 0)


def test_a_disk_that_is_full_leaves_it_as_it_was(tmp_path: Path, launcher: Launcher) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        with an_old_night(disk, 1) as service:
            ledger = disk / "night.ledger.db"
            command = ("run", "night.csv", "--base-url", service.url, *FLAGS)
            formats = []
            for spare_kilobytes in count(40, 4):  # 32 of them for SQLite's index of the WAL
                size = f"size={ledger.stat().st_size // 1024 + spare_kilobytes}k"
                subprocess.run(["mount", "-o", f"remount,{size}", str(disk)], check=True)
                result = launcher.run(*command, cwd=disk).result
                assert result.code in (0, 5), result.err
                assert "Traceback" not in result.err
                subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
                formats.append(format_now(disk))
                if result.code == 0:
                    break
            assert formats[0] == 1
            assert formats[-1] == FORMAT
            assert set(formats) == {1, FORMAT}, "it was left in between"
            check_end(disk, service)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
