"""What another hand changed since: rows that the ledger calls done, held against the live bindings.

A batch has ended once all its listed rows are done or refused, or once any of it was rolled back. What an ended batch
leaves to do begins the next one; what others changed in a batch that goes on is sent again in it. Changes rows only
from done to pending or failed, and never what they are to be bound to.
"""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bulkroute.ledger import lifecycle, merge
from bulkroute.ledger.batches import Batch, Changes, blank
from bulkroute.ledger.file import sql_list, transaction
from bulkroute.ledger.live_bindings import LOCKED, attached
from bulkroute.ledger.numbers import route_of
from bulkroute.ledger.settle import IS_BEFORE, IS_WANTED, IS_WRITTEN, story
from bulkroute.model import REFUSED, FailureKind, Status

_DONE = f"row.status IN ({sql_list(sorted(lifecycle.DONE))})"
_REFUSED = f"row.status = '{Status.FAILED}' AND row.error IN ({sql_list(sorted(REFUSED))})"
_WAS_DRIFTED = f"({{0}}.status = '{Status.FAILED}' AND {{0}}.error = '{FailureKind.DRIFTED}')"
_WAS_DONE = f"({{0}}.status IN ('{Status.SUCCEEDED}', '{Status.UNCHANGED}') OR {_WAS_DRIFTED})"
_IN_CONFLICT = f"({{0}}.status = '{Status.FAILED}' AND {{0}}.error = '{FailureKind.CONFLICT}')"
_OURS = (
    "((live.devicetype = {0}.before_devicetype AND live.device_id = {0}.before_device_id) IS TRUE"
    " OR (live.devicetype = {0}.written_devicetype AND live.device_id = {0}.written_device_id) IS TRUE)"
)
_DRIFTS_ON = f"({_WAS_DONE} OR {_IN_CONFLICT} AND NOT {_OURS})"
"""Which rows of a batch another hand has changed, for the batch that follows it, where they are not as wanted."""

_SAME_TARGET = "{0}.devicetype = {1}.devicetype AND {0}.device_id = {1}.device_id"
_EDITABLE = f"(live.editable IS NULL OR live.editable NOT IN {LOCKED})"


def has_ended(connection: sqlite3.Connection, batch: Batch) -> bool:
    """Tell whether nothing of a batch is left to send or settle, or a rollback has ended it."""
    (going_on,) = connection.execute(
        "SELECT NOT EXISTS (SELECT 1 FROM batch WHERE parent <= ?1 AND batch > ?1)"
        " AND EXISTS (SELECT 1 FROM row WHERE row.batch = ?1"
        # Asked first, since nearly all are: a look at a million rows takes half the time.
        f" AND row.status <> '{Status.SUCCEEDED}'"
        f" AND (row.status = '{Status.SENT}' OR (row.listed AND NOT ({_DONE}) AND NOT ({_REFUSED}))))",
        (batch.number,),
    ).fetchone()
    return not going_on


def leaves_work(connection: sqlite3.Connection, batch: Batch, live: Path, *, keep: bool) -> bool:
    """Tell whether live bindings give a batch that has ended anything to do again: its manifest is the same.

    `keep`: rows that others changed are left alone.
    """
    drifted = f"{_DONE} AND row.status <> '{Status.SKIPPED}' AND ({IS_WANTED}) IS NOT TRUE"
    ours = f"({IS_WANTED} OR {IS_BEFORE} OR {IS_WRITTEN}) IS TRUE"
    again = (
        f"live.id IS NOT NULL AND {_EDITABLE} AND CASE row.error WHEN '{FailureKind.CONFLICT}' THEN {ours}"
        f" WHEN '{FailureKind.DRIFTED}' THEN {IS_WANTED if keep else 'TRUE'} ELSE TRUE END"
    )
    put_back = f"row.status NOT IN ({sql_list([*sorted(lifecycle.DONE), Status.FAILED])})"
    with attached(connection, seen=live):
        (found,) = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM row LEFT JOIN seen.binding AS live ON live.id = row.id"
            f" WHERE row.batch = ? AND row.listed AND (({drifted}) OR ({put_back})"
            f" OR ((row.status IN ('{Status.FAILED}', '{Status.SKIPPED}')) AND {again})))",
            (batch.number,),
        ).fetchone()
    return bool(found)


