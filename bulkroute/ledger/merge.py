"""A staged manifest taken over into a batch, by id and target, never by position, in one transaction.

A row that is done with the same target stays done, one with another target is pending again, one that is gone is kept
for the record and no longer worked on. What a merge costs goes by what changed: rows that stand where they stood are
passed over in one walk through both files, and only the others are looked up by id. (Looking up each of a million ids
that are in no order took 20 s, the walk takes 0.3 s.)
"""

import sqlite3
import time
from pathlib import Path

from bulkroute.ledger.batches import Batch, Changes, Tenant, blank
from bulkroute.ledger.file import transaction
from bulkroute.ledger.live_bindings import attached
from bulkroute.ledger.staging import Staged
from bulkroute.model import Status

TABLES = {
    "moved": "place INTEGER PRIMARY KEY",  # rows of the manifest that do not stand in the ledger where they used to
    "loose": "row INTEGER PRIMARY KEY",  # the same, seen from the ledger
    "pair": "place INTEGER PRIMARY KEY, row INTEGER",  # which of the first is which of the second, by id
}
"""Temporary tables of a merge; a rollback removes them too."""

_SAME_PLACE = "row.row = staged.rowid + :offset"
_DIFFERS = (
    "(row.id IS NOT staged.id OR row.batch IS NOT :batch OR NOT row.listed OR row.line <> staged.line"
    " OR row.devicetype <> staged.devicetype OR row.device_id <> staged.device_id OR (NOT :waved AND row.wave IS NOT staged.wave)"
    " OR (:by_number AND (row.access_code <> staged.access_code OR row.ext_code <> staged.ext_code)))"
)
_FOUND = ", ".join(
    f"{column} = {value}"
    for column, value in (
        ("access_code", "iif(:by_number, staged.access_code, row.access_code)"),
        ("ext_code", "iif(:by_number, staged.ext_code, row.ext_code)"),
        ("media_type", "iif(:by_number, staged.media_type, row.media_type)"),
        ("wave", "iif(:waved, row.wave, staged.wave)"),
    )
)
"""What the numbers of a manifest are is known; what a manifest by id says beside its ids decides nothing.

Once a batch has waves its rows keep them, whatever the manifest says since.
"""

_WAS_SENT = f"(status IN ('{Status.SUCCEEDED}', '{Status.SENT}') OR (attempts > 0 AND written_devicetype IS NULL))"
_WRITTEN = ", ".join(
    f"written_{column} = iif({_WAS_SENT}, row.{column}, written_{column})" for column in ("devicetype", "device_id")
)
"""A rollback has to know what a retargeted row was bound to; of a row that failed it is only a guess."""

_COLUMNS = "batch, id, line, devicetype, device_id, access_code, ext_code, media_type, wave"
_VALUES = (
    ":batch, staged.id, staged.line, staged.devicetype, staged.device_id, iif(:by_number, staged.access_code, ''),"
    " iif(:by_number, staged.ext_code, ''), iif(:by_number, staged.media_type, NULL),"
    " iif(:waved, NULL, staged.wave)"
)
_RETARGETED = "(row.devicetype <> staged.devicetype OR row.device_id <> staged.device_id)"


def merge(connection: sqlite3.Connection, batch: Batch | None, staged: Staged, tenant: Tenant) -> tuple[Batch, Changes]:
    """Take the staged manifest over: into `batch`, or into a new one of that tenant if it is None."""
    with attached(connection, incoming=staged.rows.path), transaction(connection):
        connection.execute("PRAGMA incoming.cache_size=-500")
        changes = Changes()
        if batch is None:
            batch = _create(connection, staged, tenant)
        else:
            changes = _update(connection, batch.number, by_number=staged.by_number)
        connection.execute(
            "UPDATE batch SET manifest = ?, digest = ?, by_number = ? WHERE batch = ?",
            (staged.name, staged.digest, staged.by_number, batch.number),
        )
        connection.execute("DELETE FROM wanted_name WHERE batch = ?", (batch.number,))
        connection.execute(
            "INSERT INTO wanted_name SELECT ?, name, devicetype, device_id FROM incoming.named", batch[:1]
        )
    return batch._replace(manifest=staged.name, digest=staged.digest, by_number=staged.by_number), changes


