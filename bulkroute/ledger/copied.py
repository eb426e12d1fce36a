"""A ledger that has a copy in a database, which stands for it on other hosts: whose it is and how far the two agree.

Such a ledger has a table `copy` of one row, which no other one has. Its number counts commits of its runs, in the same
transaction: so of two copies it is known which one is further. Only whoever holds the copy in the database may write a
run into it; to read it is free. `forget` makes it an ordinary ledger again.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bulkroute.ledger.file import transaction

_TABLE = (
    "CREATE TABLE IF NOT EXISTS copy (one INTEGER PRIMARY KEY CHECK (one = 1), database TEXT NOT NULL, tenant INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, number INTEGER NOT NULL) STRICT"
)


class CopyMark(NamedTuple):
    """Of which copy a ledger is, and how far it is."""

    database: str
    """What tells the database from any other."""
    tenant: int
    """The tenant's key there."""
    epoch: int
    """How often a process has taken the tenant over, this time included."""
    number: int = 0
    """Commits of runs that the ledger holds."""

    @property
    def place(self) -> tuple[int, int]:
        """What is greater for the one of two copies that is further."""
        return self.epoch, self.number


LEAVES_WITHIN_S = 1.0
"""So long a call may leave after its SENT was given to the copy: whoever takes a tenant over waits for that."""


class LedgerCopy(NamedTuple):
    """Where each commit of a run goes to as well."""

    mark: CopyMark
    """Which copy it is."""
    add: Callable[[int, bytes], asyncio.Future[None]]
    """Takes the number and record of a commit; what it returns ends once that is kept, or raises LedgerError."""
    begin: Callable[[Callable[[Path], Awaitable[int]]], Awaitable[None]]
    """Makes the copy that a run begins with, by what saves the ledger as a file and returns its number; raises LedgerError."""


def find(connection: sqlite3.Connection) -> CopyMark | None:
    """Return of which copy an open ledger is; None if it has none."""
    if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'copy'").fetchone()[0]:
        return None
    found = connection.execute("SELECT database, tenant, epoch, number FROM copy").fetchone()
    return CopyMark(*found) if found else None


def note(connection: sqlite3.Connection, mark: CopyMark) -> None:
    """Note that a ledger has a copy, taken over as often as `mark` says; how far it is stays as it was, if it was of it."""
    with transaction(connection):
        connection.execute(_TABLE)
        connection.execute(
            "INSERT INTO copy VALUES (1, ?1, ?2, ?3, ?4) ON CONFLICT (one) DO UPDATE SET epoch = ?3,"
            " number = iif(database = ?1 AND tenant = ?2, max(number, ?4), ?4), database = ?1, tenant = ?2",
            mark,
        )


def count_up(connection: sqlite3.Connection) -> int:
    """Count one more commit, within its transaction; return its number."""
    found = connection.execute("UPDATE copy SET number = number + 1 RETURNING number").fetchone()
    return int(found[0])


def forget(connection: sqlite3.Connection) -> None:
    """Make it an ordinary ledger again."""
    connection.execute("DROP TABLE IF EXISTS copy")


def save_as(connection: sqlite3.Connection, path: Path) -> int:
    """Copy a whole ledger into a new file; return the number of its last commit."""
    mark = find(connection)
    with closing(sqlite3.connect(path, isolation_level=None)) as target:
        connection.backup(target)
    return mark.number if mark else 0
