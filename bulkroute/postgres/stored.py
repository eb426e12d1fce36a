"""What the database holds of tenants: who works on them, and the copies of their ledgers. Every write needs the epoch.

Each function is one transaction, and runs in the thread of the session whose lock stands for the tenant.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bulkroute.errors import LedgerError, StopKind
from bulkroute.postgres.connect import Connection, one_row

PART_BYTES = 1_000_000
"""A ledger goes in parts of so many bytes: each is soon written, and soon read, whatever freezes meanwhile."""

PARTS_AT_ONCE = 16
"""Parts that are removed at a time."""

RECORDS = 2000
"""Records that are read, or removed, at a time."""


_WANTED = 1
"""What the key of the lock that shows who stands by differs in."""

_LOCKS = (
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


_SEEN = (
    f"SELECT tenant, name, service, host, pid, tenant IN ({_LOCKS}), extract(epoch FROM began_at)::float8,"  # noqa: S608  constants alone
    " extract(epoch FROM seen_at)::float8, extract(epoch FROM ended_at)::float8, exit_code, state"
    " FROM bulkroute.tenant WHERE tenant = ANY(%s)"
)


class Held(NamedTuple):
    """How a tenant was when it was taken over, and what there is of its ledger."""

    epoch: int
    """Ours."""
    host: str
    """Who worked on it before; '' for nobody."""
    was_left: bool
    """Whether that process has not said that it ended: it was killed, or believes that the tenant is still its own."""
    base: int | None
    """The copy of its ledger; None if there is none."""
    base_epoch: int
    base_number: int
    number: int
    """Commits that the copy and its records hold."""


class Seen(NamedTuple):
    """A tenant as any host may see it; times in seconds since the epoch."""

    tenant: int
    name: str
    service: str
    host: str
    pid: int
    is_held: bool
    """Whether a process is at work on it."""
    began_at: float
    seen_at: float
    """When it last said how far it is."""
    ended_at: float | None
    exit_code: int | None
    state: Mapping[str, Any] | None
    """How far it is, or came."""


def identity(connection: Connection) -> str:
    """Return what tells the database from any other."""
    return str(one_row(connection, "SELECT identity FROM bulkroute.identity")[0])


def lock(connection: Connection, tenant: int) -> bool:
    """Take the lock of a tenant, unless another session has it."""
    return bool(one_row(connection, "SELECT pg_try_advisory_lock(%s)", (tenant,))[0])


def unlock(connection: Connection, tenant: int) -> None:
    """Give the lock of a tenant back."""
    connection.execute("SELECT pg_advisory_unlock(%s)", (tenant,))


def want(connection: Connection, tenant: int, *, wanted: bool) -> None:
    """Let whoever works on a tenant see that this process stands by for it, or no longer does."""
    ask = "SELECT pg_try_advisory_lock_shared(%s)" if wanted else "SELECT pg_advisory_unlock_shared(%s)"
    connection.execute(ask, (tenant ^ _WANTED,))


def wanted(connection: Connection) -> set[int]:
    """Return the tenants that a process stands by for."""
    found = connection.execute(_LOCKS + " AND mode = 'ShareLock'")
    return {key ^ _WANTED for (key,) in found}


def take_over(connection: Connection, tenant: int, name: str, service: str, host: str, pid: int, known: int) -> Held:
    """Note that this process works on a tenant now, in an epoch after all that are `known`; return how it was before."""
    with connection.transaction():
        before = connection.execute(
            "SELECT epoch, host, ended_at IS NULL, base, coalesce(base_epoch, 0), coalesce(base_number, 0) FROM bulkroute.tenant"
            " WHERE tenant = %s FOR UPDATE",
            (tenant,),
        ).fetchone() or (0, "", False, None, 0, 0)
        (number,) = one_row(
            connection, "SELECT coalesce(max(number), 0) FROM bulkroute.journal_commit WHERE tenant = %s", (tenant,)
        )
        epoch = max(before[0], known) + 1
        connection.execute(
            "INSERT INTO bulkroute.tenant (tenant, name, service, epoch, host, pid, began_at, seen_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp()) ON CONFLICT (tenant) DO UPDATE SET"
            " name = excluded.name, service = excluded.service, epoch = excluded.epoch, host = excluded.host,"
            " pid = excluded.pid, began_at = excluded.began_at, seen_at = excluded.seen_at, ended_at = NULL,"
            " exit_code = NULL, state = NULL",
            (tenant, name, service, epoch, host, pid),
        )
    _, was, was_left, base, base_epoch, base_number = before
    return Held(epoch, was, was_left, base, base_epoch, base_number, max(base_number, number))


def new_base(connection: Connection) -> int:
    """Return the number of a new copy."""
    return int(one_row(connection, "SELECT nextval('bulkroute.base_number')")[0])


def add_part(connection: Connection, tenant: int, epoch: int, base: int, part: int, data: bytes) -> None:
    """Keep a part of a ledger, compressed. Raises LedgerError if the tenant is another's."""
    kept = connection.execute(
        "INSERT INTO bulkroute.base SELECT tenant, %s, %s, %s FROM bulkroute.tenant WHERE tenant = %s AND epoch = %s",
        (base, part, data, tenant, epoch),
    )
    _require_ours(kept.rowcount)


