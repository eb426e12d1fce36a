"""A copy of the ledger that is given the records of a run is the run's ledger to the byte, whatever was noted."""

import random
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkroute.errors import LedgerError
from bulkroute.ledger import copied, notes, replay, rollback, runs
from bulkroute.ledger.batches import Batch, QueuedRow, Tenant
from bulkroute.ledger.copied import CopyMark
from bulkroute.ledger.gates import GateAnswer, GateKind, GateNote
from bulkroute.ledger.notes import Attempt, Notes, Pace, Wait
from bulkroute.ledger.remarks import Remark, RemarkKind
from bulkroute.ledger.runs import RunStart
from bulkroute.ledger.waves import WaveNote, WaveState
from bulkroute.model import FailureKind, PaceCause, Row, Ruling, Status, Verdict
from tests.ledgers import written

ROWS = 12
TEXTS = ["", "the flow is in use", "Größe „3“ 🙂\x00\n", "'; DROP TABLE row; --"]
MARK = CopyMark("db", -7, 3)


def ledger(path: Path, *, back: bool, marked: bool = True) -> int:
    """Make a ledger of two waves whose run is about to begin, or the rollback of such a one; return the run.

    `marked`: it has a copy.
    """
    with closing(written(path)) as connection:
        for number, parent in [(1, None), (2, 1)][: 1 + back]:
            connection.execute(
                "INSERT INTO batch (batch, created_at, manifest, digest, parent) VALUES (?, 0, 'm.csv', '', ?)",
                (number, parent),
            )
            connection.executemany(
                "INSERT INTO row (batch, id, line, devicetype, device_id, wave, status, attempts) VALUES (?, ?, 2, 1, 1, ?, ?, ?)",
                [
                    (
                        number,
                        f"id{row}",
                        1 + row // 7,
                        "succeeded" if back and not parent else "pending",
                        back and not parent,
                    )
                    for row in range(ROWS)
                ],
            )
            connection.executemany(
                "INSERT INTO wave (batch, wave, asked, since) VALUES (?, ?, '', 0)", [(number, 1), (number, 2)]
            )
        batch = Batch(2, "m.csv", "", 1) if back else Batch(1, "m.csv", "")
        if marked:
            copied.note(connection, MARK)
        return runs.begin(connection, batch, RunStart("run", "0", Tenant("s", ""), None))


class Night:
    """Draws what a run may note next; knows which rows may be sent and which are."""

    def __init__(self, seed: int, *, back: bool) -> None:
        self.random = random.Random(seed)
        self.pending = list(range(1 + ROWS * back, 1 + ROWS + ROWS * back))
        self.sent: list[int] = []
        self.waits: list[Wait] = []

    def notes(self) -> Notes:
        draw = self.random
        noted = Notes(at=draw.random() * 1e9)
        for row in self.take(self.sent):
            noted.attempts.append(self.attempt(row))
            if noted.attempts[-1].status is Status.PENDING:
                self.pending.append(row)
        for row in self.take(self.pending):
            if draw.random() < 0.15:
                verdict = self.verdict(Ruling.AGAIN)
                noted.failed.append(Attempt(self.queued(row), 1, 1.5, 2.5, verdict, Status.FAILED, verdict.kind))
            else:
                noted.sent.append((row,))
                self.sent.append(row)
        for row in self.take(self.sent):
            noted.withdrawn.append((row,))
            self.pending.append(row)
        if draw.random() < 0.4:
            wait = Wait(draw.choice(TEXTS))
            noted.waits.append(wait)
            if draw.random() < 0.5:
                wait.end()
                noted.waits.append(wait)
            else:
                self.waits.append(wait)
        elif self.waits:
            wait = self.waits.pop()
            wait.end()
            noted.waits.append(wait)
        if draw.random() < 0.3:
            pace = Pace(draw.choice([None, 20.0]), draw.random(), 64)
            noted.paces.append((draw.random(), pace, draw.choice(list(PaceCause)), draw.choice(TEXTS)))
            noted.remarks.append(
                Remark.now(draw.choice(list(RemarkKind)), draw.choice(TEXTS), is_good=draw.random() < 0.5)
            )
            noted.given_back.append((1, 1 + draw.randrange(ROWS)))
            noted.waves.append(WaveNote(draw.choice([1, 2]), draw.choice(list(WaveState)), "as sent", may_follow=True))
            noted.gates.append(GateNote(1, draw.choice(list(GateKind)), draw.choice(list(GateAnswer)), "go"))
        return noted

    def take(self, rows: list[int]) -> list[int]:
        taken = [row for row in rows if self.random.random() < 0.4]
        for row in taken:
            rows.remove(row)
        return taken

    def queued(self, row: int) -> QueuedRow:
        return QueuedRow(row, Row(row, f"id{row}", 1, 101), tried=False, called_number="4008001234")

    def verdict(self, ruling: Ruling) -> Verdict:
        draw = self.random
        kind = draw.choice(list(FailureKind)) if ruling in (Ruling.FAILED, Ruling.AGAIN) else None
        return Verdict(
            ruling, kind, draw.choice([None, 200, 503]), draw.choice([None, "0"]), draw.choice([None, *TEXTS])
        )

    def attempt(self, row: int) -> Attempt:
        draw = self.random
        verdict = self.verdict(draw.choice(list(Ruling)))
        is_done = verdict.ruling is Ruling.DONE
        status = Status.SUCCEEDED if is_done else draw.choice([Status.FAILED, Status.PENDING])
        error = verdict.kind if status is Status.FAILED else None
        took_ms = draw.random() * 100
        return Attempt(
            self.queued(row), 1, draw.random() * 1e9, took_ms, verdict, status, error, is_done or draw.random() < 0.8
        )


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


