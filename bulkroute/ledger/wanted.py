"""Where the pending rows of a batch are to lead: for whoever looks the targets up, and for whoever has to agree."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bulkroute.ledger.batches import Batch
from bulkroute.ledger.live_bindings import Target, attached, gathered
from bulkroute.model import NamedTarget, Pair, Status

PENDING = f"row.batch = ? AND row.listed AND row.status = '{Status.PENDING}'"
"""SQL of the rows of a batch that are still to be sent."""


def targets(connection: sqlite3.Connection, batch: Batch, live: Path | None) -> list[Target]:
    """Return every target of the pending rows, whatever leads there already."""
    if live is None:
        return gathered(
            connection.execute(
                f"SELECT devicetype, device_id, '', NULL, count(*) FROM row WHERE {PENDING} GROUP BY 1, 2 ORDER BY 1, 2",
                (batch.number,),
            )
        )
    with attached(connection, seen=live):
        found = connection.execute(
            "SELECT row.devicetype, row.device_id, target.name, live.media_type, count(*) FROM row"
            " LEFT JOIN seen.binding AS live ON live.id = row.id"
            " LEFT JOIN seen.target AS target USING (devicetype, device_id)"
            f" WHERE {PENDING} GROUP BY 1, 2, 4 ORDER BY 1, 2",
            (batch.number,),
        ).fetchall()
    return gathered(found)


def pairs(connection: sqlite3.Connection, batch: Batch, live: Path | None) -> list[Pair]:
    """Return where the pending rows lead now and are to lead, the commonest first; without live bindings only the latter."""
    if live is None:
        found = connection.execute(
            "SELECT NULL, NULL, NULL, devicetype, device_id, '', count(*) AS rows FROM row"
            f" WHERE {PENDING} GROUP BY 4, 5 ORDER BY rows DESC, 4, 5",
            (batch.number,),
        ).fetchall()
        return list(as_pairs(found))
    with attached(connection, seen=live):
        found = connection.execute(
            "SELECT live.devicetype, live.device_id, old.name, row.devicetype, row.device_id, new.name, count(*) AS rows"
            " FROM row LEFT JOIN seen.binding AS live ON live.id = row.id"
            " LEFT JOIN seen.target AS old ON old.devicetype = live.devicetype AND old.device_id = live.device_id"
            " LEFT JOIN seen.target AS new ON new.devicetype = row.devicetype AND new.device_id = row.device_id"
            f" WHERE {PENDING} GROUP BY 1, 2, 4, 5 ORDER BY rows DESC, 1, 2, 4, 5",
            (batch.number,),
        ).fetchall()
    return list(as_pairs(found))


def as_pairs(found: Iterable[tuple[Any, ...]]) -> Iterator[Pair]:
    """Yield the pairs of rows that hold devicetype, device_id and name of both targets, and how many there are."""
    for old_type, old_id, old_name, devicetype, device_id, name, rows in found:
        yield Pair(target(old_type, old_id, old_name), NamedTarget(devicetype, device_id, name or ""), rows)


def target(devicetype: int | None, device_id: int | None, name: str | None) -> NamedTarget | None:
    """Return the target of three columns; None where they hold no usable one."""
    return None if devicetype is None or device_id is None else NamedTarget(devicetype, device_id, name or "")
