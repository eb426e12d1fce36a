"""Rollback batches: which rows are put back, to what, and what that means for the batches that changed them.

A rollback is a batch of its own, with a parent: its rows want a recorded *before*, and their own *before* is what this
ledger wrote. So it is sent, resumed and settled like any other batch. It puts back what its parent changed, or what its
parent and all later batches did: then the oldest *before* of each row. A rollback, whole or in part, ends these batches.
"""

import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from bulkroute.ledger import back_outs, lifecycle
from bulkroute.ledger.batches import Batch, blank
from bulkroute.ledger.file import sql_list, transaction
from bulkroute.ledger.live_bindings import attached
from bulkroute.ledger.settle import IS_WRITTEN
from bulkroute.model import Status

_TOUCHED = (
    f"({{0}}.status IN ('{Status.SUCCEEDED}', '{Status.SENT}') OR {{0}}.attempts > 0"
    " OR {0}.written_devicetype IS NOT NULL)"
)
"""Which rows of a batch may have been changed by it: a call that failed may have been applied all the same."""

_TOUCHED_ROW = _TOUCHED.format("row")
_FORWARD = "row.batch NOT IN (SELECT batch.batch FROM batch WHERE batch.parent IS NOT NULL)"
_CLAIMS = f"(row.status IN ({sql_list(sorted(lifecycle.DONE))}) OR {_TOUCHED_ROW})"
"""Which rows of a batch say anything of what a route is bound to by us."""

_ROUTE = "row.access_code, row.ext_code, row.media_type, row.wave"
_COLUMNS = (
    "(batch, id, line, devicetype, device_id, before_devicetype, before_device_id,"
    " access_code, ext_code, media_type, wave)"
)


class Scope(NamedTuple):
    """What a rollback puts back."""

    parent: Batch
    """The batch, or the oldest one, whose changes are undone."""
    later: bool = False
    """Whether those of all later batches are undone too."""
    ids: Path | None = None
    """The staged ids of the only rows to put back; None: all."""
    digest: str = ""
    """Of these ids, and of the wave."""
    wave: int | None = None
    """Put back rows of this wave alone; None: of all."""

    @property
    def batches(self) -> str:
        """SQL that tells whether a row is of these batches."""
        return (
            f"row.batch >= {self.parent.number} AND {_FORWARD}" if self.later else f"row.batch = {self.parent.number}"
        )

    @property
    def chosen(self) -> str:
        """SQL that tells whether a row is one of those to put back; the ids are attached as `chosen`."""
        ids = "TRUE" if self.ids is None else "row.id IN (SELECT id FROM chosen.staged)"
        return ids if self.wave is None else f"{ids} AND row.wave = {self.wave}"

    @property
    def is_limited(self) -> bool:
        """Whether it is limited to some rows of its batches."""
        return self.ids is not None or self.wave is not None

    @property
    def databases(self) -> dict[str, Path]:
        """What has to be attached."""
        return {} if self.ids is None else {"chosen": self.ids}


class Changed(NamedTuple):
    """How many rows a batch changed that are not put back."""

    batch: int
    rows: int


class Touched(NamedTuple):
    """Rows that a batch may have changed, and whose earlier binding is recorded."""

    rows: int
    """All of them."""
    to_send: int
    """Those among them that are still to be sent, again."""


def open_rollback(connection: sqlite3.Connection, scope: Scope, live: Path) -> Batch:
    """Return the rollback of that scope if it is under way, or a new one, with every row that may have been changed.

    Another one that is under way is not gone on with, nor is a back-out that puts back anything else.
    """
    with attached(connection, seen=live, **scope.databases), transaction(connection):
        going_on = back_outs.unfinished(connection)
        if going_on and (scope.later or scope.is_limited or scope.parent.number != going_on.batch):
            back_outs.give_over(connection)
        number = _under_way(connection, scope) or _create(connection, scope)
        connection.execute(
            "UPDATE batch SET closed = 1 WHERE parent IS NOT NULL AND NOT closed AND batch <> ?", (number,)
        )
        connection.execute(
            f"INSERT INTO row {_COLUMNS} {_since(scope) if scope.later else _own(scope)}"
            " ON CONFLICT (batch, id) DO NOTHING",
            {"number": number, "parent": scope.parent.number},
        )
    return Batch(number, scope.parent.manifest, scope.digest, scope.parent.number)


