"""A ledger is written under its lock alone, by methods that raise LedgerError and nothing else."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.errors import LedgerBusy, LedgerError, StopKind, UsageError
from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.lock import Process
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.rollback import Scope
from bulkroute.ledger.runs import Calls, RunEnd, RunStart
from bulkroute.ledger.settle import Decided
from bulkroute.ledger.staging import Staged, Staging
from bulkroute.ledger.writer import BatchWriter, LedgerWriter
from bulkroute.manifest import Faults
from bulkroute.model import Binding, Row
from bulkroute.settings import Settings
from tests.ledgers import made, of_format
from tests.unit.ledger.test_reader import call, public_methods

TENANT = Tenant("s", "")
RUN = RunStart("run", "0", TENANT, 1.0)
GIVEN = {
    "names": {Binding(1, 101): "Billing"},
    "start": RUN,
    "run": 1,
    "rows": [1],
    "count": 2,
    "decided": Decided(),
    "skip": (),
    "skipped": True,
    "keep": False,
    "most": 3,
    "wave": 1,
    "sizes": (),
    "end": RunEnd(1.0, Calls(1), None, 0),
}
OWN_METHODS = sorted({*public_methods(BatchWriter)} - {*public_methods(BatchReader), "journal"})


@contextmanager
def writing(ledger: Path) -> Iterator[tuple[LedgerWriter, BatchWriter]]:
    """Open a ledger as a run does; give it with its batch."""
    with Ledger(ledger).hold() as held, ExitStack() as exits:
        with held.checked() as reader:
            batch = reader.require_batch()
        writer = exits.enter_context(held.write())
        yield writer, writer.work_on(batch)


@contextmanager
def staged() -> Iterator[Staged]:
    with Staging() as rows:
        rows.load([Row(2, "a", 1, 101)], Faults("m.csv"))
        yield Staged(rows, "m.csv", "digest")


@pytest.mark.parametrize("name", OWN_METHODS)
def test_a_batch_that_cannot_be_written_is_a_ledger_error(tmp_path: Path, name: str) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    with writing(ledger) as (_, batch), LiveBindings() as live, staged() as manifest:
        with closing(sqlite3.connect(ledger)) as connection:
            connection.executescript(
                "DROP TABLE attempt; DROP TABLE pace; DROP TABLE wait; DROP TABLE run; DROP TABLE row;DROP TABLE target"
            )
        with pytest.raises(LedgerError, match=r"cannot .*no such table") as caught:
            call(getattr(batch, name), {**GIVEN, "live": live, "staged": manifest, "plan": manifest, "earlier": batch})
    assert caught.value.where == str(ledger)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["end_rollbacks", "take_over", "open_rollback", "without_before", "changed"])
def test_a_ledger_that_cannot_be_written_is_a_ledger_error(tmp_path: Path, name: str) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    with writing(ledger) as (writer, batch), LiveBindings() as live, staged() as manifest:
        writer._connection.close()
        given = {"staged": manifest, "tenant": TENANT, "scope": Scope(batch.facts), "live": live}
        with pytest.raises(
            LedgerError, match=r"cannot (end earlier rollbacks|take over the manifest|prepare the rollb)"
        ):
            call(getattr(writer, name), given)


def test_a_ledger_is_made_when_it_is_first_written_and_reads_as_an_empty_one_before(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db")
    with ledger.hold() as held, staged() as manifest:
        with held.checked() as reader:
            assert reader.find_batch() is None
            assert not ledger.path.exists()
        with held.write() as writer:
            batch, changes = writer.take_over(manifest, TENANT)
            assert [work.row for work in batch.pending()] == [Row(2, "a", 1, 101)]
            assert not changes
        with held.checked() as reader:
            found = reader.require_batch()
            assert (found.number, found.manifest, found.digest, found.parent) == (1, "m.csv", "digest", None)


def test_only_one_may_hold_a_ledger_and_whoever_reads_needs_not(tmp_path: Path) -> None:
    ledger = Ledger(made(tmp_path / "l.db", rows=3))
    with ledger.hold(), ledger.read() as reader:
        assert reader.require_batch().counts().total == 3
        with pytest.raises(LedgerBusy, match=r"pid \d+ on "), ledger.hold():
            pytest.fail("two held it")


def test_writing_brings_an_old_ledger_up_and_reading_leaves_it(tmp_path: Path) -> None:
    ledger, told = Ledger(of_format(1, tmp_path / "l.db")), list[str]()
    with ledger.read() as reader:
        before = reader.require_batch().counts()
    with ledger.hold() as held:
        with held.checked() as reader:
            assert reader.require_batch().counts() == before
        assert told == []
        with held.write() as writer, writer.preparing(told.append):
            assert writer.work_on(reader_batch(ledger)).counts() == before
    assert len(told) == 1
    assert told[0].startswith("the ledger is of format 1")


def reader_batch(ledger: Ledger) -> BatchReader:
    with ledger.read() as reader:
        return reader.require_batch()


def test_a_batch_knows_whose_routes_it_changes_from_its_first_row_on_and_when_they_move(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db")
    settings = Settings(
        base_url="https://cc.example.com/", credentials=Credentials(app_key="k", app_secret=Secret("s"))
    )
    at_first, moved = Tenant.of(settings), Tenant("https://moved.example.com", "")
    assert at_first == ("https://cc.example.com", "8254c329a928")  # the first 12 digits of SHA-256("k")

    def known() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(ledger.path)) as connection:
            return connection.execute("SELECT service, app_key FROM batch ORDER BY batch").fetchall()

    with ledger.hold() as held, staged() as manifest, LiveBindings() as live, held.write() as writer:
        batch, _changes = writer.take_over(manifest, at_first)
        assert known() == [at_first]
        rollback = writer.open_rollback(Scope(batch.facts), live)
        assert known() == [at_first, at_first]
        number = rollback.begin_run(RunStart("rollback", "0", moved, None))
        assert known() == [(moved.service, at_first.app_key)] * 2, "a ready token does not say whose it is"
        batch.require_tenant(Tenant("https://moved.example.com", ""), moved=False)
        with pytest.raises(UsageError, match=r"of https://moved\.example\.com, not of"):
            batch.require_tenant(Tenant("https://cc.example.com", ""), moved=False)

        rollback.end_run(number, RunEnd(2.5, Calls(7, 3, 1), "stopped by hand", 4, StopKind.CTL))
        (run,) = rollback.runs()
        assert (run.process, run.seconds, run.attempts, run.retries, run.throttled) == (Process.own(), 2.5, 7, 3, 1)
        assert rollback.end_of(run) == RunEnd(2.5, Calls(7, 3, 1), "stopped by hand", 4, StopKind.CTL)
