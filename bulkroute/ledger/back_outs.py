"""Back-outs: a run that stopped takes back what its batch has changed.

That it is to is written with the end of that run, so whatever ends the process then, the next command finds it and goes
on. The rows themselves are put back by a rollback like any other, which is a batch of its own.
"""

import sqlite3
import time
from typing import NamedTuple

from bulkroute.ledger import lifecycle
from bulkroute.ledger.batches import Batch
from bulkroute.ledger.file import sql_list


class BackOut(NamedTuple):
    """One back-out; times in seconds since the epoch."""

    batch: int
    """The batch whose changes are taken back."""
    run: int
    """The run that stopped."""
    decided_at: float
    """When that was."""
    reason: str
    """Why it stopped, in words."""
    exit_code: int | None
    """Of the last command that worked on it; None until one has ended."""
    ended_at: float | None
    """When it was done as far as it goes; None while it is to be gone on with."""
    rows: int | None
    """Rows to put back; None until that is known."""
    back: int
    """Of these, those that are proven to be as before; while it goes on, those that were put back."""

    @property
    def is_unfinished(self) -> bool:
        """Whether the next run goes on with it."""
        return self.ended_at is None


_ROLLBACK = "(SELECT max(batch.batch) FROM batch WHERE batch.parent = back_out.batch)"
_SELECT = (
    "SELECT back_out.batch, back_out.run, decided_at, coalesce(run.stopped, ''), back_out.exit_code, back_out.ended_at,"
    " rows, coalesce(back, (SELECT count(*) FROM row WHERE back_out.ended_at IS NULL"
    f" AND row.batch = {_ROLLBACK} AND row.status IN ({sql_list(sorted(lifecycle.DONE))})))"
    " FROM back_out JOIN run ON run.run = back_out.run"
)


def decide(connection: sqlite3.Connection, batch: Batch, run: int) -> None:
    """Note, in the transaction that ends a run, that what its batch has changed is to be taken back."""
    connection.execute(
        "INSERT OR REPLACE INTO back_out (batch, run, decided_at) VALUES (?, ?, ?)", (batch.number, run, time.time())
    )


def unfinished(connection: sqlite3.Connection) -> BackOut | None:
    """Return the back-out that is to be gone on with; None if there is none."""
    found = connection.execute(f"{_SELECT} WHERE back_out.ended_at IS NULL ORDER BY back_out.batch DESC").fetchone()
    return BackOut(*found) if found else None


def of_batch(connection: sqlite3.Connection, batch: int) -> BackOut | None:
    """Return the back-out of a batch; None if there was none, or a person has taken it over."""
    found = connection.execute(
        f"{_SELECT} WHERE back_out.batch = ? AND (back_out.ended_at IS NULL OR back_out.exit_code IS NOT NULL)",
        (batch,),
    ).fetchone()
    return BackOut(*found) if found else None


def end(connection: sqlite3.Connection, batch: Batch, exit_code: int, rows: int, back: int, *, for_good: bool) -> None:
    """Note how a command that worked on a back-out ended; `for_good`: nothing of it is to be gone on with."""
    connection.execute(
        "UPDATE back_out SET exit_code = ?, ended_at = ?, rows = ?, back = ? WHERE batch = ?",
        (exit_code, time.time() if for_good else None, rows, back if for_good else None, batch.number),
    )


def give_over(connection: sqlite3.Connection) -> None:
    """End the back-out that goes on: a person puts back what they choose."""
    connection.execute("UPDATE back_out SET ended_at = ?, exit_code = NULL WHERE ended_at IS NULL", (time.time(),))
