"""Numbers and names beside the rows of a batch: what callers dial, what targets are called, and what moved since.

A manifest by number is resolved once, when its batch is begun; from then on its rows go by the ids found then. So a
number that is another route's now shows here, and its row is refused. Of any other manifest the ids decide, and number
and media type are kept for people as the service lists them. All in SQL: memory stays flat.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from bulkroute.ledger.batches import Batch, number_of
from bulkroute.ledger.file import transaction
from bulkroute.ledger.live_bindings import attached
from bulkroute.ledger.staging import FoundRow
from bulkroute.manifest.numbers import normalised
from bulkroute.model import Binding, Status

_CODES = ("access_code", "ext_code")


class WantedName(NamedTuple):
    """A target as the manifest names it, and what it was when the batch was begun."""

    name: str
    binding: Binding


def add_functions(connection: sqlite3.Connection) -> None:
    """Let SQL on this connection compare numbers; once, before anything here is done over it."""
    connection.create_function("compared", 1, normalised, deterministic=True)


def route_of(table: str) -> str:
    """Return SQL of a row's called route as people know it: number and id, or its id alone."""
    return f"iif({table}.access_code <> '', {number_of(table)} || ' (id ' || {table}.id || ')', {table}.id)"


def carries_another(table: str) -> str:
    """Return SQL that tells whether a live route carries another number than a row of `table` says, if that says one."""
    another = " OR ".join(f"compared(live.{code}) <> compared({table}.{code})" for code in _CODES)
    differs = " OR ".join(f"live.{code} <> {table}.{code}" for code in _CODES)  # which costs less, and is mostly false
    return f"({table}.access_code <> '' AND ({differs}) AND ({another}))"


def moved(source: str, table: str, where: str) -> str:
    """Return SQL of the rows (`id`, `story`) whose number is another route's now; live bindings are attached as `seen`.

    `source` is what to select from; rows of `table` in it hold id and number, and `where` holds of them.
    """
    holders = "SELECT access_code, ext_code, media_type, min(id) AS id FROM seen.binding GROUP BY 1, 2, 3"
    return (
        f"SELECT {table}.id AS id, 'the id carries ' || {number_of('live')} || ' now, no longer ' || {number_of(table)}"
        f" AS story FROM {source} JOIN seen.binding AS live ON live.id = {table}.id"
        f" WHERE {where} AND {carries_another(table)}"
        f" UNION ALL SELECT {table}.id, 'the id is gone, and ' || {number_of(table)} || ' is id ' || other.id || ' now'"
        f" FROM {source} JOIN ({holders}) AS other ON other.access_code = {table}.access_code"
        f" AND other.ext_code = {table}.ext_code AND other.media_type IS {table}.media_type"
        f" WHERE {where} AND NOT EXISTS (SELECT 1 FROM seen.binding AS live WHERE live.id = {table}.id)"
    )


def note_routes(connection: sqlite3.Connection, batch: Batch, live: Path, earlier: Batch | None) -> None:
    """Keep number and media type of the batch's rows as they are listed, unless the ids were found by them.

    Of a route that is not there any more, as the earlier batch has them, which this one follows.
    """
    if batch.by_number:
        return
    differs = " OR ".join(f"row.{name} IS NOT live.{name}" for name in (*_CODES, "media_type"))
    with attached(connection, seen=live), transaction(connection):
        connection.execute(
            "UPDATE row SET access_code = live.access_code, ext_code = live.ext_code, media_type = live.media_type"
            f" FROM seen.binding AS live WHERE row.batch = ? AND live.id = row.id AND ({differs})",
            (batch.number,),
        )
        if earlier is not None:
            connection.execute(
                "UPDATE row SET access_code = old.access_code, ext_code = old.ext_code, media_type = old.media_type"
                " FROM row AS old WHERE row.batch = ? AND row.access_code = '' AND old.batch = ? AND old.id = row.id",
                (batch.number, earlier.number),
            )


def note_targets(connection: sqlite3.Connection, batch: Batch, live: Path) -> None:
    """Keep what the targets are called that the batch's rows lead to or led to, as live routes name them."""
    with attached(connection, seen=live), transaction(connection):
        connection.execute(
            "INSERT OR REPLACE INTO target SELECT ?1, devicetype, device_id, name FROM seen.target WHERE name <> ''"
            " AND (devicetype, device_id) IN (SELECT devicetype, device_id FROM row WHERE row.batch = ?1"
            " UNION SELECT before_devicetype, before_device_id FROM row WHERE row.batch = ?1)",
            (batch.number,),
        )


def note_names(connection: sqlite3.Connection, batch: Batch, names: Mapping[Binding, str]) -> None:
    """Keep what targets are called, as their own list says."""
    with transaction(connection):
        connection.executemany(
            "INSERT OR REPLACE INTO target VALUES (?, ?, ?, ?)",
            [(batch.number, *binding, name) for binding, name in names.items()],
        )


def names(connection: sqlite3.Connection, batch: Batch) -> dict[Binding, str]:
    """Return what the batch's targets were called."""
    found = connection.execute("SELECT devicetype, device_id, name FROM target WHERE batch = ?", (batch.number,))
    return {Binding(devicetype, device_id): name for devicetype, device_id, name in found}


def wanted_names(connection: sqlite3.Connection, batch: Batch) -> list[WantedName]:
    """Return the names by which the manifest means targets that rows are still to be sent to."""
    found = connection.execute(
        "SELECT name, devicetype, device_id FROM wanted_name WHERE batch = ?1 AND (devicetype, device_id) IN"
        f" (SELECT devicetype, device_id FROM row WHERE batch = ?1 AND listed AND status = '{Status.PENDING}')"
        " ORDER BY name",
        (batch.number,),
    )
    return [WantedName(name, Binding(*binding)) for name, *binding in found]


def kept_rows(connection: sqlite3.Connection, batch: Batch) -> Iterator[FoundRow]:
    """Yield the listed rows of a batch whose ids were found by their numbers, in the manifest's order."""
    columns = ", ".join(FoundRow._fields)
    for row in connection.execute(
        f"SELECT {columns} FROM row WHERE batch = ? AND listed ORDER BY row", (batch.number,)
    ):
        yield FoundRow._make(row)
