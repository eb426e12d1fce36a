"""The rows of a batch held to the saved plan that it was made of, before anything is sent. All in SQL: memory stays flat.

The plan says what each row was bound to when it was made. A row that is bound to that now may be sent, one that is bound
to what the plan wants is done; any other one has drifted, whatever the ledger knows of it, and so has one whose route is
gone, locked now, or carries another number, wherever that leads. What the plan refused is not sent either, though it
could be now. Changes no target, and never lets a row through that the plan says nothing of.
"""

import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from bulkroute.ledger.batches import Batch, blank, number_of
from bulkroute.ledger.file import sql_list, transaction
from bulkroute.ledger.live_bindings import LOCKED, attached
from bulkroute.ledger.numbers import carries_another
from bulkroute.ledger.settle import IS_WANTED, LIVE, story, target_sql
from bulkroute.ledger.wanted import PENDING
from bulkroute.ledger.waves import Faults, faults
from bulkroute.manifest.saved_plan import SENT_IF_AS_PLANNED
from bulkroute.model import FailureKind, Status

_JOINED = "row JOIN incoming.staged AS staged ON staged.id = row.id LEFT JOIN seen.binding AS live ON live.id = row.id"
_ABOUT = f"staged.standing IN {tuple(sorted(SENT_IF_AS_PLANNED))}"
_IS_RIGHT = f"({IS_WANTED}) IS TRUE"


def _is_as_found(table: str) -> str:
    """Return SQL that tells whether a live route may be sent: it is bound to the *before* of a row of `table`."""
    return (
        f"(live.id IS NOT NULL AND iif({table}.before_device_id IS NULL, live.device_id IS NULL OR live.devicetype IS NULL,"
        f" live.devicetype = {table}.before_devicetype AND live.device_id = {table}.before_device_id)"
        f" AND coalesce(live.editable, '') NOT IN {LOCKED} AND NOT ({carries_another(table)})) IS TRUE"
    )


_IS_AS_PLANNED = _is_as_found("staged")
_CARRIES_ANOTHER = f"({carries_another('staged')}) IS TRUE"
_IS_OFF_PLAN = f"{_ABOUT} AND ({_CARRIES_ANOTHER} OR NOT {_IS_RIGHT} AND NOT {_IS_AS_PLANNED})"
_DONE = f"({{0}}.status IN ('{Status.SUCCEEDED}', '{Status.UNCHANGED}'))"
_LEFT_SO = f"(row.status = '{Status.FAILED}' AND row.error = '{FailureKind.DRIFTED}')"


def leaves_work(connection: sqlite3.Connection, batch: Batch, staged: Path, live: Path, *, keep: bool) -> bool:
    """Tell whether live bindings give a batch that has ended anything to do again by its plan.

    `keep`: rows that have drifted are left alone.
    """
    left_alone = _LEFT_SO if keep else "FALSE"
    with attached(connection, incoming=staged, seen=live):
        (found,) = connection.execute(
            f"SELECT EXISTS (SELECT 1 FROM {_JOINED} WHERE row.batch = ? AND row.listed AND (row.status = '{Status.PENDING}'"
            f" OR ({_ABOUT} AND {_IS_AS_PLANNED} AND NOT {_IS_RIGHT}) OR ({_IS_OFF_PLAN} AND NOT {left_alone})))",
            (batch.number,),
        ).fetchone()
    return bool(found)


def hold(
    connection: sqlite3.Connection,
    batch: Batch,
    staged: Path,
    live: Path,
    *,
    earlier: Batch | None,
    skip: Iterable[FailureKind],
) -> int:
    """Leave pending only rows that are bound to what the plan says; return how many have drifted from it.

    Rows that are done and were put back by another hand since are pending again, and count as drifted of those to be
    sent; `earlier` is the batch that this one follows, whose done rows count for the rows of the same target here. Rows
    that the plan refused for a reason to `skip` are no failures.
    """
    with attached(connection, incoming=staged, seen=live), transaction(connection):
        drifted = connection.execute(
            f"UPDATE row SET drifted = 1, status = '{Status.FAILED}', error = '{FailureKind.DRIFTED}',"
            f" description = off.story, finished_at = ?2 FROM (SELECT row.row AS key, {_story()} AS story FROM {_JOINED}"
            f" WHERE row.batch = ?1 AND row.listed AND {_IS_OFF_PLAN}) AS off WHERE row.row = off.key",
            (batch.number, time.time()),
        ).rowcount
        connection.execute(
            f"UPDATE row SET drifted = 0, status = '{Status.PENDING}', {blank()} WHERE row IN (SELECT row.row FROM {_JOINED}"
            f" WHERE row.batch = ? AND row.listed AND {_ABOUT} AND NOT ({_IS_OFF_PLAN}) AND row.status = '{Status.FAILED}'"
            f" AND row.error IN ('{FailureKind.DRIFTED}', '{FailureKind.CONFLICT}'))",
            (batch.number,),
        )
        _reopen_done(connection, batch, earlier)
        _refuse_as_planned(connection, batch, frozenset(skip))
    return drifted


