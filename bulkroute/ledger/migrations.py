"""Ledgers of earlier formats: what they lack, and how they are brought to the format of today.

Reading commands read them as they are. A command that writes brings them up first, in one transaction: whatever ends
it on the way leaves a sound ledger of the earlier format.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from bulkroute.ledger.file import FORMAT, OLDEST_FORMAT, format_of, transaction
from bulkroute.ledger.guard import ledger_errors

TO_FORMAT_2 = """
CREATE TABLE pace (
    pace        INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES run,
    at          REAL NOT NULL,
    asked       REAL,
    rate        REAL,
    concurrency INTEGER NOT NULL,
    reason      TEXT NOT NULL
) STRICT
"""

STEPS = ((TO_FORMAT_2,),)
"""The statements of each step in their order; the first step leads from the oldest format to the one after it."""


def bring_up(connection: sqlite3.Connection, ledger: Path, tell: Callable[[str], None]) -> None:
    """Bring a ledger of an earlier format to today's; `tell` gets a notice if that was needed.

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
    tell(f"the ledger is of format {found}; brought to format {FORMAT}")