def _create(connection: sqlite3.Connection, staged: Staged, tenant: Tenant) -> Batch:
    """Make a batch of the staged rows. Their keys keep the distances they have in the staging, which `_update` uses."""
    made = connection.execute(
        "INSERT INTO batch (created_at, manifest, digest, service, app_key) VALUES (?, ?, '', ?, ?)",
        (time.time(), staged.name, *tenant),
    )
    batch = made.lastrowid or 0
    # Ids come in any order: a million of them are put into the index in 7 s one by one, in 1 s sorted.
    (index,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'row_id'").fetchone()
    connection.execute("DROP INDEX row_id")
    connection.execute(
        f"INSERT INTO row (row, {_COLUMNS}) SELECT (SELECT coalesce(max(row), 0) FROM row) + rowid, {_VALUES}"
        " FROM incoming.staged AS staged ORDER BY rowid",
        {"batch": batch, "by_number": staged.by_number, "waved": False},
    )
    connection.execute(index)
    return Batch(batch, staged.name, "")


def _update(connection: sqlite3.Connection, batch: int, *, by_number: bool) -> Changes:
    (waved,) = connection.execute("SELECT EXISTS (SELECT 1 FROM wave WHERE batch = ?)", (batch,)).fetchone()
    values = {"batch": batch, "by_number": by_number, "waved": waved}
    _find_moved(connection, values)
    changes = _apply(connection, values)
    for table in TABLES:
        connection.execute(f"DROP TABLE {table}")
    return changes


def _find_moved(connection: sqlite3.Connection, values: dict[str, int]) -> None:
    for table, columns in TABLES.items():
        connection.execute(f"CREATE TEMP TABLE {table} ({columns})")
    values = {**values, "offset": offset(connection, values["batch"])}
    connection.execute(
        "INSERT INTO moved SELECT staged.rowid FROM incoming.staged AS staged"
        f" LEFT JOIN row ON {_SAME_PLACE} WHERE {_DIFFERS} ORDER BY staged.rowid",
        values,
    )
    connection.execute(
        "INSERT INTO loose SELECT row.row FROM row LEFT JOIN incoming.staged AS staged ON staged.rowid = row.row - :offset"
        f" WHERE row.batch = :batch AND {_DIFFERS} ORDER BY row.row",
        values,
    )
    connection.execute(
        "INSERT INTO pair SELECT moved.place, row.row FROM moved CROSS JOIN incoming.staged AS staged"
        " ON staged.rowid = moved.place CROSS JOIN row ON row.id = staged.id AND row.batch = :batch",
        values,
    )


def offset(connection: sqlite3.Connection, batch: int) -> int:
    """Return how far a row's key in the ledger is from its place in the manifest, if nothing has moved."""
    first = connection.execute("SELECT row FROM row WHERE batch = ? ORDER BY row LIMIT 1", (batch,)).fetchone()
    return int(first[0]) - 1 if first else 0


def _apply(connection: sqlite3.Connection, values: dict[str, int]) -> Changes:
    gone = connection.execute(
        "UPDATE row SET listed = 0 WHERE listed AND row IN (SELECT row FROM loose EXCEPT SELECT row FROM pair)"
    ).rowcount
    returned = connection.execute(
        "UPDATE row SET listed = 1 WHERE NOT listed AND row IN (SELECT row FROM pair)"
    ).rowcount
    found = "FROM pair JOIN incoming.staged AS staged ON staged.rowid = pair.place WHERE row.row = pair.row"
    retargeted = connection.execute(
        f"UPDATE row SET {_WRITTEN}, devicetype = staged.devicetype, device_id = staged.device_id,"
        f" status = '{Status.PENDING}', attempts = 0, given_back = 0, tried = 0, {blank()} {found} AND {_RETARGETED}"
    ).rowcount
    connection.execute(f"UPDATE row SET line = staged.line, {_FOUND} {found}", values)
    new = connection.execute(
        f"INSERT INTO row ({_COLUMNS}) SELECT {_VALUES} FROM moved JOIN incoming.staged AS staged ON staged.rowid = place"
        " WHERE place NOT IN (SELECT place FROM pair) ORDER BY place",
        values,
    ).rowcount
    return Changes(new, retargeted, gone, returned)


def brings_rows(connection: sqlite3.Connection, batch: Batch, staged: Path) -> bool:
    """Tell whether a staged manifest holds a row that the batch does not list with its target."""
    same = (
        "row.batch = :batch AND row.listed AND row.id = staged.id AND row.devicetype = staged.devicetype"
        " AND row.device_id = staged.device_id"
    )
    with attached(connection, incoming=staged):
        connection.execute("PRAGMA incoming.cache_size=-500")
        (found,) = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM incoming.staged AS staged"
            f" LEFT JOIN row ON {_SAME_PLACE} AND {same} WHERE row.row IS NULL"
            f" AND NOT EXISTS (SELECT 1 FROM row WHERE {same}))",
            {"batch": batch.number, "offset": offset(connection, batch.number)},
        ).fetchone()
    return bool(found)
