"""Ledgers of earlier formats: what they lack, and how they are brought to the format of today.

Reading commands leave them as they are: temporary views show them as they would be. A command that writes brings them up
first, in one transaction: whatever ends it on the way leaves a sound ledger of the earlier format.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from bulkroute.ledger.file import FORMAT, OLDEST_FORMAT, format_of, transaction
from bulkroute.ledger.guard import ledger_errors

TO_FORMAT_2 = (
    """
    CREATE TABLE pace (
        pace        INTEGER PRIMARY KEY,
        run         INTEGER NOT NULL REFERENCES run,
        at          REAL NOT NULL,
        asked       REAL,
        rate        REAL,
        concurrency INTEGER NOT NULL,
        reason      TEXT NOT NULL
    ) STRICT
    """,
)

_SERVICE = (
    "(SELECT run.service FROM main.run JOIN main.batch AS own ON own.batch = run.batch"
    " WHERE batch.batch IN (own.batch, own.parent) ORDER BY run.run DESC LIMIT 1)"
)
"""The service of a batch's latest run, or of the latest run of its rollbacks."""

_CAUSE = (
    "CASE WHEN reason = 'start of the run' THEN 'started' WHEN reason = 'what the service allows' THEN 'service'"
    " WHEN reason LIKE '%the operator%' THEN 'operator' ELSE 'throttled' END"
)

_ORIGIN = ("tenant", "note", "who", "command_line")

TO_FORMAT_3 = (
    "ALTER TABLE batch ADD COLUMN service TEXT",
    "ALTER TABLE batch ADD COLUMN app_key TEXT",
    f"UPDATE batch SET service = {_SERVICE}",
    "ALTER TABLE run ADD COLUMN stop TEXT",
    "ALTER TABLE run ADD COLUMN pid_started INTEGER",
    "ALTER TABLE run ADD COLUMN digest TEXT",
    *(f"ALTER TABLE run ADD COLUMN {name} TEXT NOT NULL DEFAULT ''" for name in _ORIGIN),
    "ALTER TABLE row ADD COLUMN drifted INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE pace ADD COLUMN cause TEXT NOT NULL DEFAULT 'service'",
    f"UPDATE pace SET cause = {_CAUSE}",
    "ALTER TABLE row ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE batch ADD COLUMN since INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE remark (
        remark      INTEGER PRIMARY KEY,
        batch       INTEGER NOT NULL REFERENCES batch,
        run         INTEGER REFERENCES run,
        at          REAL NOT NULL,
        kind        TEXT NOT NULL,
        is_good     INTEGER NOT NULL,
        text        TEXT NOT NULL
    ) STRICT
    """,
    "ALTER TABLE batch ADD COLUMN by_number INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE row ADD COLUMN access_code TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE row ADD COLUMN ext_code TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE row ADD COLUMN media_type INTEGER",
    "ALTER TABLE row ADD COLUMN wave INTEGER",
    "CREATE INDEX row_wave ON row (wave, batch) WHERE wave IS NOT NULL",
    """
    CREATE TABLE wave (
        batch       INTEGER NOT NULL REFERENCES batch,
        wave        INTEGER NOT NULL,
        asked       TEXT NOT NULL,
        state       TEXT NOT NULL DEFAULT 'waiting',
        since       REAL NOT NULL,
        may_follow  INTEGER NOT NULL DEFAULT 0,
        words       TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (batch, wave)
    ) STRICT, WITHOUT ROWID
    """,
    "ALTER TABLE run ADD COLUMN ends_at REAL",
    "ALTER TABLE run ADD COLUMN routes INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE back_out (
        batch       INTEGER PRIMARY KEY REFERENCES batch,
        run         INTEGER NOT NULL REFERENCES run,
        decided_at  REAL NOT NULL,
        exit_code   INTEGER,
        ended_at    REAL,
        rows        INTEGER,
        back        INTEGER
    ) STRICT
    """,
    """
    CREATE TABLE gate (
        batch       INTEGER NOT NULL REFERENCES batch,
        wave        INTEGER NOT NULL,
        gate        TEXT NOT NULL,
        answer      TEXT NOT NULL,
        at          REAL NOT NULL,
        words       TEXT NOT NULL,
        PRIMARY KEY (batch, wave, gate)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE target (
        batch       INTEGER NOT NULL REFERENCES batch,
        devicetype  INTEGER NOT NULL,
        device_id   INTEGER NOT NULL,
        name        TEXT NOT NULL,
        PRIMARY KEY (batch, devicetype, device_id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE wanted_name (
        batch       INTEGER NOT NULL REFERENCES batch,
        name        TEXT NOT NULL,
        devicetype  INTEGER NOT NULL,
        device_id   INTEGER NOT NULL,
        PRIMARY KEY (batch, name)
    ) STRICT, WITHOUT ROWID
    """,
)

