"""Writes what happens to rows, safely and in groups.

Everything noted in one turn of the event loop, and in the next, goes to disk in one commit: with `synchronous=FULL`
a commit is a sync of the disk, and 64 rows cost no more than one. What was committed survives kill -9 and power loss.
"""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import LedgerError
from bulkroute.ledger.batches import QueuedRow
from bulkroute.ledger.file import transaction
from bulkroute.ledger.guard import ledger_errors
from bulkroute.ledger.remarks import Remark, keep
from bulkroute.model import UNCOUNTED, FailureKind, PaceCause, Status, Verdict


class Attempt(NamedTuple):
    """One call that was answered or given up, and where it leaves its row: `status`, and `error` for a failed one.

    `number` is the try it belongs to, 1 for the first in this run. `uses_try` is False for one that is not held
    against the row, since the service was down.
    """

    queued: QueuedRow
    number: int
    started_at: float
    latency_ms: float
    verdict: Verdict
    status: Status
    error: FailureKind | None
    uses_try: bool = True


# While a rollback is under way, triggers let the rows of its batch follow the next three (`rollback.keep_true`).
_SENT = f"UPDATE row SET status = '{Status.SENT}' WHERE row = ? AND status = '{Status.PENDING}'"

_WITHDRAWN = f"UPDATE row SET status = '{Status.PENDING}' WHERE row = ? AND status = '{Status.SENT}'"

_ANSWERED = (
    "UPDATE row SET status = ?, error = ?, attempts = attempts + ?, given_back = given_back + ?, http_status = ?,"
    f" return_code = ?, description = ?, latency_ms = ?, finished_at = ? WHERE row = ? AND status = '{Status.SENT}'"
)

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