def begins_next(connection: sqlite3.Connection, batch: Batch, staged: Path | None, live: Path, *, keep: bool) -> bool:
    """Tell whether a batch that has ended is followed by another one: its manifest brings rows, or live bindings leave work.

    `staged`: the manifest; None if it is the one that the batch holds.
    """
    brings_rows = staged is not None and merge.brings_rows(connection, batch, staged)
    return brings_rows or leaves_work(connection, batch, live, keep=keep)


def reopen(connection: sqlite3.Connection, batch: Batch, live: Path, *, earlier: Batch | None, keep: bool) -> int:
    """Reopen the rows that are done and live no longer so, or fail them as `drifted` to `keep` what another hand set.

    What is overwritten then is their *before*. `earlier`: the batch that this one follows, whose done rows count for the
    rows of the same target here, and its rows in conflict too. Returns how many rows drifted.
    """
    if earlier is None:
        table, drifted = "row", f"row.listed AND {_WAS_DONE.format('row')}"
    else:
        table = f"row JOIN row AS old ON old.id = row.id AND old.batch = {earlier.number}"
        drifted = (
            f"row.status = '{Status.PENDING}' AND {_SAME_TARGET.format('old', 'row')} AND {_DRIFTS_ON.format('old')}"
        )
    found = (
        f"FROM (SELECT row.row AS key, live.* FROM {table} LEFT JOIN seen.binding AS live ON live.id = row.id"
        f" WHERE row.batch = ?1 AND {drifted} AND ({IS_WANTED}) IS NOT TRUE) AS live WHERE row.row = live.key"
    )
    with attached(connection, seen=live), transaction(connection):
        connection.execute(
            f"UPDATE row SET status = '{Status.PENDING}', {blank()} FROM seen.binding AS live WHERE row.batch = ?"
            f" AND row.listed AND {_WAS_DRIFTED.format('row')} AND live.id = row.id AND {IS_WANTED}",
            (batch.number,),
        )
        if keep:
            return connection.execute(
                f"UPDATE row SET drifted = 1, status = '{Status.FAILED}', error = '{FailureKind.DRIFTED}',"
                f" description = {story(batch, earlier)}, finished_at = ?2 {found}",
                (batch.number, time.time()),
            ).rowcount
        before = ", ".join(
            f"before_{column} = iif(live.device_id IS NULL, before_{column}, live.{column})"
            for column in ("devicetype", "device_id")
        )
        return connection.execute(
            f"UPDATE row SET drifted = 1, status = '{Status.PENDING}', {blank()}, {before} {found}", (batch.number,)
        ).rowcount


class Foreseen(NamedTuple):
    """A row of a manifest that another hand has changed, as far as the ledger tells."""

    id: str
    """The called route's id."""
    kind: FailureKind
    """`drifted`, or `conflict`."""


