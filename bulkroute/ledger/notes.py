"""What is noted of a run until its next commit, and how that is written: calls, waits, paces and remarks.

Each status is left only from the state that it may be left from; a row that is in another one fails the whole commit.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import LedgerError
from bulkroute.ledger import gates, waves
from bulkroute.ledger.batches import QueuedRow
from bulkroute.ledger.gates import GateNote
from bulkroute.ledger.remarks import Remark, keep
from bulkroute.ledger.waves import WaveNote
from bulkroute.model import UNCOUNTED, FailureKind, PaceCause, Ruling, Status, Verdict


class Attempt(NamedTuple):
    """One call that was answered or given up, and where it leaves its row: `status`, and `error` for a failed one.

    It has succeeded if that is the verdict, and only then; such a call uses up its try. `number` is the try it belongs
    to, 1 for the first in this run. `uses_try` is False for one that is not held against the row, since the service was
    down.
    """

    queued: QueuedRow
    number: int
    started_at: float
    latency_ms: float
    verdict: Verdict
    status: Status
    error: FailureKind | None
    uses_try: bool = True


# While a rollback is under way, triggers let the rows of its batch follow the next four (`rollback.keep_true`).
_SENT = f"UPDATE row SET status = '{Status.SENT}' WHERE row BETWEEN ? AND ? AND status = '{Status.PENDING}'"

_WITHDRAWN = f"UPDATE row SET status = '{Status.PENDING}' WHERE row = ? AND status = '{Status.SENT}'"

_ANSWERED = (
    "UPDATE row SET status = ?, error = ?, attempts = attempts + ?, given_back = given_back + ?, http_status = ?,"
    f" return_code = ?, description = ?, latency_ms = ?, finished_at = ? WHERE row = ? AND status = '{Status.SENT}'"
)

_SUCCEEDED = (
    f"UPDATE row SET status = '{Status.SUCCEEDED}', error = NULL, attempts = row.attempts + 1,"
    " http_status = call.http_status, return_code = call.return_code, description = call.description,"
    " latency_ms = call.latency_ms, finished_at = call.started_at + call.latency_ms / 1000"
    f" FROM attempt AS call WHERE call.attempt > ? AND call.verdict = '{Ruling.DONE.value}'"
    f" AND row.row = call.row AND row.status = '{Status.SENT}'"
)

_LAST_ATTEMPT = "SELECT coalesce(max(attempt), 0) FROM attempt"

_FAILED = f"UPDATE row SET status = '{Status.FAILED}', error = ?, finished_at = ? WHERE row = ? AND status = '{Status.PENDING}'"

_GIVEN_BACK = "UPDATE row SET given_back = given_back + ? WHERE row = ?"

_WAIT_BEGAN = "INSERT INTO wait (run, started_at, reason) VALUES (?, ?, ?)"

_WAIT_ENDED = "UPDATE wait SET ended_at = ? WHERE wait = ?"

_PACE = "INSERT INTO pace (run, at, asked, rate, concurrency, cause, reason) VALUES (?, ?, ?, ?, ?, ?, ?)"

_ATTEMPT = (
    "INSERT INTO attempt (row, run, number, started_at, latency_ms, verdict, http_status, return_code, description)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Wait:
    """A time in which no call could start; `number` is its key once it is on disk."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.started_at = time.time()
        self.ended_at: float | None = None
        self.number: int | None = None

    def end(self) -> None:
        """Take note that it is over now."""
        self.ended_at = time.time()

    @property
    def seconds(self) -> float:
        """How long it lasted; 0 while it lasts."""
        return (self.ended_at or self.started_at) - self.started_at


class Pace(NamedTuple):
    """How fast calls may go. Rates in calls per second, None for unlimited; `rate_per_s` is the one in force."""

    asked_per_s: float | None
    rate_per_s: float | None
    concurrency: int


@dataclass
class Notes:
    """What was noted since the last commit."""

    at: float = 0.0
    """When it is written; in seconds since the epoch."""
    attempts: list[Attempt] = field(default_factory=list)
    failed: list[Attempt] = field(default_factory=list)
    """The last calls of rows that have failed by them after all."""
    given_back: list[tuple[int, int]] = field(default_factory=list)
    """Tries, and the row's key."""
    withdrawn: list[tuple[int]] = field(default_factory=list)
    """Keys of rows, as are those sent."""
    sent: list[tuple[int]] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    paces: list[tuple[float, Pace, PaceCause, str]] = field(default_factory=list)
    """When, at which pace from then on, and why."""
    remarks: list[Remark] = field(default_factory=list)
    waves: list[WaveNote] = field(default_factory=list)
    gates: list[GateNote] = field(default_factory=list)


