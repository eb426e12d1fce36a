"""Numbers to dial by hand or by a tool: for each way that rows went from one target to another, one that leads it."""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from bulkroute.ledger.batches import Batch
from bulkroute.ledger.search import NAMES
from bulkroute.ledger.wanted import target
from bulkroute.model import MediaType, NamedTarget, Status


def dialled(table: str) -> str:
    """Return SQL of what can be dialled: clicks on a page and messages have no number to call."""
    return f"({table}.media_type IS NULL OR {table}.media_type IN ({MediaType.VOICE:d}, {MediaType.VIDEO:d}))"


class SheetLine(NamedTuple):
    """A number to dial, and what should be heard."""

    number: str
    """As it is dialled: access code and extension."""
    should_reach: str
    """Where the call should arrive."""
    reached_before: str
    """Where it did before; empty where that is not known."""
    id: str
    """The called route's id."""


def of_wave(connection: sqlite3.Connection, batch: Batch, wave: int) -> Iterator[SheetLine]:
    """Yield a number for each from/to pair of the rows that were sent with a wave, the commonest pair first."""
    for row_id, number, old_type, old_id, old_name, devicetype, device_id, name, _rows, _row in connection.execute(
        # Of the columns beside min(), those of the row that holds the minimum are meant: SQLite promises that.
        "SELECT row.id, access_code || ext_code, before_devicetype, before_device_id, earlier.name, row.devicetype,"
        f" row.device_id, wanted.name, count(*) AS rows, min(row.row) FROM row {NAMES} WHERE row.batch = ? AND row.wave = ?"
        f" AND status = '{Status.SUCCEEDED}' AND access_code <> '' AND {dialled('row')}"
        " GROUP BY before_devicetype, before_device_id, row.devicetype, row.device_id ORDER BY rows DESC, row.row",
        (batch.number, wave),
    ):
        yield SheetLine(
            number,
            str(NamedTarget(devicetype, device_id, name or "")),
            str(target(old_type, old_id, old_name) or ""),
            row_id,
        )
