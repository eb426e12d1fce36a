"""Rollback batches: which rows a batch changed, what they are put back to, and what that means for the batch.

A rollback is a batch of its own, with a parent: its rows want the parent's recorded *before*, and their own *before*
is what the parent wrote. So it is sent, resumed and settled like any other batch.
"""

import sqlite3
import time
from pathlib import Path

from bulkroute.ledger import lifecycle
from bulkroute.ledger.batches import Batch, blank
from bulkroute.ledger.file import sql_list, transaction
from bulkroute.ledger.live_bindings import attached
from bulkroute.ledger.settle import IS_WRITTEN
from bulkroute.model import Status

_TOUCHED = (
    f"(row.status IN ('{Status.SUCCEEDED}', '{Status.SENT}') OR row.attempts > 0 OR row.written_devicetype IS NOT NULL)"
)
"""Which rows of a batch may have been changed by it: a call that failed may have been applied all the same."""


def open_rollback(connection: sqlite3.Connection, parent: Batch, live: Path) -> Batch:
    """Return the rollback of `parent` that is under way, or a new one, with every row the parent may have changed."""
    with attached(connection, seen=live), transaction(connection):
        number = _under_way(connection, parent) or _create(connection, parent)
        connection.execute(
            "INSERT INTO row (batch, id, line, devicetype, device_id, before_devicetype, before_device_id)"
            " SELECT ?1, row.id, row.line, row.before_devicetype, row.before_device_id,"
            f" iif({IS_WRITTEN}, row.written_devicetype, row.devicetype),"
            f" iif({IS_WRITTEN}, row.written_device_id, row.device_id)"
            " FROM row LEFT JOIN seen.binding AS live ON live.id = row.id"
            f" WHERE row.batch = ?2 AND {_TOUCHED} AND row.before_devicetype IS NOT NULL ORDER BY row.row"
            " ON CONFLICT (batch, id) DO NOTHING",
            (number, parent.number),
        )
    return Batch(number, parent.manifest, "", parent.number)


def _under_way(connection: sqlite3.Connection, parent: Batch) -> int | None:
    found = connection.execute(
        "SELECT max(batch) FROM batch WHERE parent = ? AND NOT closed", (parent.number,)
    ).fetchone()
    return found[0] if found else None


def _create(connection: sqlite3.Connection, parent: Batch) -> int:
    made = connection.execute(
        "INSERT INTO batch (created_at, manifest, digest, parent, service, app_key)"
        " SELECT ?, manifest, '', batch, service, app_key FROM batch WHERE batch = ?",
        (time.time(), parent.number),
    )
    return made.lastrowid or 0


def without_before(connection: sqlite3.Connection, parent: Batch) -> int:
    """Return how many rows the batch may have changed without knowing what they were bound to."""
    (rows,) = connection.execute(
        f"SELECT count(*) FROM row WHERE batch = ? AND {_TOUCHED} AND before_devicetype IS NULL", (parent.number,)
    ).fetchone()
    return int(rows)


def keep_true(connection: sqlite3.Connection, rollback: Batch) -> None:
    """From now on let each change of a row of the rollback show in its parent, in the same transaction.

    A row that is put back is pending again there, as if it had never been sent. One whose call is under way, was cut
    off or got no clear answer is in doubt: the parent must not call it done. It holds for this connection alone.
    """
    put_back = (
        f"{blank()}, attempts = 0, given_back = 0, tried = 0, written_devicetype = NULL, written_device_id = NULL"
    )
    parent_row = f"row.batch = {rollback.parent} AND row.id = NEW.id"
    changed = f"AFTER UPDATE OF status ON main.row WHEN NEW.batch = {rollback.number} AND NEW.status"
    connection.execute("CREATE TEMP TABLE stood (id TEXT PRIMARY KEY, status TEXT NOT NULL)")
    connection.execute(
        f"CREATE TEMP TRIGGER putting_back {changed} = '{Status.SENT}' BEGIN"
        f" INSERT OR IGNORE INTO stood SELECT row.id, row.status FROM row WHERE {parent_row} AND row.status <> '{Status.SENT}';"
        f" UPDATE row SET status = '{Status.SENT}' WHERE {parent_row}; END"
    )
    connection.execute(
        f"CREATE TEMP TRIGGER put_back {changed} IN ({sql_list(sorted(lifecycle.DONE))}) BEGIN"
        f" UPDATE row SET status = '{Status.PENDING}', {put_back} WHERE {parent_row};"
        " DELETE FROM stood WHERE id = NEW.id; END"
    )
    connection.execute(  # withdrawn before its bytes left, or throttled: nothing has changed
        f"CREATE TEMP TRIGGER not_put_back {changed} = '{Status.PENDING}' AND NEW.attempts = 0 BEGIN"
        f" UPDATE row SET status = stood.status FROM stood WHERE {parent_row} AND stood.id = NEW.id; END"
    )


def close(connection: sqlite3.Connection) -> None:
    """End all rollbacks, since a batch is about to be run again: a later rollback starts anew."""
    connection.execute("UPDATE batch SET closed = 1 WHERE parent IS NOT NULL AND NOT closed")