def write(connection: sqlite3.Connection, path: Path, run: int, notes: Notes) -> None:
    """Write all that was noted of a run into the ledger at `path`, within the caller's transaction.

    Answers go before SENT, since a row may be answered and sent again within one commit. Raises sqlite3.Error, and
    LedgerError for a row that is in another state than it must be in.
    """

    def require(moved: int, rows: int, doing: str) -> None:
        if moved != rows:
            raise LedgerError(
                f"{rows - moved} rows were not in the state they must be in to be {doing}",
                where=str(path),
                hint="another program changed the ledger; run the same command again",
            )

    def move(sql: str, rows: Sequence[tuple[object, ...]], doing: str) -> None:
        require(_many(connection, sql, rows), len(rows), doing)

    if notes.attempts:
        require(_write_answers(connection, run, notes.attempts), len(notes.attempts), "answered")
    if notes.failed:
        failed = [(attempt.error, notes.at, attempt.queued.number) for attempt in notes.failed]
        move(_FAILED, failed, "failed")
    if notes.given_back:
        connection.executemany(_GIVEN_BACK, notes.given_back)
    require(_many(connection, _SENT, _stretches(notes.sent)), len(notes.sent), "sent")
    move(_WITHDRAWN, notes.withdrawn, "withdrawn")
    for wait in notes.waits:
        _write_wait(connection, run, wait)
    if notes.paces:
        connection.executemany(_PACE, [(run, at, *pace, *why) for at, pace, *why in notes.paces])
    if notes.remarks:
        keep(connection, run, notes.remarks)
    if notes.waves:
        waves.note(connection, run, notes.waves, notes.at)
    if notes.gates:
        gates.note(connection, run, notes.gates, notes.at)


def _many(connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Do this for each of them; return how many rows of the ledger it changed."""
    return connection.executemany(sql, rows).rowcount if rows else 0


def _write_answers(connection: sqlite3.Connection, run: int, attempts: Iterable[Attempt]) -> int:
    """Write how calls ended; return how many rows that brought on.

    Nearly all succeed: their rows take that from what was just written, in one statement, a third cheaper than one each.
    """
    (last,) = connection.execute(_LAST_ATTEMPT).fetchone()
    connection.executemany(_ATTEMPT, [_attempt_values(attempt, run) for attempt in attempts])
    others = [_row_values(attempt) for attempt in attempts if attempt.verdict.ruling is not Ruling.DONE]
    return connection.execute(_SUCCEEDED, (last,)).rowcount + _many(connection, _ANSWERED, others)


def _stretches(rows: Iterable[tuple[int]]) -> list[tuple[int, int]]:
    """Return the first and the last of each stretch of rows whose keys follow one another, as those sent mostly do."""
    found: list[tuple[int, int]] = []
    for (row,) in rows:
        if found and found[-1][1] == row - 1:
            found[-1] = (found[-1][0], row)
        else:
            found.append((row, row))
    return found


def _write_wait(connection: sqlite3.Connection, run: int, wait: Wait) -> None:
    if wait.number is None:
        began = (run, wait.started_at, wait.reason)
        wait.number = connection.execute(_WAIT_BEGAN, began).lastrowid
    if wait.ended_at is not None:
        connection.execute(_WAIT_ENDED, (wait.ended_at, wait.number))


def _row_values(attempt: Attempt) -> tuple[object, ...]:
    """Return what is bound for a call that did not succeed.

    sqlite3 asks around for an adapter for whatever is not exactly an int, a float or a str.
    """
    queued, _number, started_at, latency_ms, verdict, status, error, uses_try = attempt
    is_pending = status is Status.PENDING
    may_have_changed_it = 0 if is_pending and verdict.ruling in UNCOUNTED else 1
    return (
        str.__str__(status),
        error,
        may_have_changed_it,
        0 if uses_try else may_have_changed_it,
        verdict.http_status,
        verdict.return_code,
        verdict.description,
        latency_ms,
        None if is_pending else started_at + latency_ms / 1000,
        queued.number,
    )


def _attempt_values(attempt: Attempt, run: int) -> tuple[object, ...]:
    queued, number, started_at, latency_ms, verdict, *_ = attempt
    return (
        queued.number,
        run,
        number,
        started_at,
        latency_ms,
        verdict.kind or verdict.ruling._value_,
        verdict.http_status,
        verdict.return_code,
        verdict.description,
    )
