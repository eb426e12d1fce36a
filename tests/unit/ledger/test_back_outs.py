"""That a batch is backed out of is written with the end of its run, and stands until it is done or a person takes it over."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.errors import LedgerError, StopKind
from bulkroute.ledger.back_outs import BackOut
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.rollback import Scope, Touched
from bulkroute.ledger.runs import Calls, RunEnd
from bulkroute.ledger.writer import BatchWriter, LedgerWriter
from tests.ledgers import made

REACHED = "--max-failures 5 is reached"
END = RunEnd(1.0, Calls(9), REACHED, 3, StopKind.MAX_FAILURES)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[LedgerWriter, BatchWriter]]:
    """Give a batch of five rows, all sent, whose run has not ended."""
    path = made(tmp_path / "l.db", rows=5, ended=False)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE row SET before_devicetype = 3, before_device_id = 7")
    with Ledger(path).hold() as held, held.checked() as reader, held.write() as writer:
        yield writer, writer.work_on(reader.require_batch())


def unfinished(batch: BatchWriter) -> BackOut | None:
    with Ledger(batch.path).read() as reader:
        return reader.unfinished_back_out()


def test_the_run_and_the_decision_end_in_one_commit(opened: tuple[LedgerWriter, BatchWriter]) -> None:
    _writer, batch = opened
    with closing(sqlite3.connect(batch.path)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER no_room BEFORE INSERT ON back_out BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    with pytest.raises(LedgerError, match="record the end of the run"):
        batch.end_run(1, END, backs_out=True)
    assert batch.runs()[0].exit_code is None, "the run has ended, and nobody would take back what it changed"
    assert unfinished(batch) is None


def test_it_is_gone_on_with_until_it_ends_for_good(opened: tuple[LedgerWriter, BatchWriter]) -> None:
    writer, batch = opened
    batch.end_run(1, END, backs_out=True)
    found = unfinished(batch)
    assert found is not None
    assert (found.batch, found.run, found.reason, found.exit_code, found.back) == (1, 1, REACHED, None, 0)
    writer.end_back_out(batch, 8, 5, 2, for_good=False)
    found = unfinished(batch)
    assert found is not None
    assert (found.exit_code, found.rows, found.is_unfinished) == (8, 5, True)
    writer.end_back_out(batch, 7, 5, 5, for_good=True)
    assert unfinished(batch) is None
    found = batch.back_out()
    assert found is not None
    assert (found.exit_code, found.rows, found.back, found.is_unfinished) == (7, 5, 5, False)


def test_a_run_that_ends_otherwise_decides_nothing(opened: tuple[LedgerWriter, BatchWriter]) -> None:
    _writer, batch = opened
    batch.end_run(1, END)
    assert unfinished(batch) is None
    assert batch.back_out() is None


def test_a_rollback_of_that_batch_is_the_way_to_go_on(opened: tuple[LedgerWriter, BatchWriter]) -> None:
    writer, batch = opened
    batch.end_run(1, END, backs_out=True)
    assert batch.count_touched() == Touched(5, 0)
    with LiveBindings() as live:
        writer.open_rollback(Scope(batch.facts), live)
    assert unfinished(batch) is not None


def test_a_rollback_of_more_or_less_takes_it_over(opened: tuple[LedgerWriter, BatchWriter]) -> None:
    writer, batch = opened
    batch.end_run(1, END, backs_out=True)
    with LiveBindings() as live:
        writer.open_rollback(Scope(batch.facts, later=True), live)
    assert unfinished(batch) is None
    assert batch.back_out() is None
