"""What a ledger holds, read past the product, and how that differs from a model."""

import sqlite3
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

from tests.crash.model import Model

Found = list[tuple[int | None, bool, dict[str, tuple[object, ...]]]]
"""Batches: parent, closed, and rows by id: target, listed, status, error of a failed one, before."""


def shown(model: Model) -> Found:
    """Return a model as `read` returns a ledger."""
    return [
        (
            batch.parent,
            batch.closed,
            {row_id: (row.target, row.listed, row.status, row.error, row.before) for row_id, row in batch.rows.items()},
        )
        for batch in model.batches
    ]


def apart(model: Model, found: Found) -> list[str]:
    """Say where a ledger is not what a model says."""
    said: list[str] = []
    for number, (wanted, there) in enumerate(zip_longest(shown(model), found), 1):
        if wanted is None or there is None or wanted[:2] != there[:2]:
            said.append(f"batch {number}: {there and there[:2]}, not {wanted and wanted[:2]}")
        else:
            said += [
                f"batch {number}, {row_id}: {there[2].get(row_id)}, not {wanted[2].get(row_id)}"
                for row_id in sorted(wanted[2].keys() | there[2].keys())
                if wanted[2].get(row_id) != there[2].get(row_id)
            ]
    return said


def read(ledger: Path) -> Found:
    """Return what a ledger holds."""
    if not ledger.exists():
        return []
    with closing(connect(ledger)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return []
        batches = connection.execute("SELECT batch, parent, closed FROM batch ORDER BY batch").fetchall()
        return [(parent, bool(closed), _rows(connection, number)) for number, parent, closed in batches]


def contents(ledger: Path, *, as_text: bool = False) -> bytes | list[str] | None:
    """Return a ledger's bytes; what they mean where a crash left some in its WAL, which whoever opens it takes in."""
    wal = ledger.with_name(f"{ledger.name}-wal")
    if not ledger.exists():
        return None
    if not as_text and not (wal.exists() and wal.stat().st_size):
        return ledger.read_bytes()
    with closing(connect(ledger)) as connection:
        return list(connection.iterdump())


def note_moves(ledger: Path) -> None:
    """Have a ledger note each move of a row's status from now on."""
    if not ledger.exists():
        return
    with closing(connect(ledger)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if "row" in tables and "noted" not in tables:
        with closing(sqlite3.connect(ledger)) as connection:
            connection.executescript(
                "CREATE TABLE noted (move INTEGER PRIMARY KEY, of_rollback INTEGER, was TEXT, now TEXT);"
                "CREATE TRIGGER noting AFTER UPDATE OF status ON row WHEN OLD.status <> NEW.status BEGIN"
                " INSERT INTO noted (of_rollback, was, now) SELECT parent IS NOT NULL, OLD.status, NEW.status"
                " FROM batch WHERE batch = NEW.batch; END;"
            )


def read_moves(ledger: Path, seen: int) -> list[tuple[bool, str, str]]:
    """Return the moves noted since `seen` of them were."""
    if not ledger.exists():
        return []
    with closing(connect(ledger)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'noted'").fetchone()[0]:
            return []
        return connection.execute("SELECT of_rollback, was, now FROM noted WHERE move > ?", (seen,)).fetchall()


def connect(ledger: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)


def _rows(connection: sqlite3.Connection, batch: int) -> dict[str, tuple[object, ...]]:
    found = connection.execute(
        "SELECT id, devicetype, device_id, listed, status, iif(status = 'failed', error, NULL), before_devicetype,"
        " before_device_id FROM row WHERE batch = ?",
        (batch,),
    )
    return {
        row_id: ((kind, device), bool(listed), status, error, None if before[0] is None else tuple(before))
        for row_id, kind, device, listed, status, error, *before in found
    }