def _own(scope: Scope) -> str:
    """Return SQL of the rows that one batch changed."""
    return (
        "SELECT :number, row.id, row.line, row.before_devicetype, row.before_device_id,"
        f" iif({IS_WRITTEN}, row.written_devicetype, row.devicetype),"
        f" iif({IS_WRITTEN}, row.written_device_id, row.device_id), {_ROUTE}"
        " FROM row LEFT JOIN seen.binding AS live ON live.id = row.id"
        f" WHERE row.batch = :parent AND {_TOUCHED_ROW} AND row.before_devicetype IS NOT NULL AND {scope.chosen}"
        " ORDER BY row.row"
    )


def _since(scope: Scope) -> str:
    """Return SQL of the rows that any of the batches changed: back to the oldest *before*, from what was written last.

    That is by a rollback too. A call without a clear answer may have left its row at the *before* it knows of.
    """
    last = (
        "SELECT latest.row FROM row AS latest WHERE latest.id = first.id AND latest.batch >= :parent"
        f" AND latest.batch <> :number AND {_TOUCHED.format('latest')} ORDER BY latest.batch DESC LIMIT 1"
    )
    unclear = (
        f"row.status <> '{Status.SUCCEEDED}' AND live.devicetype = row.before_devicetype"
        " AND live.device_id = row.before_device_id"
    )
    ours = f"(({IS_WRITTEN}) IS TRUE OR ({unclear}) IS TRUE)"
    return (
        "SELECT :number, first.id, first.line, first.before_devicetype, first.before_device_id,"
        f" iif({ours}, live.devicetype, row.devicetype), iif({ours}, live.device_id, row.device_id),"
        f" {_ROUTE}"
        # Of the columns beside min(), those of the row that holds the minimum are meant: SQLite promises that.
        " FROM (SELECT min(row.batch), row.row, row.id, row.line, row.before_devicetype, row.before_device_id FROM row"
        f" WHERE {scope.batches} AND {_TOUCHED_ROW} AND row.before_devicetype IS NOT NULL AND {scope.chosen}"
        f" GROUP BY row.id) AS first JOIN row ON row.row = ({last})"
        " LEFT JOIN seen.binding AS live ON live.id = first.id WHERE TRUE ORDER BY first.row"
    )


def _under_way(connection: sqlite3.Connection, scope: Scope) -> int | None:
    found = connection.execute(
        "SELECT max(batch) FROM batch WHERE parent = ? AND since = ? AND digest = ? AND NOT closed",
        (scope.parent.number, scope.later, scope.digest),
    ).fetchone()
    return found[0] if found else None


def _create(connection: sqlite3.Connection, scope: Scope) -> int:
    made = connection.execute(
        "INSERT INTO batch (created_at, manifest, digest, parent, since, service, app_key)"
        " SELECT ?, manifest, ?, batch, ?, service, app_key FROM batch WHERE batch = ?",
        (time.time(), scope.digest, scope.later, scope.parent.number),
    )
    return made.lastrowid or 0


def without_before(connection: sqlite3.Connection, scope: Scope) -> int:
    """Return how many rows may have been changed without it being known what they were bound to."""
    with attached(connection, **scope.databases):
        (rows,) = connection.execute(
            f"SELECT count(DISTINCT row.id) FROM row WHERE {scope.batches} AND {_TOUCHED_ROW}"
            f" AND row.before_devicetype IS NULL AND {scope.chosen}"
        ).fetchone()
    return int(rows)


def changed(connection: sqlite3.Connection) -> list[Changed]:
    """Return which batches changed rows that a rollback of them would put back, and how many."""
    found = connection.execute(
        f"SELECT row.batch, count(*) FROM row WHERE {_FORWARD} AND {_TOUCHED_ROW} AND row.before_devicetype IS NOT NULL"
        " GROUP BY row.batch ORDER BY row.batch"
    )
    return [Changed(*each) for each in found]


