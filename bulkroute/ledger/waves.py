"""The waves of a batch: which row goes with which, cut once when the batch begins, and how far each is.

A row that is sent again keeps its wave; one that comes to be sent later goes with the last. Rows that nothing is sent
for need none. Each function is one transaction or a part of the caller's; memory stays flat.
"""

import sqlite3
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from bulkroute.ledger import lifecycle
from bulkroute.ledger.batches import Batch
from bulkroute.ledger.file import sql_list, transaction
from bulkroute.ledger.live_bindings import Target, attached, gathered
from bulkroute.ledger.numbers import route_of
from bulkroute.ledger.queries import COUNTED
from bulkroute.ledger.settle import IS_WANTED, WHAT_IS_LIVE
from bulkroute.ledger.wanted import PENDING
from bulkroute.model import OF_THE_ROW, Status
from bulkroute.progress import WaveProgress


class WaveState(StrEnum):
    """How far a wave is."""

    WAITING = "waiting"
    """Not begun."""
    SENDING = "sending"
    """Its rows are being sent."""
    READING = "reading"
    """All were sent; they are being read back, or the targets of the next wave looked up."""
    WRONG = "wrong"
    """They were read back wrong, or failed: no wave follows until the same command finds them right."""
    GATE = "gate"
    """Its gates are asked whether the next wave may begin."""
    NO_GO = "no_go"
    """One of them said no. The same command asks all of them again."""
    DONE = "done"
    """Sent and read back right, and the next wave may begin."""


class Wave(NamedTuple):
    """One wave of a batch, as it is kept."""

    number: int
    """From 1, or as the manifest says."""
    asked: str
    """The sizes that were asked for when the batch was cut; '' if the manifest says."""
    state: WaveState
    since: float
    """Since when, in seconds since the epoch."""
    may_follow: bool
    """Whether every gate after it said go, once."""
    words: str
    """What its reading back or its gates came to."""


class WaveNote(NamedTuple):
    """A change of a wave, to be kept with the next commit."""

    wave: int
    state: WaveState
    words: str = ""
    may_follow: bool = False
    """That every gate after it has said go; what was once said stays."""


def kept(connection: sqlite3.Connection, batch: Batch) -> list[Wave]:
    """Return the waves of a batch in their order; none if it goes in one."""
    found = connection.execute(
        "SELECT wave, asked, state, since, may_follow, words FROM wave WHERE batch = ? ORDER BY wave", batch[:1]
    )
    return [
        Wave(number, asked, WaveState(state), since, bool(may_follow), words)
        for number, asked, state, since, may_follow, words in found
    ]


def is_numbered(connection: sqlite3.Connection, batch: Batch) -> bool:
    """Tell whether its manifest says of any row in which wave it goes."""
    (found,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM row WHERE batch = ? AND listed AND wave IS NOT NULL)", batch[:1]
    ).fetchone()
    return bool(found)


def take_numbered(connection: sqlite3.Connection, batch: Batch) -> None:
    """Make waves of the numbers that the manifest gives; rows to send that have none make the last one."""
    with transaction(connection):
        (highest,) = connection.execute(
            "SELECT coalesce(max(wave), 0) FROM row WHERE batch = ? AND wave IS NOT NULL", batch[:1]
        ).fetchone()
        connection.execute(f"UPDATE row SET wave = ?2 WHERE {_pending()} AND wave IS NULL", (batch.number, highest + 1))
        connection.execute(
            "INSERT INTO wave (batch, wave, asked, since) SELECT DISTINCT batch, wave, '', ?2 FROM row"
            f" WHERE {_pending()} ORDER BY wave",
            (batch.number, time.time()),
        )


def cut(connection: sqlite3.Connection, batch: Batch, sizes: Sequence[int], asked: str) -> None:
    """Give the rows to send to waves of so many rows; `asked` says in which words the sizes were asked for.

    The first wave is spread over the targets, new rows before tried ones; the others go in the manifest's order.
    """
    last = len(sizes)
    with transaction(connection):
        connection.executemany(
            "INSERT INTO wave (batch, wave, asked, since) VALUES (?, ?, ?, ?)",
            [(batch.number, number, asked, time.time()) for number in range(1, last + 1)],
        )
        for number, rows in enumerate(sizes, 1):
            if number == last:
                which = "?3 > 0"
            elif number == 1:
                which = f"row IN (SELECT row FROM ({SPREAD}) LIMIT ?3)"
            else:
                which = f"row <= (SELECT row FROM row WHERE {_pending()} AND wave IS NULL ORDER BY row LIMIT 1 OFFSET ?3 - 1)"
            connection.execute(
                f"UPDATE row SET wave = ?2 WHERE {_pending()} AND wave IS NULL AND ({which})",
                (batch.number, number, rows),
            )


def put_last(connection: sqlite3.Connection, batch: Batch) -> None:
    """Let the rows to send that are of none of the waves go with the last."""
    connection.execute(
        "UPDATE row SET wave = (SELECT max(wave) FROM wave WHERE wave.batch = ?1)"
        f" WHERE {_pending()} AND (wave IS NULL OR wave NOT IN (SELECT wave FROM wave WHERE wave.batch = ?1))",
        batch[:1],
    )


def _pending() -> str:
    return PENDING.replace("?", "?1")


SPREAD = (
    "SELECT row, tried, row_number() OVER (PARTITION BY tried, devicetype, device_id ORDER BY row) AS place"
    f" FROM row WHERE {PENDING.replace('?', '?1')} ORDER BY tried, place, row"
)
"""SQL of the rows to send of batch ?1, so that the first of them are spread over their targets; new before tried ones."""


