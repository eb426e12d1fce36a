"""What the ledger is working through: batches, and their rows still to be sent.

Every function is one transaction on the connection of the run that holds the lock.
"""

import hashlib
import random
import sqlite3
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import LedgerError, UsageError
from bulkroute.ledger.file import sql_list, transaction
from bulkroute.model import FailureKind, Row, Status
from bulkroute.settings import SIMULATOR, Settings

DRAWS = 64
"""Places looked at to find a pending row at random."""

CHUNK_ROWS = 256
"""Rows read ahead of the work: few enough to stay small, many enough that reading costs nothing."""

PLAN = "plan:"
"""What the digest of a saved plan begins with; its fingerprint follows."""

_RESULT = ("error", "http_status", "return_code", "description", "latency_ms", "finished_at")


def blank(finished_at: str = "NULL") -> str:
    """Return SQL that takes a row's last result away; `finished_at` is the SQL of when it got another one, if it did."""
    return ", ".join(f"{column} = {finished_at if column == 'finished_at' else 'NULL'}" for column in _RESULT)


class Batch(NamedTuple):
    """One set of rows; `digest` is that of the manifest merged last, '' where a merge never finished.

    `parent` is the number of the batch that a rollback puts back, None for any other batch. `by_number`: the ids of its
    rows were found by their numbers.
    """

    number: int
    manifest: str
    digest: str
    parent: int | None = None
    by_number: bool = False

    @property
    def plan(self) -> str:
        """The fingerprint of the saved plan that was merged last; '' for a manifest."""
        return self.digest.removeprefix(PLAN) if self.digest.startswith(PLAN) else ""


class Tenant(NamedTuple):
    """Whose routes a batch changes, and where."""

    service: str
    """Base URL of the service."""
    app_key: str
    """Fingerprint of the app key; '' if a ready token is used."""

    @classmethod
    def of(cls, settings: Settings) -> "Tenant":
        """Return the tenant of settings."""
        key = settings.credentials.app_key
        return cls(settings.service_name, hashlib.sha256(key.encode()).hexdigest()[:12] if key else "")


class QueuedRow(NamedTuple):
    """A row on its way to the service: `number` is its key in the ledger, `tried` that an earlier run tried it.

    `called_number` is what callers dial, as people write it; '' if that is not known.
    """

    number: int
    row: Row
    tried: bool
    called_number: str = ""


class Changes(NamedTuple):
    """What a manifest changed in a batch that was there already, in rows."""

    new: int = 0
    retargeted: int = 0
    gone: int = 0
    returned: int = 0

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return any(self)

    def __str__(self) -> str:
        """Return `3 new, 1 retargeted`."""
        return ", ".join(f"{count:,} {name}" for name, count in zip(self._fields, self, strict=True) if count)


class Which(Enum):
    """Which batch of a ledger is meant."""

    LATEST = "the batch that repeated runs continue"
    ROLLBACK = "the last rollback since that one was begun"
    SHOWN = "a rollback from its first run on until its batch is run again, else LATEST: for whoever watches"


def find(connection: sqlite3.Connection, which: Which | int) -> Batch | None:
    """Return the batch that is meant, or that of a number; None if there is none."""
    if isinstance(which, int):
        return _one(connection, "batch = ?", which)
    latest = _one(connection, "parent IS NULL")
    if which is Which.ROLLBACK:
        return _one(connection, "parent IS NOT NULL AND batch > ?", latest.number) if latest else None
    if which is Which.SHOWN:
        last_run = "batch = (SELECT batch FROM run ORDER BY run DESC LIMIT 1)"
        return _one(connection, f"{last_run} AND parent IS NOT NULL AND NOT closed") or latest
    return latest


def rollback_of(connection: sqlite3.Connection, number: int) -> Batch | None:
    """Return the last rollback that undid what the batch of that number changed; None if there was none."""
    return _one(connection, "batch > ?1 AND (parent = ?1 OR (parent < ?1 AND since))", number)


def _one(connection: sqlite3.Connection, where: str, *parameters: int) -> Batch | None:
    """Return the last batch that the condition holds of."""
    found = connection.execute(
        f"SELECT batch, manifest, digest, parent, by_number FROM batch WHERE {where} ORDER BY batch DESC LIMIT 1",
        parameters,
    ).fetchone()
    return _batch(*found) if found else None


