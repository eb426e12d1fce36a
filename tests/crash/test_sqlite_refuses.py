"""The Nth SQLite call fails, for every N: exit 5 with what to do, a ledger in a legal state, and a resume that finishes."""

import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from tests.crash.launcher import Launcher
from tests.crash.test_kill import FLAGS, check_crashed, read_rows
from tests.harness import ids, serving, targets, write_csv

pytestmark = pytest.mark.slow

HINTS = {"SQLITE_FULL": "make room", "SQLITE_IOERR_WRITE": "healthy disk", "SQLITE_BUSY": "close it"}


@pytest.mark.parametrize(("refusal", "step"), [("SQLITE_FULL", 1), ("SQLITE_IOERR_WRITE", 3), ("SQLITE_BUSY", 3)])
def test_a_refused_statement_ends_the_run_in_good_order(
    tmp_path: Path, launcher: Launcher, refusal: str, step: int
) -> None:
    wanted = targets(ids(6))
    for nth in count(1, step):
        folder = tmp_path / str(nth)
        folder.mkdir()
        write_csv(folder / "night.csv", wanted)
        ledger = folder / "night.ledger.db"
        with serving(wanted) as service:
            command = ("run", "night.csv", "--base-url", service.url, *FLAGS)
            first = launcher.run(*command, cwd=folder, at=refusal, nth=nth, patience_s=20)
            if not first.struck:
                assert first.result.code == 0, first.result.err
                break
            said = first.result.err
            assert first.result.code == 5, f"statement {nth}: {said}"
            assert "Traceback" not in said
            hint = "TMPDIR" if "stage the manifest" in said else HINTS[refusal]
            assert hint in said.splitlines()[-1], f"statement {nth}: {said}"
            check_crashed(service, wanted, read_rows(ledger))
            if ledger.exists():
                with closing(sqlite3.connect(ledger)) as connection:
                    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

            second = launcher.run(*command, cwd=folder)
            assert second.result.code == 0, f"statement {nth}: {second.result.err}"
            assert dict(service.bindings) == wanted
            assert not service.simulator.violations
    assert nth > 20, "too few statements were met for this test to mean anything"


def test_a_file_that_may_not_grow_ends_the_run_in_good_order(tmp_path: Path, launcher: Launcher) -> None:
    wanted = targets(ids(120))
    kilobytes = 0
    for kilobytes in (*range(1, 64, 6), *range(64, 4096, 128)):
        folder = tmp_path / str(kilobytes)
        folder.mkdir()
        write_csv(folder / "night.csv", wanted)
        ledger = folder / "night.ledger.db"
        with serving(wanted) as service:
            command = ("run", "night.csv", "--base-url", service.url, *FLAGS, "--quiet")
            first = launcher.run(*command, cwd=folder, file_limit=kilobytes * 1024, patience_s=20)
            if first.result.code == 0:
                break
            assert first.result.code == 5, f"{kilobytes} KiB: {first.result.err}"
            assert "Traceback" not in first.result.err
            assert ";" in first.result.err.splitlines()[-1], f"it does not say what to do: {first.result.err}"
            check_crashed(service, wanted, read_rows(ledger))

            second = launcher.run(*command, cwd=folder)
            assert second.result.code == 0, f"{kilobytes} KiB: {second.result.err}"
            assert dict(service.bindings) == wanted
    assert kilobytes > 40, "the first run survived too early for this test to mean anything"
