"""What a command has told and sent by some moment, and whether a ledger that is found after it is one to go on with."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulkroute.errors import BulkrouteError, LedgerError
from bulkroute.ledger.ledger import Ledger
from tests.crash.recording import Operation
from tests.harness import Target

DONE = "('succeeded', 'unchanged', 'skipped')"
NOT_MADE_YET = ("there is no such ledger", "the ledger is empty")


@dataclass
class Told:
    """What left a command so far: calls, by its sockets, and its words, by its streams."""

    calls: list[tuple[str, Target]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Rows that it called failed, and why."""
    done: int = 0
    """Rows that it called done."""
    exit_code: int | None = None
    """What it called its end."""
    words: int = 0
    _unfinished: str = ""

    def take(self, operation: Operation) -> None:
        if operation.kind == "C":
            body = json.loads(operation.data[operation.data.index(b"\r\n\r\n") :])
            self.calls.append((body["id"], (body["devicetype"], body["deviceId"])))
        elif operation.kind == "T":
            *lines, self._unfinished = (self._unfinished + operation.data.decode()).split("\n")
            for line in lines:
                if line.startswith("{"):
                    self._hear(json.loads(line))

    def _hear(self, said: dict[str, Any]) -> None:
        self.words += 1
        if said["event"] == "row_failed":
            self.failed[said["id"]] = said["error"]
        elif said["event"] == "progress":
            self.done = max(self.done, said["done"])
        elif said["event"] == "run_ended":
            self.done = max(self.done, said["succeeded"] + said["unchanged"] + said["skipped"])
            self.exit_code = said["exit_code"]


@dataclass(frozen=True)
class Held:
    """What a ledger says of the batch that was last worked on; of calls, all that it has on record, by id."""

    status: dict[str, tuple[str, str | None]]
    answered: Counter[str]
    exit_code: int | None
    done: int

    @classmethod
    def by(cls, ledger: Path) -> "Held":
        """Read a ledger past the product, after a look at whether it is sound. Raises AssertionError, sqlite3.Error."""
        nothing = cls({}, Counter(), None, 0)
        if not ledger.exists():
            return nothing
        with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), "the file is damaged"
            assert not connection.execute("PRAGMA foreign_key_check").fetchall(), "a row refers to none"
            if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                return nothing
            last = connection.execute("SELECT batch, exit_code FROM run ORDER BY run DESC LIMIT 1").fetchone()
            if last is None:
                return nothing
            rows = connection.execute("SELECT id, status, error FROM row WHERE batch = ?", last[:1])
            status = {row_id: (now, error) for row_id, now, error in rows}
            answered = connection.execute("SELECT id, count(*) FROM attempt JOIN row USING (row) GROUP BY id")
            done = connection.execute(
                f"SELECT count(*) FROM row WHERE batch = ? AND status IN {DONE}", last[:1]
            ).fetchone()
            return cls(status, Counter(dict(answered.fetchall())), last[1], done[0])


def troubles(ledger: Path, before: Held, told: Told) -> list[str]:
    """Say what is wrong with a ledger that power loss left at a moment when that much was told and sent.

    `before`: what it was when the command began. What was begun is then gone on with as the next run does.
    """
    try:
        _look(ledger)
        now = Held.by(ledger)
        found = _lost(now, told) + _unmarked(now, before, told)
        _go_on(ledger)
        Held.by(ledger)
    except (BulkrouteError, sqlite3.Error, AssertionError) as error:
        return [f"refused: {error}"]
    return found


def _lost(now: Held, told: Told) -> list[str]:
    lost = [
        f"lost: {row_id} was called failed ({error}), and is {now.status.get(row_id)}"
        for row_id, error in told.failed.items()
        if now.status.get(row_id) != ("failed", error)
    ]
    if now.done < told.done:
        lost.append(f"lost: {told.done} rows were called done, and {now.done} are")
    if told.exit_code is not None and now.exit_code != told.exit_code:
        lost.append(f"lost: it ended with {told.exit_code}, and the ledger says {now.exit_code}")
    return lost


def _unmarked(now: Held, before: Held, told: Told) -> list[str]:
    found = []
    left = Counter(row_id for row_id, _ in told.calls)
    for row_id in left | now.answered:
        answered = now.answered[row_id] - before.answered[row_id]
        status = now.status.get(row_id, ("not there", None))[0]
        if left[row_id] > answered + (status == "sent"):
            found.append(
                f"unmarked: {left[row_id]} calls of {row_id} left, {answered} are on record, and it is {status}"
            )
        if answered > left[row_id]:
            found.append(f"invented: {answered} calls of {row_id} are on record, and {left[row_id]} left")
    return found


def _look(ledger: Path) -> None:
    """Read it as `status` does, before anybody has mended anything."""
    try:
        with Ledger(ledger).read() as reader:
            if (batch := reader.find_batch()) is not None:
                batch.counts()
    except LedgerError as error:
        if not any(words in str(error) for words in NOT_MADE_YET):
            raise


def _go_on(ledger: Path) -> None:
    """Check it, open it for a run and prepare its batch, as the next run does."""
    with Ledger(ledger).hold() as held:
        with held.checked() as reader:
            batch = reader.find_batch()
        with held.write() as writer, writer.preparing(lambda _: None):
            if batch is not None:
                working = writer.work_on(batch)
                working.reopen(skipped=True)
                list(working.pending())
