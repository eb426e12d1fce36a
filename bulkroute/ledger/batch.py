"""What the ledger is working through: batches, runs, and the merge of a manifest into them.

Every function is one transaction on the connection of the run that holds the lock.
"""

import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from typing import NamedTuple

from bulkroute.ledger.staging import Staging
from bulkroute.ledger.store import transaction
from bulkroute.model import FailureKind, Row, Status

CHUNK_ROWS = 256
"""Rows read ahead of the work: few enough to stay small, many enough that reading costs nothing."""

BLANK_RESULT = (
    "error = NULL, http_status = NULL, return_code = NULL, description = NULL, latency_ms = NULL, finished_at = NULL"
)


class Batch(NamedTuple):
    """One set of rows; `digest` is that of the manifest merged last, '' where a merge never finished."""

    number: int
    manifest: str
    digest: str


class Work(NamedTuple):
    """A row on its way to the service: `number` is its key in the ledger."""

    number: int
    row: Row


class Changes(NamedTuple):
    """What a manifest changed in a batch that was there already, in rows."""

    new: int = 0
    retargeted: int = 0
    gone: int = 0
    returned: int = 0

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return any(self)

    def __str__(self) -> str:
        """Return `3 new, 1 retargeted`."""
        return ", ".join(f"{count:,} {name}" for name, count in zip(self._fields, self, strict=True) if count)


def latest(connection: sqlite3.Connection) -> Batch | None:
    """Return the batch that repeated runs continue, None in a ledger that has none yet."""
    found = connection.execute("SELECT batch, manifest, digest FROM batch ORDER BY batch DESC LIMIT 1").fetchone()
    return Batch(*found) if found else None


def merge(
    connection: sqlite3.Connection, batch: Batch | None, staging: Staging, name: str, digest: str
) -> tuple[Batch, Changes]:
    """Take the staged manifest over: into `batch`, or into a new one where it is None.

    By id and target, never by position: a row that is done with the same target stays done, one with another target
    is pending again, one that is gone is kept for the record and no longer worked on.
    """
    # After an error the connection is closed, and what is attached with it.
    connection.execute("ATTACH ? AS incoming", (str(staging.path),))
    with transaction(connection):
        changes = Changes()
        if batch is None:
            batch = _create(connection, name)
            _insert(connection, batch.number)
        else:
            changes = _update(connection, batch.number)
        connection.execute("UPDATE batch SET manifest = ?, digest = ? WHERE batch = ?", (name, digest, batch.number))
    connection.execute("DETACH incoming")
    return Batch(batch.number, name, digest), changes


def _create(connection: sqlite3.Connection, name: str) -> Batch:
    made = connection.execute("INSERT INTO batch (created_at, manifest, digest) VALUES (?, ?, '')", (time.time(), name))
    return Batch(made.lastrowid or 0, name, "")


def _insert(connection: sqlite3.Connection, batch: int) -> int:
    return connection.execute(
        "INSERT INTO row (batch, id, line, devicetype, device_id)"
        " SELECT ?1, id, line, devicetype, device_id FROM incoming.staged AS staged"
        " WHERE NOT EXISTS (SELECT 1 FROM row WHERE row.batch = ?1 AND row.id = staged.id) ORDER BY staged.rowid",
        (batch,),
    ).rowcount


def _update(connection: sqlite3.Connection, batch: int) -> Changes:
    gone = connection.execute(
        "UPDATE row SET listed = 0 WHERE batch = ? AND listed"
        " AND NOT EXISTS (SELECT 1 FROM incoming.staged WHERE staged.id = row.id)",
        (batch,),
    ).rowcount
    returned = connection.execute(
        "UPDATE row SET listed = 1 WHERE batch = ? AND NOT listed"
        " AND EXISTS (SELECT 1 FROM incoming.staged WHERE staged.id = row.id)",
        (batch,),
    ).rowcount
    retargeted = connection.execute(
        "UPDATE row SET devicetype = staged.devicetype, device_id = staged.device_id,"
        f" status = '{Status.PENDING}', attempts = 0, {BLANK_RESULT} FROM incoming.staged AS staged"
        " WHERE row.batch = ? AND row.id = staged.id"
        " AND (row.devicetype <> staged.devicetype OR row.device_id <> staged.device_id)",
        (batch,),
    ).rowcount
    connection.execute(
        "UPDATE row SET line = staged.line FROM incoming.staged AS staged"
        " WHERE row.batch = ? AND row.id = staged.id AND row.line <> staged.line",
        (batch,),
    )
    return Changes(_insert(connection, batch), retargeted, gone, returned)


def reopen(connection: sqlite3.Connection, batch: Batch) -> tuple[int, int]:
    """Make what earlier runs left undone pending again; return how many rows had failed and how many are in doubt.

    A row in doubt is sent again: rebinding sets an absolute state, so a call that was applied is repeated without
    harm. Rows in conflict stay failed, since sending them would overwrite what somebody else set.
    """
    again = f"UPDATE row SET status = '{Status.PENDING}', {BLANK_RESULT}"
    failed = connection.execute(
        f"{again} WHERE batch = ? AND listed AND status = '{Status.FAILED}' AND error <> '{FailureKind.CONFLICT}'",
        (batch.number,),
    ).rowcount
    in_doubt = connection.execute(
        f"{again}, attempts = attempts + 1 WHERE batch = ? AND listed AND status = '{Status.SENT}'", (batch.number,)
    ).rowcount
    return failed, in_doubt


def pending(connection: sqlite3.Connection, batch: Batch) -> Iterator[Work]:
    """Yield the rows still to be sent, in the manifest's order, reading a few ahead."""
    after = 0
    while True:
        chunk = connection.execute(
            # By the key, not the index on (batch, id): that one would have to sort what is left, each time.
            "SELECT row, line, id, devicetype, device_id FROM row NOT INDEXED"
            f" WHERE batch = ? AND row > ? AND listed AND status = '{Status.PENDING}' ORDER BY row LIMIT {CHUNK_ROWS}",
            (batch.number, after),
        ).fetchall()
        for number, *row in chunk:
            yield Work(number, Row(*row))
        if len(chunk) < CHUNK_ROWS:
            return
        after = chunk[-1][0]


def begin_run(
    connection: sqlite3.Connection, batch: Batch, *, command: str, version: str, service: str, rate_per_s: float | None
) -> int:
    """Record that a run starts; return its number."""
    made = connection.execute(
        "INSERT INTO run (batch, command, started_at, pid, host, version, service, rate) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (batch.number, command, time.time(), os.getpid(), socket.gethostname(), version, service, rate_per_s),
    )
    return made.lastrowid or 0


class RunEnd(NamedTuple):
    """What is recorded of a run when it ends."""

    seconds: float
    attempts: int
    retries: int
    throttled: int
    stopped: str | None
    exit_code: int


def end_run(connection: sqlite3.Connection, run: int, end: RunEnd) -> None:
    """Record how a run ended."""
    connection.execute(
        "UPDATE run SET ended_at = ?, seconds = ?, attempts = ?, retries = ?, throttled = ?, stopped = ?, exit_code = ?"
        " WHERE run = ?",
        (time.time(), *end, run),
    )
