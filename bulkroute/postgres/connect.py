"""A connection that decides who may send: it dies soon after its process does, and nothing stands in between.

Whoever holds a session's lock holds it as long as the server knows the session: so a process that is silent for
`SILENT_S` loses it, whether it was killed, froze or was cut off. Refused is what would break that unseen: a pooler that
hands statements of one client to several sessions, a replica, and a server that forgets what it has acknowledged.
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bulkroute.errors import StopKind, StoppedEarly, UsageError

SILENT_S = 3
"""A session that says nothing for so long is ended by the server. Each process says something every second."""

STATEMENT_S = 4
"""No statement takes longer, or it has failed."""

CONNECT_S = 5
"""No connection takes longer to come about."""

OLDEST_SERVER = 140000
"""PostgreSQL 14, the first that ends silent sessions by itself."""

ENCODINGS = ("UTF8", "SQL_ASCII")
"""Of databases that keep every text as it is; a cluster that was made in the locale C has the second."""

SCHEMA = "bulkroute 1"
"""What the schema says that it is."""

ALTERNATIONS = 4
"""How often two sessions take turns to show whose they are. A pooler that shares one has shown it by then."""

BY_FILE = "the password belongs into ~/.pgpass or PGPASSWORD"

Connection = psycopg.Connection[tuple[Any, ...]]

_SETTINGS = {
    "application_name": "'bulkroute'",
    "idle_session_timeout": f"'{SILENT_S}s'",
    "idle_in_transaction_session_timeout": f"'{SILENT_S}s'",
    "statement_timeout": f"'{STATEMENT_S}s'",
    "lock_timeout": f"'{STATEMENT_S}s'",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": f"{SILENT_S * 1000}",
}


def place_of(url: str) -> str:
    """Return where a database is, without who uses it. Raises UsageError for what is no address of one."""
    scheme, colon, _ = url.partition("://")
    try:
        found = conninfo_to_dict(url)
    except psycopg.Error:
        found = {}
    if not colon or scheme not in ("postgresql", "postgres") or not found:
        raise UsageError(
            "is not the address of a PostgreSQL database",
            where="--on",
            hint=f"give postgresql://user@host/database; {BY_FILE}",
        )
    if found.get("password"):
        raise UsageError("holds a password, which every process list would show", where="--on", hint=BY_FILE)
    return f"postgresql://{found.get('host') or 'localhost'}:{found.get('port') or 5432}/{found.get('dbname') or ''}"


def connect(url: str) -> Connection:
    """Connect, and make what is missing there. Raises UsageError, and StoppedEarly where the server cannot be reached."""
    place = place_of(url)
    try:
        connection = _connect(url)
        try:
            with _connect(url) as other:
                require_own_session(connection, other, place)
            _prepare(connection, place)
        except BaseException:
            connection.close()
            raise
    except psycopg.Error as error:
        raise unreachable(place, error) from error
    return connection


def unreachable(place: str, error: psycopg.Error) -> StoppedEarly:
    """Return why nothing begins."""
    return StoppedEarly(
        f"{place}: PostgreSQL cannot be used: {words(error)}",
        hint="without it nothing is sent; the same command goes on once it can be reached",
        stop=StopKind.COPY,
    )


def words(error: BaseException) -> str:
    """Return what the server or the driver says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _connect(url: str) -> Connection:
    return psycopg.connect(
        url,
        autocommit=True,
        client_encoding="UTF8",
        connect_timeout=CONNECT_S,
        keepalives=1,
        keepalives_idle=2,
        keepalives_interval=1,
        keepalives_count=3,
        tcp_user_timeout=SILENT_S * 1000,
    )


def require_own_session(one: Connection, other: Connection, place: str) -> None:
    """Refuse what lets two connections share a session, or one have several. Raises UsageError."""
    seen: set[tuple[int, int]] = set()
    for _ in range(ALTERNATIONS):
        seen.add((pid(one), pid(other)))
    if len(seen) > 1 or any(mine == theirs for mine, theirs in seen):
        raise UsageError(
            "a pooler hands its statements to several sessions, where a session's lock holds nothing",
            where=place,
            hint="connect to PostgreSQL itself, or to a pool of the kind `session`",
        )


def pid(connection: Connection) -> int:
    """Return which process of the server answers."""
    return int(one_row(connection, "SELECT pg_backend_pid()")[0])


def one_row(connection: Connection, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> tuple[Any, ...]:
    """Return the one row that a query gives."""
    found = connection.execute(sql, values).fetchone()
    if found is None:
        raise psycopg.DataError("the server gave no row")
    return found


def _prepare(connection: Connection, place: str) -> None:
    """Check the server, set up the session and make the schema where there is none. Raises UsageError."""
    if connection.info.server_version < OLDEST_SERVER:
        raise UsageError(
            "PostgreSQL is older than 14, and does not end silent sessions", where=place, hint="use a newer one"
        )
    for name, value in _SETTINGS.items():
        connection.execute(f"SET {name} = {value}")
    fsync, commit, replica, encoding = one_row(
        connection,
        "SELECT current_setting('fsync'), current_setting('synchronous_commit'), pg_is_in_recovery(),"
        " current_setting('server_encoding')",
    )
    if replica:
        raise UsageError(
            "PostgreSQL is a replica there, which nothing can be written to", where=place, hint="name the primary"
        )
    if fsync != "on":
        raise UsageError(
            "PostgreSQL runs with fsync off, and may forget what it has acknowledged", where=place, hint="turn fsync on"
        )
    if encoding not in ENCODINGS:
        raise UsageError(
            f"the database holds texts as {encoding}, which not every name and note fits into",
            where=place,
            hint="name one that was made with ENCODING 'UTF8'",
        )
    if commit != "remote_apply":
        connection.execute("SET synchronous_commit = on")
    _make_schema(connection, place)


def _make_schema(connection: Connection, place: str) -> None:
    # From the table: what `to_regnamespace` has once not found it may not find for a while.
    said = "SELECT (SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'bulkroute')"
    if one_row(connection, said)[0] is None:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('bulkroute: schema'))")
            if one_row(connection, said)[0] is None:  # another host was no faster
                sql = resources.files("bulkroute.postgres").joinpath("schema.sql").read_text("utf-8")
                connection.execute(sql.encode())
    found = one_row(connection, said)[0]
    if found != SCHEMA:
        raise UsageError(
            f"the schema `bulkroute` there is {found!r}, not {SCHEMA!r}",
            where=place,
            hint="use the version of bulkroute that made it, or another database",
        )
