"""Whatever SQLite says to a reader or writer of a ledger leaves it as a LedgerError, from every method there is."""

import inspect
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bulkroute.errors import LedgerError, UsageError
from bulkroute.ledger.batches import Tenant, Which
from bulkroute.ledger.chart_queries import Search
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.reader import BatchReader, LedgerReader
from bulkroute.model import Binding
from tests.ledgers import made, of_format, written

GIVEN = {
    "tenant": Tenant("s", ""),
    "moved": False,
    "search": Search(),
    "after": 0,
    "width_s": 1.0,
    "limit": 10,
    "keep": False,
    "text": "4008001234",
    "batch": None,
    "wave": 1,
    "names": {Binding(1, 101): "Billing"},
}


def public_methods(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]


def call(method: Callable[..., Any], given: dict[str, object]) -> None:
    """Call a method with all that it must be given, and take what it yields."""
    needed = [name for name, each in inspect.signature(method).parameters.items() if each.default is each.empty]
    found = method(**{name: given[name] for name in needed})
    if isinstance(found, Iterator):
        list(found)
    elif hasattr(found, "__enter__"):
        with found:
            pass


@pytest.mark.parametrize("name", public_methods(BatchReader))
def test_a_batch_that_cannot_be_read_is_a_ledger_error(tmp_path: Path, name: str) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    with Ledger(ledger).read() as reader, LiveBindings() as live:
        batch = reader.require_batch()
        run = batch.runs()[0]._replace(attempts=None)  # as of one that goes on: else its record has all there is
        with closing(sqlite3.connect(ledger)) as connection:
            connection.executescript(
                "DROP TABLE attempt; DROP TABLE pace; DROP TABLE wait; DROP TABLE run; DROP TABLE row;DROP TABLE batch;DROP TABLE wanted_name;DROP TABLE target;DROP TABLE wave;DROP TABLE gate"
            )
        with pytest.raises(LedgerError, match=r"cannot read the .*no such table") as caught:
            call(getattr(batch, name), {**GIVEN, "staged": tmp_path / "staged.db", "live": live, "run": run})
    assert caught.value.where == str(ledger)
    assert caught.value.hint


@pytest.mark.parametrize("name", public_methods(LedgerReader))
def test_a_ledger_that_cannot_be_read_is_a_ledger_error(tmp_path: Path, name: str) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    with Ledger(ledger).read() as reader:
        reader._connection.close()
        with pytest.raises(LedgerError, match="cannot read the ledger"):
            call(getattr(reader, name), {**GIVEN, "number": 1})


def test_a_batch_is_found_by_what_is_meant_and_by_its_number(tmp_path: Path) -> None:
    with Ledger(of_format(1, tmp_path / "l.db")).read() as ledger:
        found = {which: ledger.require_batch(which).number for which in (Which.LATEST, Which.SHOWN, 1, 2)}
        assert found == {Which.LATEST: 3, Which.SHOWN: 3, 1: 1, 2: 2}
        assert ledger.require_batch(2).parent == 1
        assert ledger.find_batch(4) is None
        with pytest.raises(UsageError, match="no batch 4"):
            ledger.require_batch(4)
        assert ledger.find_batch(Which.ROLLBACK) is None
        with pytest.raises(UsageError, match="never rolled back"):
            ledger.require_batch(Which.ROLLBACK)


def test_a_rollback_is_shown_until_its_batch_is_run_again(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection, Ledger(ledger).read() as reader:
        connection.execute("INSERT INTO batch (created_at, manifest, digest, parent) VALUES (1, 'night.csv', '', 1)")
        assert [reader.require_batch(which).number for which in Which] == [1, 2, 1]  # it was not begun yet
        connection.execute(
            "INSERT INTO run (batch, command, started_at, pid, host, version, service) VALUES (2, 'rollback', 1, 1, 'h', '0', 's')"
        )
        assert [reader.require_batch(which).number for which in Which] == [1, 2, 2]
        connection.execute("UPDATE batch SET closed = 1 WHERE batch = 2")
        assert [reader.require_batch(which).number for which in Which] == [1, 2, 1]


def test_what_is_read_at_one_moment_does_not_move(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection, Ledger(ledger).read() as reader:
        batch = reader.require_batch()
        with reader.at_one_moment():
            before, version = batch.counts(), reader.version()
            connection.execute("UPDATE row SET status = 'pending'")
            assert batch.counts() == before
        assert batch.counts().pending == 3
        assert reader.version() != version


def test_a_ledger_that_was_replaced_has_another_identity(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db")
    assert ledger.identity() is None
    made(ledger.path, rows=1)
    first = ledger.identity()
    assert first == ledger.identity()
    made(tmp_path / "other.db", rows=1).replace(ledger.path)
    assert ledger.identity() != first


def test_a_ledger_whose_log_its_last_writer_took_away_has_another_identity(tmp_path: Path) -> None:
    ledger = Ledger(made(tmp_path / "l.db", rows=1))
    with closing(written(ledger.path)) as connection:
        connection.execute("UPDATE batch SET manifest = 'day.csv'")
        while_written = ledger.identity()
    assert ledger.identity() != while_written, "who has the old log open would see nothing that comes after"