@pytest.mark.slow
@given(seed=st.integers(0, 2**32), commits=st.integers(1, 30), back=st.booleans())
@settings(max_examples=25)
def test_what_is_replayed_is_what_was_written(seed: int, commits: int, back: bool) -> None:
    with folder() as where:
        run = ledger(where / "own.db", back=back)
        with closing(written(where / "own.db")) as own, closing(written(where / "other.db")) as other:
            for connection in (own, other):
                connection.execute("PRAGMA synchronous=OFF")
            own.backup(other)
            if back:
                rollback.keep_true(own, Batch(2, "m.csv", "", 1))
            night = Night(seed, back=back)
            records = []
            for _ in range(commits):
                noted = night.notes()
                records.append(replay.encode(run, noted))
                notes.write(own, where, run, noted)
                copied.count_up(own)
            replay.replay(other, where, records)
            found = copied.find(other)
            assert found is not None
            assert found.number == commits
        assert content(where / "other.db") == content(where / "own.db")


def test_a_record_is_small(tmp_path: Path) -> None:
    night = Night(1, back=False)
    done = Verdict(Ruling.DONE, None, 200, "0", "success")
    attempts = [
        Attempt(night.queued(row), 1, 1.79e9 + row / 7, 20 + row / 7, done, Status.SUCCEEDED, None) for row in range(64)
    ]
    assert len(replay.encode(1, Notes(at=1.79e9, attempts=attempts, sent=[(row,) for row in range(64)]))) < 64 * 45


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b"nonsense", "incorrect header"),
        (zlib.compress(b"[1]"), "of format 1, not"),
        (zlib.compress(b"[3, 1]"), "not enough values"),
    ],
)
def test_a_record_of_another_version_is_refused_and_nothing_is_written(tmp_path: Path, record: bytes, why: str) -> None:
    run = ledger(tmp_path / "x.db", back=False)
    before = content(tmp_path / "x.db")
    good = replay.encode(run, Night(1, back=False).notes())
    with closing(written(tmp_path / "x.db")) as connection, pytest.raises(LedgerError, match=why) as caught:
        replay.replay(connection, tmp_path / "x.db", [good, record])
    assert "version" in caught.value.hint
    assert content(tmp_path / "x.db") == before


def test_a_record_that_does_not_fit_the_ledger_is_refused(tmp_path: Path) -> None:
    run = ledger(tmp_path / "x.db", back=False)
    records = [replay.encode(run, Notes(sent=[(1,)]))] * 2
    with closing(written(tmp_path / "x.db")) as connection, pytest.raises(LedgerError, match="to be sent"):
        replay.replay(connection, tmp_path / "x.db", records)