def use_base(connection: Connection, tenant: int, epoch: int, base: int, number: int) -> None:
    """Let a copy that is there whole, with that many commits, stand for the ledger; `forget` then removes what was before.

    Raises LedgerError if the tenant is another's.
    """
    used = connection.execute(
        "UPDATE bulkroute.tenant SET base = %s, base_epoch = epoch, base_number = %s WHERE tenant = %s AND epoch = %s",
        (base, number, tenant, epoch),
    )
    _require_ours(used.rowcount)


def forget(connection: Connection, tenant: int, base: int, number: int) -> bool:
    """Remove some of what a copy with that many commits has made useless; return whether more may be left."""
    parts = connection.execute(
        "DELETE FROM bulkroute.base WHERE ctid = ANY(ARRAY(SELECT ctid FROM bulkroute.base"
        " WHERE tenant = %s AND base <> %s LIMIT %s))",
        (tenant, base, PARTS_AT_ONCE),
    )
    records = connection.execute(
        "DELETE FROM bulkroute.journal_commit WHERE ctid = ANY(ARRAY(SELECT ctid FROM bulkroute.journal_commit"
        " WHERE tenant = %s AND number <= %s LIMIT %s))",
        (tenant, number, RECORDS),
    )
    return parts.rowcount == PARTS_AT_ONCE or records.rowcount == RECORDS


def part(connection: Connection, tenant: int, base: int, number: int) -> bytes | None:
    """Return a part of a ledger; None after the last one."""
    found = connection.execute(
        "SELECT bytes FROM bulkroute.base WHERE tenant = %s AND base = %s AND part = %s", (tenant, base, number)
    ).fetchone()
    return None if found is None else zlib.decompress(found[0])


def records(connection: Connection, tenant: int, after: int) -> list[tuple[int, bytes]]:
    """Return the next records after that number, with their own; none after the last one."""
    found = connection.execute(
        "SELECT number, record FROM bulkroute.journal_commit WHERE tenant = %s AND number > %s ORDER BY number LIMIT %s",
        (tenant, after, RECORDS),
    )
    return found.fetchall()


def next_slots(connection: Connection, name: str, span_s: float) -> float:
    """Take slots that take up so many seconds from a shared limit; return in how many seconds the first of them is.

    All of it goes by the server's clock: those of hosts may differ.
    """
    (wait_s,) = one_row(
        connection,
        "INSERT INTO bulkroute.shared_limit AS shared (name, free_at)"
        " VALUES (%(name)s, extract(epoch FROM clock_timestamp())::float8 + %(span)s) ON CONFLICT (name) DO UPDATE"
        " SET free_at = greatest(shared.free_at, extract(epoch FROM clock_timestamp())::float8) + %(span)s"
        " RETURNING free_at - %(span)s - extract(epoch FROM clock_timestamp())::float8",
        {"name": name, "span": span_s},
    )
    return float(wait_s)


def end(
    connection: Connection, tenant: int, epoch: int, exit_code: int | None, state: Mapping[str, Any] | None
) -> None:
    """Note how the work on a tenant ended."""
    connection.execute(
        "UPDATE bulkroute.tenant SET ended_at = clock_timestamp(), seen_at = clock_timestamp(), exit_code = %s,"
        " state = coalesce(%s, state) WHERE tenant = %s AND epoch = %s",
        (exit_code, state and json.dumps(state), tenant, epoch),
    )


def show(connection: Connection, states: Sequence[tuple[int, int, str]]) -> None:
    """Let others see how far tenants are: their number, epoch and state."""
    connection.execute(
        "UPDATE bulkroute.tenant SET state = given.state::json, seen_at = clock_timestamp()"
        " FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS given (tenant, epoch, state)"
        " WHERE tenant.tenant = given.tenant AND tenant.epoch = given.epoch",
        [list(column) for column in zip(*states, strict=True)],
    )


def seen(connection: Connection, tenants: Sequence[int]) -> Iterator[Seen]:
    """Return these tenants, as far as there are any, as they are now."""
    found = connection.execute(_SEEN, (list(tenants),))
    return (Seen(*each) for each in found.fetchall())


def delete(connection: Connection, tenant: int, epoch: int) -> None:
    """Remove all there is of a tenant. Raises LedgerError if it is another's."""
    with connection.transaction():
        gone = connection.execute("DELETE FROM bulkroute.tenant WHERE tenant = %s AND epoch = %s", (tenant, epoch))
        _require_ours(gone.rowcount)
        connection.execute("DELETE FROM bulkroute.base WHERE tenant = %s", (tenant,))
        connection.execute("DELETE FROM bulkroute.journal_commit WHERE tenant = %s", (tenant,))
        connection.execute("DELETE FROM bulkroute.word WHERE tenant = %s", (tenant,))


def _require_ours(rows: int) -> None:
    if rows != 1:
        raise LedgerError(
            "another host has taken the tenant over", hint="nothing more is sent from here", stop=StopKind.COPY
        )