def foresee(
    connection: sqlite3.Connection, batch: Batch, staged: Path, live: Path, *, keep: bool
) -> Iterator[Foreseen]:
    """Yield the rows that a run of the manifest would find drifted since this batch, or would leave alone in conflict."""
    with attached(connection, incoming=staged, seen=live):
        is_next = has_ended(connection, batch) and begins_next(connection, batch, staged, live, keep=keep)
        conflict = (
            "FALSE"
            if is_next
            else f"({_IN_CONFLICT.format('row')} AND NOT {_OURS.format('row')} OR row.status = '{Status.SENT}'"
            f" AND live.id IS NOT NULL AND row.before_devicetype IS NOT NULL AND NOT {_OURS.format('row')})"
        )
        drifted = (_DRIFTS_ON if is_next else _WAS_DONE).format("row")
        for row_id, has_drifted in connection.execute(
            f"SELECT row.id, {drifted} FROM incoming.staged AS staged JOIN row ON row.id = staged.id"
            f" AND row.batch = ? AND {_SAME_TARGET.format('staged', 'row')}"
            " LEFT JOIN seen.binding AS live ON live.id = row.id"
            f" WHERE ({IS_WANTED}) IS NOT TRUE AND ({drifted} OR {conflict})",
            (batch.number,),
        ):
            yield Foreseen(row_id, FailureKind.DRIFTED if has_drifted else FailureKind.CONFLICT)


def listed(connection: sqlite3.Connection, batch: Batch, most: int) -> list[str]:
    """Say of the first rows that drifted what they were, are to be and are."""
    found = connection.execute(
        f"SELECT {route_of('row')}, description FROM row WHERE batch = ? AND drifted AND error = ? ORDER BY line, row LIMIT ?",
        (batch.number, FailureKind.DRIFTED, most),
    )
    return [f"{route}: {description}" for route, description in found]


_THERE = "LEFT JOIN row AS there ON there.row = row.row + :shift AND there.batch = :other AND +there.id = row.id"
"""The row of the same id in another batch, if it stands where this one does.

To look one up by its id costs far more: the `+` keeps SQLite from doing so.
"""


def changes(connection: sqlite3.Connection, batch: Batch, earlier: Batch) -> Changes:
    """Return what a manifest changed from the batch that this one follows."""
    same_id = "SELECT 1 FROM row AS old WHERE old.batch = :other AND old.id = row.id AND old.listed"
    differs = "({0}.devicetype <> row.devicetype OR {0}.device_id <> row.device_id)"
    new, retargeted = connection.execute(
        f"SELECT count(*) FILTER (WHERE CASE WHEN there.listed THEN FALSE ELSE NOT EXISTS ({same_id}) END),"
        f" count(*) FILTER (WHERE CASE WHEN there.listed THEN {differs.format('there')}"
        f" ELSE EXISTS ({same_id} AND {differs.format('old')}) END) FROM row {_THERE} WHERE row.batch = :this",
        _places(connection, batch, earlier),
    ).fetchone()
    (gone,) = connection.execute(
        f"SELECT count(*) FROM row {_THERE} WHERE row.batch = :this AND row.listed AND CASE WHEN there.row IS NULL"
        " THEN NOT EXISTS (SELECT 1 FROM row AS new WHERE new.batch = :other AND new.id = row.id) END",
        _places(connection, earlier, batch),
    ).fetchone()
    return Changes(new, retargeted, gone)


def carry_over(connection: sqlite3.Connection, batch: Batch, earlier: Batch) -> None:
    """Take the rows that an earlier batch has done with the same target for done in the next one, by the ledger alone."""
    done = f"{_SAME_TARGET.format('old', 'row')} AND old.status IN ({sql_list(sorted(lifecycle.DONE))})"
    carried = f"UPDATE row SET status = '{Status.UNCHANGED}', finished_at = old.finished_at FROM row AS old"
    pending = f"WHERE row.batch = :this AND row.status = '{Status.PENDING}' AND old.batch = :other AND old.id = row.id"
    places = _places(connection, batch, earlier)
    with transaction(connection):
        connection.execute(f"{carried} {pending} AND old.row = row.row + :shift AND {done}", places)
        connection.execute(f"{carried} {pending} AND {done}", places)


def _places(connection: sqlite3.Connection, this: Batch, other: Batch) -> dict[str, int]:
    """Return two batches, and how far a row's key in the other one is from its key in this, if it stands in its place."""
    shift = merge.offset(connection, other.number) - merge.offset(connection, this.number)
    return {"this": this.number, "other": other.number, "shift": shift}
