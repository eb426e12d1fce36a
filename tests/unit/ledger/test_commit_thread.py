"""Commits of a slow disk keep nobody waiting but those who wait for them; order and failures are as on the loop."""

import asyncio
import sqlite3
import sys
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bulkroute.errors import LedgerError
from bulkroute.ledger import commit_thread, runs
from bulkroute.ledger.batches import Batch, QueuedRow, Tenant
from bulkroute.ledger.commit_thread import CommitThread
from bulkroute.ledger.journal import Journal
from bulkroute.ledger.notes import Attempt
from bulkroute.ledger.runs import RunStart
from bulkroute.model import FailureKind, Row, Ruling, Status, Verdict
from tests.ledgers import written
from tests.slow_disk import SlowDisk

IDS = "abcd"
REFUSED = Verdict(Ruling.FAILED, FailureKind.BUSINESS, 200, "7", None)


class Written:
    """A journal on a ledger of four rows, numbered from 1, on a slow disk of its own."""

    def __init__(self, path: Path, exits: ExitStack) -> None:
        self.disk = SlowDisk()
        with closing(written(path)) as connection:
            connection.execute("INSERT INTO batch (batch, created_at, manifest, digest) VALUES (1, 0, 'm.csv', '')")
            connection.executemany(
                "INSERT INTO row (batch, id, line, devicetype, device_id) VALUES (1, ?, 2, 1, 1)", IDS
            )
            run = runs.begin(connection, Batch(1, "m.csv", ""), RunStart("run", "0", Tenant("s", ""), None))
        self.connection = exits.enter_context(closing(self.disk.connect(path)))
        self._other = exits.enter_context(closing(sqlite3.connect(path)))
        self.told: list[int] = []
        self.journal = Journal(self.connection, path, run, self._tell)

    def _tell(self, answered: list[Attempt], _failed: list[Attempt]) -> None:
        self.told += [attempt.queued.number for attempt in answered]

    def on_disk(self) -> str:
        """Return the first letters of what the rows are for another process: `sppp`, say."""
        return "".join(status[0] for (status,) in self._other.execute("SELECT status FROM row ORDER BY row"))

    def answered(self, row: int) -> asyncio.Future[None]:
        queued = QueuedRow(row, Row(2, IDS[row - 1], 1, 1), tried=False)
        return self.journal.answered(Attempt(queued, 1, 1000.0, 20.0, REFUSED, Status.FAILED, FailureKind.BUSINESS))

    async def is_held(self) -> None:
        """Wait until a commit is held; only a loop that a commit does not keep waiting comes so far."""
        while not self.disk.held.is_set():
            await asyncio.sleep(0)


@pytest.fixture
def one(tmp_path: Path, exits: ExitStack) -> Written:
    return Written(tmp_path / "one.db", exits)


async def test_a_slow_commit_holds_up_its_own_ledger_alone(one: Written, tmp_path: Path, exits: ExitStack) -> None:
    other = Written(tmp_path / "other.db", exits)
    await one.journal.sent([1])  # slow, and on the loop
    await other.journal.sent([1])

    one.disk.hold()
    late = one.journal.sent([2])
    await one.is_held()
    for row in (2, 3, 4):
        await other.journal.sent([row])
    assert (other.on_disk(), one.on_disk()) == ("ssss", "sppp")
    assert not late.done(), "the call would leave before it is on disk"

    one.disk.let_go()
    await late
    assert one.on_disk() == "sspp"


async def test_what_is_noted_during_a_commit_goes_with_the_next_in_order(one: Written) -> None:
    await one.journal.sent([1, 2])
    one.disk.hold()
    first = one.answered(1)
    await one.is_held()
    commits = one.disk.commits
    later = [one.answered(2), one.journal.sent([3]), one.journal.sent([4]), one.journal.withdraw([4])]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not first.done()
    assert one.told == []
    one.disk.let_go()
    await first
    assert one.told == [1]
    assert not any(each.done() for each in later)
    await asyncio.gather(*later)
    assert one.told == [1, 2]
    assert one.on_disk() == "ffsp"
    assert one.disk.commits == commits + 1


async def test_a_commit_that_fails_in_the_thread_breaks_the_journal(one: Written) -> None:
    await one.journal.sent([1])
    one.disk.error = sqlite3.OperationalError("database or disk is full")
    with pytest.raises(LedgerError, match="cannot record what was done: database or disk is full"):
        await one.journal.sent([2])
    assert not one.connection.in_transaction
    one.disk.error = None
    one.answered(1)
    with pytest.raises(LedgerError, match="full"):
        await one.journal.flush()
    assert one.told == []
    assert one.on_disk() == "sppp"


async def test_commits_that_are_slow_now_and_then_stay_where_they_are(
    one: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = CommitThread(one.connection)
    now_s, takes_s = 0.0, 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += takes_s
        return now_s

    def commit(seconds: float) -> asyncio.Future[None] | None:
        nonlocal takes_s
        takes_s = seconds
        one.connection.execute("BEGIN")
        return commits.commit()

    monkeypatch.setattr(commit_thread, "time", SimpleNamespace(perf_counter=clock))
    one.disk.sync_s = 0.0
    for _ in range(20):
        assert commit(0.004) is None
        for _ in range(20):
            assert commit(0.0003) is None
    slow = 0
    while (job := commit(0.002)) is None:
        slow += 1
    await job
    assert slow == 4
    while (job := commit(0.002)) is not None:  # as fast as the thread can tell
        await job
    job = commit(0.0003)
    assert job is not None, "one slow commit back on the loop is enough"
    await job


@pytest.mark.parametrize(
    ("slow_s", "waits_s"),
    [
        pytest.param(60.0, 0.0, id="the disk is fast again"),
        pytest.param(0.0, 60.0, id="Python lets the thread wait"),
    ],
)
async def test_commits_go_to_the_thread_after_a_slow_one_until_many_were_fast(
    one: Written, monkeypatch: pytest.MonkeyPatch, slow_s: float, waits_s: float
) -> None:
    commits = CommitThread(one.connection)

    def commit() -> asyncio.Future[None] | None:
        one.connection.execute("BEGIN")
        return commits.commit()

    monkeypatch.setattr(sys, "getswitchinterval", lambda: waits_s)
    assert commit() is None
    job = commit()
    assert job is not None
    await job
    assert {threading.main_thread()} < one.disk.threads

    one.disk.sync_s = 0.0
    monkeypatch.setattr(commit_thread, "SLOW_S", slow_s)  # however busy this machine is
    fast = 0 if slow_s else 1
    while (job := commit()) is not None:
        await job
        fast += 1
    assert fast == commit_thread.FAST_IN_A_ROW
