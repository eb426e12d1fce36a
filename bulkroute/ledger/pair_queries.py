"""Where the rows of a batch led and are to lead, and how far they are. Reads only, also while a run writes."""

import sqlite3
from typing import NamedTuple

from bulkroute.ledger import lifecycle
from bulkroute.ledger.file import sql_list
from bulkroute.ledger.queries import COUNTED
from bulkroute.model import REFUSED, Status

PairKey = tuple[int | None, int | None, int, int]
"""devicetype and device_id of where rows led (None where that is not known), and of where they are to lead."""

PAIR = "before_devicetype, before_device_id, devicetype, device_id"

_REFUSED = f"status = '{Status.FAILED}' AND error IN ({sql_list(sorted(REFUSED))})"


class PairCounts(NamedTuple):
    """Rows that go from one target to another, and how many of them stand where; those that were right already left out."""

    rows: int
    done: int
    failed: int
    """By a call."""
    refused: int
    """Without one."""


class Pairs(NamedTuple):
    """The commonest pairs, and how many there are in all."""

    total: int
    counts: dict[PairKey, PairCounts]


def count_pairs(connection: sqlite3.Connection, batch: int, limit: int) -> Pairs:
    """Count the rows of a batch by where they led and are to lead, the commonest pairs first, at most `limit` of them."""
    left_out = sql_list([Status.UNCHANGED, Status.SKIPPED])
    found = connection.execute(
        f"SELECT count(*) OVER (), {PAIR}, count(*) AS rows, count(*) FILTER (WHERE status IN"
        f" ({sql_list(sorted(lifecycle.DONE))})), count(*) FILTER (WHERE status = '{Status.FAILED}' AND NOT ({_REFUSED})),"
        f" count(*) FILTER (WHERE {_REFUSED}) FROM row WHERE batch = ? AND {COUNTED} AND status NOT IN ({left_out})"
        f" GROUP BY {PAIR} ORDER BY rows DESC, {PAIR} LIMIT ?",
        (batch, limit),
    ).fetchall()
    total = found[0][0] if found else 0
    return Pairs(total, {tuple(row[1:5]): PairCounts(*row[5:]) for row in found})