def _batch(number: int, manifest: str, digest: str, parent: int | None, by_number: int) -> Batch:
    return Batch(number, manifest, digest, parent, bool(by_number))


def require(connection: sqlite3.Connection, ledger: Path, which: Which | int) -> Batch:
    """Return the batch that is meant, or that of a number. Raises UsageError; LedgerError if the ledger has none yet."""
    if found := find(connection, which):
        return found
    if isinstance(which, int):
        raise UsageError(f"there is no batch {which}", where=str(ledger), hint="leave --batch out for the latest")
    if which is Which.ROLLBACK and find(connection, Which.LATEST):
        raise never_rolled_back(ledger)
    raise LedgerError("the ledger holds no batch yet", where=str(ledger), hint="`bulkroute run` fills it")


def never_rolled_back(ledger: Path) -> UsageError:
    """Return the error of a rollback that is asked for and was never made."""
    return UsageError("this batch was never rolled back", where=str(ledger), hint="leave out --rollback")


def from_on(connection: sqlite3.Connection, number: int) -> list[Batch]:
    """Return the batches from that number on, without rollbacks."""
    found = connection.execute(
        "SELECT batch, manifest, digest, parent, by_number FROM batch WHERE batch >= ? AND parent IS NULL ORDER BY batch",
        (number,),
    )
    return [_batch(*each) for each in found]


def require_tenant(connection: sqlite3.Connection, batch: Batch, tenant: Tenant, ledger: Path, *, moved: bool) -> None:
    """Refuse to go on with a batch that changes the routes of somebody else: what is done there is not done here.

    `moved` allows another address or app key; nothing lets a rehearsal count at a service, or the other way round.
    A ready token does not say whose it is: then the address alone decides. Raises UsageError.
    """
    service, app_key = connection.execute(
        "SELECT service, app_key FROM batch WHERE batch = ?", (batch.number,)
    ).fetchone()
    same_service = service in (None, tenant.service)
    if SIMULATOR in (service, tenant.service) and not same_service:
        raise UsageError(
            "this ledger holds a rehearsal, which never counts at a service"
            if service == SIMULATOR
            else f"this ledger's batch is of {service}, where no rehearsal may count",
            where=str(ledger),
            hint="name another ledger with --ledger",
        )
    if moved:
        return
    elsewhere = "name another ledger, or start a new batch (--fresh)"
    if not same_service:
        raise UsageError(
            f"this ledger's batch is of {service}, not of {tenant.service}",
            where=str(ledger),
            hint=f"{elsewhere}; --service-moved if it is the same service",
        )
    if app_key and tenant.app_key and app_key != tenant.app_key:
        raise UsageError(
            f"this ledger's batch was begun with another app key at {service}",
            where=str(ledger),
            hint=f"check BULKROUTE_APP_KEY, or --profile; {elsewhere}; --service-moved if the tenant has a new key",
        )


def reopen(connection: sqlite3.Connection, batch: Batch, *, skipped: bool) -> int:
    """Make what earlier runs left undone pending again; return how many of these rows are in doubt.

    A row in doubt is sent again: rebinding sets an absolute state, so a call that was applied is repeated without
    harm. Rows that another hand changed stay failed, since sending them would overwrite that. `skipped`: those rows are
    pending too, since live bindings tell whether they still have to be.
    """
    changed = f"error IN ('{FailureKind.CONFLICT}', '{FailureKind.DRIFTED}')"
    again = {Status.SENT, Status.FAILED, Status.SKIPPED} if skipped else {Status.SENT, Status.FAILED}
    left = f"batch = ? AND listed AND status IN ({sql_list(sorted(again))}) AND NOT (status = '{Status.FAILED}' AND {changed})"
    with transaction(connection):
        rows, in_doubt = connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE status = '{Status.SENT}') FROM row WHERE {left}", (batch.number,)
        ).fetchone()
        if rows:
            connection.execute(
                f"UPDATE row SET status = '{Status.PENDING}', {blank()}, attempts = attempts + (status = '{Status.SENT}'),"
                f" tried = iif(status = '{Status.SKIPPED}', tried, 1) WHERE {left}",
                (batch.number,),
            )
    return int(in_doubt)