def rows_of(connection: sqlite3.Connection, batch: Batch, only: int | None = None) -> list[WaveProgress]:
    """Count the rows of each wave of a batch, or of one, in their order."""
    which = "batch = ?1" if only is None else f"batch = ?1 AND wave = {only:d}"
    found = connection.execute(
        f"SELECT wave, count(*), count(*) FILTER (WHERE status IN ({sql_list(sorted(lifecycle.DONE))})),"
        f" count(*) FILTER (WHERE status = '{Status.FAILED}')"
        f" FROM wave CROSS JOIN row USING (batch, wave) WHERE {which} AND {COUNTED} GROUP BY wave",
        batch[:1],
    )
    counted: dict[int, tuple[int, int, int]] = {wave: (rows, done, failed) for wave, rows, done, failed in found}
    return [
        WaveProgress(number, *counted.get(number, (0, 0, 0)), str(state))
        for number, state in connection.execute(f"SELECT wave, state FROM wave WHERE {which} ORDER BY wave", batch[:1])
    ]


def to_send(connection: sqlite3.Connection, batch: Batch) -> list[int]:
    """Return how many rows of each wave are to be sent, without waves that have none, in their order."""
    found = connection.execute(
        f"SELECT count(*) FROM wave CROSS JOIN row USING (batch, wave) WHERE {_pending()} GROUP BY wave ORDER BY wave",
        batch[:1],
    )
    return [rows for (rows,) in found]


def note(connection: sqlite3.Connection, run: int, notes: Sequence[WaveNote], at: float) -> None:
    """Keep how far waves of a run's batch are, `at` a moment."""
    connection.executemany(
        "UPDATE wave SET state = ?, since = ?, words = ?, may_follow = max(may_follow, ?)"
        " WHERE batch = (SELECT batch FROM run WHERE run = ?) AND wave = ?",
        [(str(state), at, words, may_follow, run, wave) for wave, state, words, may_follow in notes],
    )


class Faults(NamedTuple):
    """Rows of a wave with which something is wrong."""

    rows: int
    of: int
    """How many were looked at."""
    told: list[str]
    """What is wrong with the first of them."""


def differences(connection: sqlite3.Connection, batch: Batch, wave: int, live: Path, most: int) -> Faults:
    """Return which rows of a wave the service took, and lists with another binding; `most` are told."""
    succeeded = f"row.batch = ?1 AND row.wave = ?2 AND row.status = '{Status.SUCCEEDED}'"
    with attached(connection, seen=live):
        return faults(connection, (batch.number, wave), succeeded, f"({IS_WANTED}) IS NOT TRUE", WHAT_IS_LIVE, most)


def faults(
    connection: sqlite3.Connection, of: tuple[int, int], which: str, wrong: str, story: str, most: int
) -> Faults:
    """Return which of these rows are wrong beside their live routes, all three in SQL; `of`: batch and wave, ?1 and ?2 in it.

    Live bindings are attached as `seen`.
    """
    rows = f"FROM row LEFT JOIN seen.binding AS live ON live.id = row.id WHERE {which}"
    looked, found = connection.execute(f"SELECT count(*), count(*) FILTER (WHERE {wrong}) {rows}", of).fetchone()
    told = connection.execute(
        f"SELECT {route_of('row')} || ': ' || {story} {rows} AND {wrong} ORDER BY row.row LIMIT ?3",
        (*of, most if found else 0),
    )
    return Faults(found, looked, [text for (text,) in told])


def failures(connection: sqlite3.Connection, batch: Batch, wave: int, most: int) -> Faults:
    """Return which rows of a wave failed by a call; `most` are told.

    Rows that were tried by an earlier run and fail again for a reason of their own count only if no row of the wave
    succeeded: that they are bad is known.
    """
    by_call = f"batch = ?1 AND wave = ?2 AND status = '{Status.FAILED}' AND latency_ms IS NOT NULL"
    known = f"(tried AND error IN ({sql_list(sorted(OF_THE_ROW))}))"
    failed, new, of = connection.execute(
        f"SELECT count(*) FILTER (WHERE {by_call}), count(*) FILTER (WHERE {by_call} AND NOT {known}),"
        f" count(*) FILTER (WHERE latency_ms IS NOT NULL) FROM row WHERE batch = ?1 AND wave = ?2",
        (batch.number, wave),
    ).fetchone()
    rows = failed if failed == of else new
    told = connection.execute(
        f"SELECT {route_of('row')} || ': ' || error || coalesce(', ' || description, '') FROM row WHERE {by_call}"
        f" AND (?4 OR NOT {known}) ORDER BY row LIMIT ?3",
        (batch.number, wave, most if rows else 0, failed == of),
    )
    return Faults(rows, of, [text for (text,) in told])


def targets(connection: sqlite3.Connection, batch: Batch, wave: int) -> list[Target]:
    """Return every target of the rows to send of a wave, by what the ledger knows of them."""
    return gathered(
        connection.execute(
            "SELECT row.devicetype, row.device_id, max(target.name), media_type, count(*) FROM row"
            " LEFT JOIN target USING (batch, devicetype, device_id)"
            f" WHERE {_pending()} AND row.wave = ?2 GROUP BY 1, 2, 4 ORDER BY 1, 2",
            (batch.number, wave),
        )
    )