def count_touched(connection: sqlite3.Connection, batch: Batch) -> Touched:
    """Count the rows that a rollback of this batch would put back."""
    found = connection.execute(
        f"SELECT count(*), count(*) FILTER (WHERE row.listed AND row.status = '{Status.PENDING}') FROM row"
        f" WHERE row.batch = ? AND {_TOUCHED_ROW} AND row.before_devicetype IS NOT NULL",
        (batch.number,),
    ).fetchone()
    return Touched(*found)


def standing_before(connection: sqlite3.Connection, rollback: Batch, live: Path) -> Changed | None:
    """Return since which batch earlier ones changed rows that a rollback leaves so, and how many; None if there are none."""
    with attached(connection, seen=live):
        oldest, rows = connection.execute(
            "SELECT min(first.oldest), count(*) FROM (SELECT min(row.batch) AS oldest, row.id, row.before_devicetype,"
            f" row.before_device_id FROM row WHERE row.batch < :parent AND {_FORWARD} AND {_TOUCHED_ROW}"
            " AND row.before_devicetype IS NOT NULL GROUP BY row.id) AS first"
            " LEFT JOIN row AS back ON back.id = first.id AND back.batch = :number"
            " LEFT JOIN seen.binding AS live ON live.id = first.id"
            " WHERE coalesce(back.devicetype, live.devicetype) IS NOT first.before_devicetype"
            " OR coalesce(back.device_id, live.device_id) IS NOT first.before_device_id",
            {"parent": rollback.parent, "number": rollback.number},
        ).fetchone()
    return Changed(oldest, rows) if rows else None


def keep_true(connection: sqlite3.Connection, rollback: Batch) -> None:
    """From now on let each change of a row of the rollback show in its batches, in the same transaction.

    These are the parent and all later ones, which say of that row what no longer is. One that is put back is pending
    again there, as if it had never been sent. One whose call is under way, was cut off or got no clear answer is in
    doubt: they must not call it done. It holds for this connection alone.
    """
    put_back = (
        f"{blank()}, attempts = 0, given_back = 0, tried = 0, written_devicetype = NULL, written_device_id = NULL"
    )
    same_id = f"row.id = NEW.id AND row.batch >= {rollback.parent} AND row.batch < {rollback.number} AND {_FORWARD}"
    changed = f"AFTER UPDATE OF status ON main.row WHEN NEW.batch = {rollback.number} AND NEW.status"
    connection.execute("CREATE TEMP TABLE stood (row INTEGER PRIMARY KEY, status TEXT NOT NULL)")
    connection.execute(
        f"CREATE TEMP TRIGGER putting_back {changed} = '{Status.SENT}' BEGIN"
        f" INSERT OR IGNORE INTO stood SELECT row.row, row.status FROM row WHERE {same_id} AND {_CLAIMS}"
        f" AND row.status <> '{Status.SENT}';"
        f" UPDATE row SET status = '{Status.SENT}' WHERE {same_id} AND {_CLAIMS}; END"
    )
    connection.execute(
        f"CREATE TEMP TRIGGER put_back {changed} IN ({sql_list(sorted(lifecycle.DONE))}) BEGIN"
        f" DELETE FROM stood WHERE row IN (SELECT row.row FROM row WHERE {same_id});"
        f" UPDATE row SET status = '{Status.PENDING}', {put_back} WHERE {same_id} AND {_CLAIMS}; END"
    )
    connection.execute(  # withdrawn before its bytes left, or throttled: nothing has changed
        f"CREATE TEMP TRIGGER not_put_back {changed} = '{Status.PENDING}' AND NEW.attempts = 0 BEGIN"
        f" UPDATE row SET status = stood.status FROM stood WHERE {same_id} AND stood.row = row.row; END"
    )


def close(connection: sqlite3.Connection) -> None:
    """End all rollbacks, since rows are about to be sent again: a later rollback starts anew."""
    connection.execute("UPDATE batch SET closed = 1 WHERE parent IS NOT NULL AND NOT closed")