def tried_earlier(connection: sqlite3.Connection, batch: Batch) -> int:
    """Return how many of the rows still to be sent an earlier run tried."""
    (rows,) = connection.execute(
        f"SELECT count(*) FROM row WHERE batch = ? AND tried AND listed AND status = '{Status.PENDING}'",
        (batch.number,),
    ).fetchone()
    return int(rows)


def drifted_to_send(connection: sqlite3.Connection, batch: Batch) -> int:
    """Return how many of the rows still to be sent were done, and changed by another hand since."""
    (rows,) = connection.execute(
        f"SELECT count(*) FROM row WHERE batch = ? AND drifted AND listed AND status = '{Status.PENDING}'",
        (batch.number,),
    ).fetchone()
    return int(rows)


def has_pending(connection: sqlite3.Connection, batch: Batch, wave: int | None = None) -> bool:
    """Tell whether rows are still to be sent, of a wave if one is named."""
    is_pending = f"batch = ? AND listed AND status = '{Status.PENDING}'{_of(wave)}"
    (found,) = connection.execute(f"SELECT EXISTS (SELECT 1 FROM row WHERE {is_pending})", (batch.number,)).fetchone()
    return bool(found)


def number_of(table: str) -> str:
    """Return SQL of a row's number as people write it; '' where it is not known."""
    return f"({table}.access_code || iif({table}.ext_code <> '', ' ext ' || {table}.ext_code, ''))"


def pending(connection: sqlite3.Connection, batch: Batch, wave: int | None = None) -> Iterator[QueuedRow]:
    """Yield the rows still to be sent, of a wave if one is named, in the manifest's order, reading a few ahead.

    Those that an earlier run tried come last: they may fail again and again, and must not keep the others waiting.
    """
    for tried in (False, True):
        yield from _pending(connection, batch, wave, tried=tried)


def draw_pending(connection: sqlite3.Connection, batch: Batch, wave: int | None = None) -> QueuedRow | None:
    """Return any one of the rows still to be sent, of a wave if one is named; None if there is none.

    Each is as likely as any other one, unless they are few among many: then those after a gap are likelier.
    """
    lowest, highest = connection.execute(
        "SELECT coalesce(min(row), 0), coalesce(max(row), 0) FROM row WHERE batch = ?", (batch.number,)
    ).fetchone()
    pending = (
        f"SELECT row, line, id, devicetype, device_id, tried, {number_of('row')} FROM row"
        f" WHERE batch = ? AND listed AND status = '{Status.PENDING}'{_of(wave)} AND row"
    )
    places = [random.randint(lowest, highest) for _ in range(DRAWS)]
    found = connection.execute(f"{pending} IN ({', '.join('?' * DRAWS)})", (batch.number, *places)).fetchall()
    for place in (places[0], 0):
        found = found or connection.execute(f"{pending} >= ? ORDER BY row LIMIT 1", (batch.number, place)).fetchall()
    if not found:
        return None
    number, *row, tried, called_number = random.choice(found)
    return QueuedRow(number, Row(*row), bool(tried), called_number)


def _of(wave: int | None) -> str:
    """Return SQL that holds of the rows of a wave, or of all if none is named."""
    return "" if wave is None else f" AND wave = {wave:d}"


def _pending(connection: sqlite3.Connection, batch: Batch, wave: int | None, *, tried: bool) -> Iterator[QueuedRow]:
    after = 0
    while True:
        chunk = connection.execute(
            f"SELECT row, line, id, devicetype, device_id, {number_of('row')} FROM row"
            f" WHERE batch = ? AND tried = ? AND row > ? AND listed AND status = '{Status.PENDING}'{_of(wave)}"
            f" ORDER BY row LIMIT {CHUNK_ROWS}",
            (batch.number, tried, after),
        ).fetchall()
        for number, *row, called_number in chunk:
            yield QueuedRow(number, Row(*row), tried, called_number)
        if len(chunk) < CHUNK_ROWS:
            return
        after = chunk[-1][0]
