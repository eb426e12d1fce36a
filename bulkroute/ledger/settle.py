"""The rows of a batch held against the live bindings, before anything is sent. All in SQL: memory stays flat.

What is decided here costs no call: rows in doubt are settled, rows that are right already become UNCHANGED, and rows
whose id is not there, is locked or was changed by somebody else fail. The binding found is kept as *before*, written
once. Each function is one transaction, and doing it twice changes nothing more.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bulkroute.ledger.batches import Batch, blank, number_of
from bulkroute.ledger.file import sql_list, transaction
from bulkroute.ledger.live_bindings import LOCKED, attached
from bulkroute.ledger.numbers import moved
from bulkroute.ledger.wanted import PENDING, target
from bulkroute.model import REFUSED, FailureKind, Status

IS_WANTED = "live.devicetype = row.devicetype AND live.device_id = row.device_id"
IS_BEFORE = "live.devicetype = row.before_devicetype AND live.device_id = row.before_device_id"
IS_WRITTEN = "live.devicetype = row.written_devicetype AND live.device_id = row.written_device_id"


def target_sql(table: str, prefix: str = "", known: str = "''") -> str:
    """Return SQL of a target with its name, as live routes or else the ledger have it; live bindings are attached.

    `known` is SQL of the name it has if neither knows one.
    """
    target = f"{table}.{prefix}devicetype, {table}.{prefix}device_id"
    which = f"(devicetype, device_id) = ({target})"
    batches = "row.batch, (SELECT parent FROM batch WHERE batch.batch = row.batch)"
    live = f"SELECT name FROM seen.target WHERE {which}"
    kept = f"SELECT max(name) FROM main.target WHERE batch IN ({batches}) AND {which}"
    return f"target_text({target}, coalesce(nullif(({live}), ''), ({kept}), {known}, ''))"


_WANTED = target_sql("row")
LIVE = f"iif(live.id IS NULL, 'not listed', coalesce({target_sql('live')}, 'without a target'))"
"""SQL that says what a row is; live bindings are attached."""

WHAT_IS_LIVE = f"'wanted ' || {_WANTED} || ', is ' || {LIVE}"
"""SQL that says what a row should be and what it is."""


def add_functions(connection: sqlite3.Connection) -> None:
    """Let SQL on this connection write a target as people read it; once, before anything here is done over it."""
    connection.create_function("target_text", 3, _target_text, deterministic=True)


def _target_text(devicetype: int | None, device_id: int | None, name: str) -> str | None:
    found = target(devicetype, device_id, name)
    return None if found is None else str(found)


def story(batch: Batch, earlier: Batch | None = None) -> str:
    """Return SQL that says what a row was bound to, what it should be or was made, and what it is.

    What it was is what this batch recorded, or else the earlier one that it follows.
    """
    recorded = target_sql("row", "before_")
    if earlier is not None:
        of_earlier = f"FROM row AS old WHERE old.batch = {earlier.number} AND old.id = row.id"
        recorded = f"{recorded}, (SELECT {target_sql('old', 'before_')} {of_earlier})"
    before = f"coalesce({recorded}, 'not recorded')"
    if batch.parent is None:
        return f"'was ' || {before} || ', wanted ' || {_WANTED} || ', is ' || {LIVE}"
    return f"'was ' || {_WANTED} || ', wrote ' || {before} || ', is ' || {LIVE}"


class Doubts(NamedTuple):
    """What became of rows in doubt, in rows."""

    landed: int = 0
    again: int = 0
    conflict: int = 0

    def __str__(self) -> str:
        """Return `2 landed, 1 to be sent again`."""
        words = ("landed", "to be sent again", "changed by somebody else")
        return ", ".join(f"{rows:,} {word}" for rows, word in zip(self, words, strict=True) if rows)


class Refusal(NamedTuple):
    """Rows that are not sent, for one reason."""

    error: FailureKind
    rows: int
    example_id: str
    description: str
    """Of the example."""
    skipped: bool
    """Whether they are left alone as asked for, and so are no failures."""
    example_number: str = ""
    """Of the example, as people write it; empty where it is not known."""


@contextlib.contextmanager
def _deciding(connection: sqlite3.Connection, live: Path) -> Iterator[None]:
    with attached(connection, seen=live), transaction(connection):
        yield


def settle_doubts(connection: sqlite3.Connection, batch: Batch, live: Path) -> Doubts:
    """Settle the rows in doubt, by the batch's own targets: so it comes before another manifest is merged.

    A row in conflict is looked at again: it goes on once its live binding is the earlier or the wanted one.
    """
    known = f"FROM seen.binding AS live WHERE row.batch = ? AND live.id = row.id AND row.status = '{Status.SENT}'"
    now, number = time.time(), batch.number
    with _deciding(connection, live):
        landed = connection.execute(
            f"UPDATE row SET status = '{Status.SUCCEEDED}', {blank(finished_at='?')}, attempts = attempts + 1 {known}"
            f" AND {IS_WANTED}",
            (now, number),
        ).rowcount
        conflict = connection.execute(
            f"UPDATE row SET status = '{Status.FAILED}', error = '{FailureKind.CONFLICT}',"
            f" attempts = attempts + 1, finished_at = ?, description = {story(batch)} {known}"
            f" AND before_devicetype IS NOT NULL AND ({IS_BEFORE}) IS NOT TRUE AND ({IS_WRITTEN}) IS NOT TRUE",
            (now, number),
        ).rowcount
        again = connection.execute(
            f"UPDATE row SET status = '{Status.PENDING}', {blank()}, attempts = attempts + 1"
            f" WHERE batch = ? AND status = '{Status.SENT}'",
            (number,),
        ).rowcount
        connection.execute(
            f"UPDATE row SET status = '{Status.PENDING}', {blank()} FROM seen.binding AS live"
            f" WHERE row.batch = ? AND live.id = row.id AND row.error = '{FailureKind.CONFLICT}'"
            f" AND ({IS_WANTED} OR {IS_BEFORE} OR {IS_WRITTEN})",
            (number,),
        )
    return Doubts(landed, again, conflict)


class Decided(NamedTuple):
    """What live bindings decided, in rows."""

    refusals: tuple[Refusal, ...] = ()
    """Rows that are not sent, now or as decided earlier, the commonest reason first."""
    changed_earlier: int = 0
    """Rows found right, never sent as far as is known, whose recorded earlier binding is another: calls were forgotten."""
    moved_since: int = 0
    """Rows that are done, by numbers, and whose ids carry other numbers now or are gone."""
    moved_example: str = ""
    """What moved, of one of them."""


_KNOWN = f"FROM seen.binding AS live WHERE {PENDING} AND live.id = row.id"


def decide(connection: sqlite3.Connection, batch: Batch, live: Path, *, skip: Iterable[FailureKind] = ()) -> Decided:
    """Give pending rows that need no call, or must get none, their outcome; those of a kind to `skip` are no failures.

    In a rollback a row whose live binding is no longer what was written is a conflict.
    """
    now, kinds = time.time(), frozenset(skip)

    def refuse(kind: FailureKind, description: str, which: str) -> None:
        status = Status.SKIPPED if kind in kinds else Status.FAILED
        connection.execute(
            f"UPDATE row SET status = '{status}', finished_at = ?, error = '{kind}', description = {description} {which}",
            (now, batch.number),
        )

    with _deciding(connection, live):
        moved_since = 0, ""
        if batch.by_number:
            moved_since = _moved_since(connection, batch)
            _refuse_moved(connection, batch, now)
        changed_earlier = _finish_changed_earlier(connection, batch, now) if batch.parent is None else 0
        _note_before(connection, batch)
        connection.execute(
            f"UPDATE row SET status = '{Status.UNCHANGED}', {blank(finished_at='?')} {_KNOWN} AND {IS_WANTED}",
            (now, batch.number),
        )
        refuse(
            FailureKind.UNKNOWN_ID,
            "'no called route has this id'",
            f"WHERE {PENDING} AND NOT EXISTS (SELECT 1 FROM seen.binding AS live WHERE live.id = row.id)",
        )
        refuse(
            FailureKind.LOCKED,
            "'editable is ' || live.editable || ': it must not be changed'",
            f"{_KNOWN} AND live.editable IN {LOCKED}",
        )
        if batch.parent is not None:
            refuse(FailureKind.CONFLICT, story(batch), f"{_KNOWN} AND ({IS_BEFORE}) IS NOT TRUE")
    return Decided(tuple(_refusals(connection, batch)), changed_earlier, *moved_since)


def _moved_since(connection: sqlite3.Connection, batch: Batch) -> tuple[int, str]:
    """Count rows that are done and whose numbers are other routes now, and say it of one of them."""
    done = f"row.batch = ?1 AND row.listed AND row.status IN ('{Status.SUCCEEDED}', '{Status.UNCHANGED}')"
    rows, example = connection.execute(
        f"SELECT count(DISTINCT id), min(id || ': ' || story) FROM ({moved('row', 'row', done)})", (batch.number,)
    ).fetchone()
    return rows, example or ""


def _refuse_moved(connection: sqlite3.Connection, batch: Batch, now: float) -> None:
    """Fail rows whose id carries another number now than when the number was looked up."""
    connection.execute(
        f"UPDATE row SET status = '{Status.FAILED}', error = '{FailureKind.MOVED}', finished_at = ?2,"
        f" description = moved.story FROM ({moved('row', 'row', PENDING.replace('?', '?1'))}) AS moved"
        " WHERE row.batch = ?1 AND row.id = moved.id",
        (batch.number, now),
    )


def _finish_changed_earlier(connection: sqlite3.Connection, batch: Batch, now: float) -> int:
    """Call rows done that our own calls alone can have made right; return how many calls the ledger has forgotten."""
    landed = (
        f"UPDATE row SET status = '{Status.SUCCEEDED}', {blank(finished_at='?')} {_KNOWN} AND {IS_WANTED}"
        " AND before_devicetype IS NOT NULL"
        " AND (before_devicetype <> row.devicetype OR before_device_id <> row.device_id)"
    )
    forgotten = connection.execute(f"{landed} AND attempts = 0", (now, batch.number)).rowcount
    connection.execute(landed, (now, batch.number))
    return forgotten


def _note_before(connection: sqlite3.Connection, batch: Batch) -> None:
    """Keep the live bindings that the calls of this batch will overwrite."""
    set_before = f"UPDATE row SET before_devicetype = live.devicetype, before_device_id = live.device_id {_KNOWN}"
    connection.execute(
        # What this batch may have written itself is not what was there before.
        f"{set_before} AND before_devicetype IS NULL AND live.device_id IS NOT NULL"
        f" AND ({IS_WRITTEN}) IS NOT TRUE AND NOT (attempts > 0 AND {IS_WANTED})",
        (batch.number,),
    )
    if batch.parent is None:
        # Another hand came before our first call: that is what will be overwritten. Once a row was called, what it was
        # bound to before stays on record.
        connection.execute(
            f"{set_before} AND before_devicetype IS NOT NULL AND live.device_id IS NOT NULL"
            f" AND attempts = 0 AND written_devicetype IS NULL AND ({IS_WANTED}) IS NOT TRUE",
            (batch.number,),
        )


def _refusals(connection: sqlite3.Connection, batch: Batch) -> Iterator[Refusal]:
    """Yield why rows of the batch are not sent, the commonest reason first; each with its first row in the manifest."""
    for error, status, rows, row_id, number, description, _row in connection.execute(
        f"SELECT error, status, count(*) AS rows, id, {number_of('row')}, description, min(row) FROM row WHERE batch = ? AND listed"
        f" AND status IN ('{Status.FAILED}', '{Status.SKIPPED}') AND error IN ({sql_list(sorted(REFUSED))})"
        " GROUP BY error, status ORDER BY rows DESC",
        (batch.number,),
    ):
        yield Refusal(FailureKind(error), rows, row_id, description or "", status == Status.SKIPPED, number)