def off_plan(connection: sqlite3.Connection, batch: Batch, wave: int, live: Path, most: int) -> Faults:
    """Return which rows to send of a wave have drifted since the run began; `most` are told.

    Of rows that were called, or sent elsewhere, by this batch the ledger does not tell what the plan found.
    """
    untouched = (
        f"{PENDING.replace('?', '?1')} AND row.wave = ?2 AND row.attempts = 0 AND row.written_devicetype IS NULL"
    )
    off = f"NOT {_is_as_found('row')} AND NOT {_IS_RIGHT}"
    with attached(connection, seen=live):
        return faults(connection, (batch.number, wave), untouched, off, story(batch), most)


def _reopen_done(connection: sqlite3.Connection, batch: Batch, earlier: Batch | None) -> None:
    """Mark the rows to be sent that were done already; live they are as the plan found them."""
    to_send = f"row.batch = ?1 AND row.listed AND {_ABOUT} AND {_IS_AS_PLANNED} AND NOT {_IS_RIGHT}"
    if earlier is not None:
        same = "old.id = row.id AND old.devicetype = row.devicetype AND old.device_id = row.device_id"
        connection.execute(
            f"UPDATE row SET drifted = 1 WHERE row IN (SELECT row.row FROM {_JOINED} JOIN row AS old ON old.batch = ?2"
            f" AND {same} AND {_DONE.format('old')} WHERE {to_send})",
            (batch.number, earlier.number),
        )
        return
    connection.execute(
        f"UPDATE row SET drifted = 1, status = '{Status.PENDING}', {blank()},"
        " before_devicetype = coalesce(was.devicetype, before_devicetype), before_device_id = coalesce(was.device_id, before_device_id)"
        f" FROM (SELECT row.row AS key, live.devicetype, live.device_id FROM {_JOINED} WHERE {to_send}"
        f" AND {_DONE.format('row')}) AS was WHERE row.row = was.key",
        (batch.number,),
    )


def _refuse_as_planned(connection: sqlite3.Connection, batch: Batch, skip: frozenset[FailureKind]) -> None:
    """Send nothing for rows that the plan refused; those that are right by now are done."""
    status = f"iif(refused.standing IN ({sql_list(sorted(skip))}), '{Status.SKIPPED}', '{Status.FAILED}')"
    connection.execute(
        f"UPDATE row SET status = {status}, error = refused.standing, finished_at = ?2, description ="
        " 'the plan refused it: ' || replace(refused.standing, '_', ' ') || '; a new plan looks again' FROM"
        f" (SELECT row.row AS key, staged.standing FROM {_JOINED} WHERE row.batch = ?1 AND row.listed AND NOT {_ABOUT}"
        f" AND NOT {_IS_RIGHT} AND (row.status = '{Status.PENDING}' OR {_DONE.format('row')})) AS refused"
        " WHERE row.row = refused.key",
        (batch.number, time.time()),
    )


def _story() -> str:
    """Return SQL that says of a row what it was when the plan was made, what the plan wants, and what it is."""
    was = f"coalesce({target_sql('staged', 'before_', 'staged.before_target')}, 'without a target')"
    wanted = target_sql("row", known="staged.target")
    why = (
        f"CASE WHEN live.editable IN {LOCKED} THEN ', and locked' WHEN {carries_another('staged')}"
        f" THEN ', and its number is ' || {number_of('live')} ELSE '' END"
    )
    return f"'was ' || {was} || ', planned ' || {wanted} || ', is ' || {LIVE} || {why}"
