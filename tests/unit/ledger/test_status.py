"""How a ledger stands: counts of the batch, figures of its last run, and whether that goes on."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.errors import LedgerBusy, StopKind, UsageError
from bulkroute.ledger import lock
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.runs import RunState
from bulkroute.ledger.status import BatchStatus, ended_by, read_status
from tests.ledgers import made, written


def read(path: Path, *, rollback: bool = False) -> BatchStatus:
    with Ledger(path).read() as reader:
        return read_status(reader, rollback=rollback)


def test_an_ended_run_is_told_as_it_was_recorded(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=100, failed=7, run_s=10)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("UPDATE run SET exit_code = 3, stop = 'max_failures', stopped = 'too many'")
        connection.execute("DELETE FROM attempt")  # nobody goes through a million calls again for what is on record
    found = read(ledger)
    summary = found.summary
    assert (summary.total, summary.succeeded, summary.failed, summary.failures) == (100, 93, 7, {"business": 7})
    assert (summary.attempts, summary.seconds, summary.rate) == (100, 10, 10)
    assert (summary.stop, summary.stopped, summary.exit_code) == (StopKind.MAX_FAILURES, "too many", 3)
    assert (found.state, found.rolled_back, found.manifest) == (RunState.ENDED, False, "night.csv")
    assert sum(reason.rows for reason in found.reasons) == 7


def test_a_word_that_is_not_known_here_is_no_kind_of_stop(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=1)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("UPDATE run SET stop = 'eclipse', stopped = 'it got dark'")
    assert (read(ledger).summary.stop, read(ledger).summary.stopped) == (None, "it got dark")


def test_a_run_that_has_not_ended_goes_on_or_broke_off(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=100, run_s=10.0, ended=False, pid=os.getpid())
    assert read(ledger).state is RunState.KILLED
    with lock.hold(ledger):
        found = read(ledger)
    assert found.state is RunState.RUNNING
    assert (found.summary.attempts, found.summary.exit_code) == (100, None)
    assert found.summary.seconds == pytest.approx(9.9)  # up to its last call


def test_a_batch_without_a_run_has_counts_and_nothing_else(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.executescript("DELETE FROM attempt; DELETE FROM run;")
    found = read(ledger)
    assert (found.summary.run, found.summary.total, found.summary.rate, found.state) == (None, 3, 0, None)


def test_a_rollback_is_told_of_and_shown_on_demand(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    with pytest.raises(UsageError, match="never rolled back"):
        read(ledger, rollback=True)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("INSERT INTO batch (created_at, manifest, digest, parent) VALUES (1, 'night.csv', '', 1)")
    assert read(ledger).rolled_back
    assert read(ledger, rollback=True).summary.batch == 2
    assert not read(ledger, rollback=True).rolled_back


def test_a_command_that_an_error_ended_tells_how_the_ledger_stands(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=3, failed=1)
    found = ended_by(LedgerBusy("another run holds it"), ledger)
    assert (found.batch, found.total, found.failed, found.run, found.attempts) == (1, 3, 1, None, 0)
    assert (found.stop, found.stopped, found.exit_code) == (StopKind.BUSY, "another run holds it", 75)
    none = ended_by(UsageError("wrong"), tmp_path / "none.db")
    assert (none.batch, none.total, none.stop, none.exit_code) == (None, 0, StopKind.USAGE, 2)
    written(tmp_path / "empty.db").close()
    assert ended_by(UsageError("wrong"), tmp_path / "empty.db").batch is None
