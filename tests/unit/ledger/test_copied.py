"""A ledger with a copy: a commit counts once both have it, and a ledger knows of which copy it is and how far."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bulkroute.errors import LedgerError, StopKind
from bulkroute.ledger import copied, fetched, replay
from bulkroute.ledger.batches import QueuedRow
from bulkroute.ledger.copied import CopyMark, LedgerCopy
from bulkroute.ledger.file import open_for_reading
from bulkroute.ledger.journal import Journal
from bulkroute.ledger.notes import Attempt
from bulkroute.model import Row, Ruling, Status, Verdict
from tests.ledgers import written
from tests.slow_disk import SlowDisk
from tests.unit.ledger.test_replay import MARK, content, ledger

DONE = Verdict(Ruling.DONE, None, 200, "0", None)


class Written:
    """A journal with a copy that ends commits when it is told to."""

    def __init__(self, path: Path, exits: ExitStack) -> None:
        self.path = path
        self.disk = SlowDisk()
        self.disk.sync_s = 0.0
        run = ledger(path, back=False)
        self.connection = exits.enter_context(closing(self.disk.connect(path)))
        self.added: list[tuple[int, bytes]] = []
        self.ends: list[asyncio.Future[None]] = []
        self.told = 0
        self.journal = Journal(self.connection, path, run, self._tell, LedgerCopy(MARK, self._add, self._begin))

    def _tell(self, answered: list[Attempt], _failed: list[Attempt]) -> None:
        self.told += len(answered)

    def _add(self, number: int, record: bytes) -> asyncio.Future[None]:
        self.added.append((number, record))
        self.ends.append(asyncio.get_running_loop().create_future())
        return self.ends[-1]

    async def _begin(self, save_as: Callable[[Path], Awaitable[int]]) -> None:
        self.began = await save_as(self.path.with_name("began.db"))

    async def has_added(self, count: int) -> None:
        while len(self.added) < count:
            await asyncio.sleep(0)


@pytest.fixture
def one(tmp_path: Path, exits: ExitStack) -> Written:
    return Written(tmp_path / "one.db", exits)


def answer(row: int) -> Attempt:
    return Attempt(QueuedRow(row, Row(2, "a", 1, 1), tried=False), 1, 1000.0, 20.0, DONE, Status.SUCCEEDED, None)


async def test_a_commit_counts_once_the_copy_has_it(one: Written) -> None:
    sent = one.journal.sent([1])
    await one.has_added(1)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not sent.done()  # though it is in the ledger
    one.ends[0].set_result(None)
    await sent

    one.journal.answered(answer(1))
    await one.has_added(2)
    assert one.told == 0
    one.ends[1].set_result(None)
    while not one.told:
        await asyncio.sleep(0)
    assert [number for number, _ in one.added] == [1, 2]


async def test_a_copy_that_refuses_a_commit_ends_all_sending(one: Written) -> None:
    sent = one.journal.sent([1])
    await one.has_added(1)
    one.ends[0].set_exception(LedgerError("it is gone", stop=StopKind.COPY))
    with pytest.raises(LedgerError, match="it is gone") as caught:
        await sent
    assert caught.value.stop is StopKind.COPY
    with pytest.raises(LedgerError, match="it is gone"):
        await one.journal.sent([2])
    assert len(one.added) == 1


async def test_a_disk_that_refuses_a_commit_ends_it_whatever_the_copy_says(one: Written) -> None:
    one.disk.sync_s = 0.002
    first = one.journal.sent([1])
    await one.has_added(1)
    one.ends[0].set_result(None)
    await first  # slow: the next commit is in the thread
    one.disk.hold()
    sent = one.journal.sent([2])
    await one.has_added(2)
    one.ends[1].set_result(None)
    while not one.disk.held.is_set():
        await asyncio.sleep(0)
    one.disk.error = sqlite3.OperationalError("disk I/O error")
    one.disk.let_go()
    with pytest.raises(LedgerError, match="cannot record"):
        await sent


async def test_a_saved_ledger_and_the_records_after_it_make_the_ledger(one: Written, tmp_path: Path) -> None:
    one.journal.sent([1])
    await one.has_added(1)
    one.ends[0].set_result(None)
    saving = asyncio.create_task(one.journal.save_as(tmp_path / "saved.db"))
    while not saving.done():
        await asyncio.sleep(0.001)
        for end in one.ends[1:]:
            if not end.done():
                end.set_result(None)
    number = saving.result()
    assert number == len(one.added)

    one.journal.answered(answer(1))
    sent = one.journal.sent([2, 3])
    await one.has_added(number + 1)
    one.ends[-1].set_result(None)
    await sent
    with closing(written(tmp_path / "saved.db")) as saved:
        replay.replay(saved, tmp_path / "saved.db", [record for each, record in one.added if each > number])
    assert content(tmp_path / "saved.db") == content(one.path)


def test_a_ledger_knows_of_which_copy_it_is(tmp_path: Path) -> None:
    with closing(written(tmp_path / "x.db")) as connection:
        assert copied.find(connection) is None
        fetched.require_free(tmp_path / "x.db")
        copied.note(connection, CopyMark("db", 5, 1))
        assert copied.count_up(connection) == 1
        copied.note(connection, CopyMark("db", 5, 2))  # taken over
        assert copied.find(connection) == CopyMark("db", 5, 2, 1)
        with closing(open_for_reading(tmp_path / "x.db")) as reader:
            assert copied.find(reader) == CopyMark("db", 5, 2, 1)
        with pytest.raises(LedgerError, match="has a copy") as caught:
            fetched.require_free(tmp_path / "x.db")
        assert caught.value.stop is StopKind.LEDGER
        copied.note(connection, CopyMark("other", 5, 1))
        assert copied.find(connection) == CopyMark("other", 5, 1, 0)
    fetched.forget(tmp_path / "x.db")
    fetched.require_free(tmp_path / "x.db")


def test_of_two_copies_the_one_of_the_later_holder_is_further() -> None:
    assert CopyMark("db", 5, 2, 1).place > CopyMark("db", 5, 1, 900).place
    assert CopyMark("db", 5, 2, 2).place > CopyMark("db", 5, 2, 1).place