STEPS = (TO_FORMAT_2, TO_FORMAT_3)
"""The statements of each step in their order; the first step leads from the oldest format to the one after it."""

_NO_REMARK = ("remark", "batch", "run", "at", "kind", "is_good", "text")
_VIEWS_OF_2 = {
    "row": "SELECT *, 0 AS drifted, 0 AS given_back, '' AS access_code, '' AS ext_code, NULL AS media_type, NULL AS wave"
    " FROM main.row",
    "batch": f"SELECT *, {_SERVICE} AS service, NULL AS app_key, 0 AS since, 0 AS by_number FROM main.batch",
    "target": "SELECT NULL AS batch, NULL AS devicetype, NULL AS device_id, NULL AS name WHERE 0",
    "wave": "SELECT NULL AS batch, NULL AS wave, NULL AS asked, NULL AS state, NULL AS since, NULL AS may_follow,"
    " NULL AS words WHERE 0",
    "gate": "SELECT NULL AS batch, NULL AS wave, NULL AS gate, NULL AS answer, NULL AS at, NULL AS words WHERE 0",
    "wanted_name": "SELECT NULL AS batch, NULL AS name, NULL AS devicetype, NULL AS device_id WHERE 0",
    "back_out": "SELECT NULL AS batch, NULL AS run, NULL AS decided_at, NULL AS exit_code, NULL AS ended_at, NULL AS rows,"
    " NULL AS back WHERE 0",
    "run": "SELECT *, NULL AS stop, NULL AS pid_started, NULL AS digest"
    + "".join(f", '' AS {name}" for name in _ORIGIN)
    + ", NULL AS ends_at, 0 AS routes FROM main.run",
    "pace": f"SELECT *, {_CAUSE} AS cause FROM main.pace",
    "remark": f"SELECT {', '.join(f'NULL AS {column}' for column in _NO_REMARK)} WHERE 0",
}
_NO_PACE = ("pace", "run", "at", "asked", "rate", "concurrency", "reason", "cause")

VIEWS = {
    1: {**_VIEWS_OF_2, "pace": f"SELECT {', '.join(f'NULL AS {column}' for column in _NO_PACE)} WHERE 0"},
    2: _VIEWS_OF_2,
}
"""By format: what shows in place of a table of that name, as it would be after `bring_up`."""


def read_as_today(connection: sqlite3.Connection) -> None:
    """Let what is read over this connection be of today's format, whatever the ledger's is; nothing of it is changed."""
    for name, select in VIEWS.get(format_of(connection), {}).items():
        connection.execute(f"CREATE TEMP VIEW {name} AS {select}")


def is_of_today(connection: sqlite3.Connection) -> bool:
    """Tell whether a ledger needs no bringing up."""
    return format_of(connection) == FORMAT


def bring_up(connection: sqlite3.Connection, ledger: Path, on_notice: Callable[[str], None]) -> None:
    """Bring a ledger of an earlier format to today's; `on_notice` gets a notice if that was needed.

    The caller holds the lock, and the ledger has passed its check. Raises LedgerError.
    """
    with ledger_errors(ledger, f"bring the ledger to format {FORMAT}"):
        found = format_of(connection)
        if found == FORMAT:
            return
        with transaction(connection):
            for step in STEPS[found - OLDEST_FORMAT :]:
                for statement in step:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={FORMAT}")
    on_notice(f"the ledger is of format {found}; brought to format {FORMAT}")