class Journal:
    """Group commit for one run. A write that fails breaks the journal: nothing more is sent after that."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        run: int,
        announce: Callable[[list[Attempt], list[Attempt]], None],
    ) -> None:
        """Take the run's own connection; `announce` gets what was just committed: `answered`, and then `failed`."""
        self._announce = announce
        self._broken: LedgerError | None = None
        self._connection = connection
        self._path = path
        self._run = run
        self._notes = Notes()
        self._committed: asyncio.Future[None] | None = None
        self._file = path.stat()

    def sent(self, rows: list[int]) -> asyncio.Future[None]:
        """Note that these rows' calls are about to leave; the future ends when that is on disk.

        It raises LedgerError where the disk refused; then the calls must not leave.
        """
        self._notes.sent.extend((row,) for row in rows)
        return self._commit_soon()

    def withdraw(self, rows: list[int]) -> asyncio.Future[None]:
        """Note that the calls of these rows, noted as sent, never left."""
        self._notes.withdrawn.extend((row,) for row in rows)
        return self._commit_soon()

    def answered(self, attempt: Attempt) -> asyncio.Future[None]:
        """Note how a call ended; the future ends when that is on disk."""
        self._notes.attempts.append(attempt)
        return self._commit_soon()

    def failed(self, attempt: Attempt) -> asyncio.Future[None]:
        """Note that a pending row has failed after all, by the last of its calls, which is noted already."""
        self._notes.failed.append(attempt)
        return self._commit_soon()

    def give_back(self, tries: Mapping[int, int]) -> None:
        """Note that so many of each row's tries, by its key, used up none."""
        self._notes.given_back.extend((count, row) for row, count in tries.items())
        self._commit_soon()

    def waiting(self, reason: str) -> Wait:
        """Note that from now on no call can start; give the wait to `waited` when it is over."""
        wait = Wait(reason)
        self._notes.waits.append(wait)
        self._commit_soon()
        return wait

    def waited(self, wait: Wait) -> None:
        """Note that a wait is over, which has ended."""
        self._notes.waits.append(wait)
        self._commit_soon()

    def paced(self, pace: Pace, cause: PaceCause, reason: str) -> None:
        """Note at which pace calls go from now on, and why."""
        self._notes.paces.append((time.time(), pace, cause, reason))
        self._commit_soon()

    def said(self, remarks: Iterable[Remark]) -> None:
        """Note what was said of the run."""
        self._notes.remarks.extend(remarks)
        self._commit_soon()

    async def flush(self) -> None:
        """Wait until everything noted is on disk. Raises LedgerError where anything was not."""
        await self._commit_soon()

    def _commit_soon(self) -> asyncio.Future[None]:
        if self._committed is None:
            loop = asyncio.get_running_loop()
            self._committed = loop.create_future()
            # A turn later than the next: the answers that have come in by then go with it, a quarter fewer commits.
            loop.call_soon(loop.call_soon, self.commit)
        return self._committed

    def commit(self) -> None:
        """Write now what was noted, if anything is left to write."""
        committed, self._committed = self._committed, None
        if committed is None:
            return
        self._notes, notes = Notes(), self._notes
        try:
            if self._broken:
                raise self._broken
            with ledger_errors(self._path, "record what was done"):
                self._check_place()
                self._write(notes)
        except LedgerError as error:
            self._broken = error
            if not committed.cancelled():
                committed.set_exception(error)
                committed.exception()  # whoever noted an answer need not wait for it; the next SENT raises again
        else:
            if not committed.cancelled():
                committed.set_result(None)
            self._announce(notes.attempts, notes.failed)

    def _write(self, notes: Notes) -> None:
        """Write what was noted; answers before SENT, since a row may be answered and sent again within one commit."""
        connection = self._connection
        with transaction(connection):
            if notes.attempts:
                self._move(_ANSWERED, [_row_values(attempt) for attempt in notes.attempts], "answered")
                connection.executemany(_ATTEMPT, [_attempt_values(attempt, self._run) for attempt in notes.attempts])
            if notes.failed:
                now = time.time()
                failed = [(attempt.error, now, attempt.queued.number) for attempt in notes.failed]
                self._move(_FAILED, failed, "failed")
            if notes.given_back:
                connection.executemany(_GIVEN_BACK, notes.given_back)
            self._move(_SENT, notes.sent, "sent")
            self._move(_WITHDRAWN, notes.withdrawn, "withdrawn")
            for wait in notes.waits:
                self._write_wait(wait)
            if notes.paces:
                connection.executemany(_PACE, [(self._run, at, *pace, *why) for at, pace, *why in notes.paces])
            if notes.remarks:
                keep(connection, self._run, notes.remarks)

    def _move(self, sql: str, rows: Sequence[tuple[object, ...]], doing: str) -> None:
        """Write the status of rows, each of which must be in the state that it is to leave. Raises LedgerError."""
        if not rows:
            return
        moved = self._connection.executemany(sql, rows).rowcount
        if moved != len(rows):
            raise LedgerError(
                f"{len(rows) - moved} rows were not in the state they must be in to be {doing}",
                where=str(self._path),
                hint="another program changed the ledger; run the same command again",
            )

    def _check_place(self) -> None:
        """Refuse to write on into a file that has been removed or replaced: nobody would ever read it."""
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self._path.stat(), self._file):
                return
        raise LedgerError(
            "the ledger was removed or replaced while the run was going on",
            where=str(self._path),
            hint="put it back, or run the same command again: rows it no longer tells of are sent again",
        )

    def _write_wait(self, wait: Wait) -> None:
        if wait.number is None:
            began = (self._run, wait.started_at, wait.reason)
            wait.number = self._connection.execute(_WAIT_BEGAN, began).lastrowid
        if wait.ended_at is not None:
            self._connection.execute(_WAIT_ENDED, (wait.ended_at, wait.number))


def _row_values(attempt: Attempt) -> tuple[object, ...]:
    """Return what is bound. sqlite3 asks around for an adapter for whatever is not exactly an int, a float or a str."""
    queued, _number, started_at, latency_ms, verdict, status, error, uses_try = attempt
    may_have_changed_it = 0 if verdict.ruling in UNCOUNTED else 1
    return (
        str.__str__(status),
        error,
        may_have_changed_it,
        0 if uses_try else may_have_changed_it,
        verdict.http_status,
        verdict.return_code,
        verdict.description,
        latency_ms,
        None if status is Status.PENDING else started_at + latency_ms / 1000,
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
        verdict.kind or verdict.ruling.value,
        verdict.http_status,
        verdict.return_code,
        verdict.description,
    )
