"""The checked manifest on its way into the ledger.

Duplicates are found here, where the whole file is at hand. Nothing of it reaches the ledger before every fault is
known; the ledger then takes it over in one transaction (`ledger.merge`).
"""

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bulkroute.ledger.temp_db import Scratch
from bulkroute.manifest import Faults
from bulkroute.model import Binding, Row

CHUNK_ROWS = 5_000


class Staging(Scratch):
    """Holds checked rows, in the order of their lines. Use as a context manager."""

    def __init__(self) -> None:
        """Make the temporary file. Raises LedgerError where its folder (TMPDIR) cannot be used."""
        super().__init__(
            "staging.db",
            "stage the manifest",
            "CREATE TABLE staged (line INTEGER, id TEXT, devicetype INTEGER, device_id INTEGER);",
            cache_kib=500,
        )
        self.count = 0
        self.dropped = 0
        """Rows left out because the same id with the same target stands further up."""

    def load(self, rows: Iterable[Row], faults: Faults) -> None:
        """Take all rows; an id that stands twice is dropped (same target) or a fault (different targets).

        Raises LedgerError, where the disk of the temporary folder is full for instance.
        """
        with self.errors():
            self._load(rows, faults)

    def ids(self) -> Iterator[str]:
        """Yield the ids in their own order. Raises LedgerError."""
        with self.errors():
            for (row_id,) in self._connection.execute("SELECT id FROM staged ORDER BY id"):
                yield row_id

    def _load(self, rows: Iterable[Row], faults: Faults) -> None:
        execute = self._connection.executemany
        self._connection.execute("BEGIN")
        remaining = iter(rows)
        while chunk := list(itertools.islice(remaining, CHUNK_ROWS)):
            execute("INSERT INTO staged VALUES (?, ?, ?, ?)", chunk)
        self._connection.execute("COMMIT")
        try:
            self._connection.execute("CREATE UNIQUE INDEX staged_id ON staged (id)")
        except sqlite3.IntegrityError:
            self._settle_duplicates(faults)
        (self.count,) = self._connection.execute("SELECT count(*) FROM staged").fetchone()

    def _settle_duplicates(self, faults: Faults) -> None:
        self._connection.executescript(
            "CREATE INDEX staged_duplicate ON staged (id);"
            "CREATE TEMP TABLE kept AS SELECT id, min(rowid) AS place FROM staged GROUP BY id HAVING count(*) > 1;"
        )
        repeated = self._connection.execute(
            "SELECT later.id, first.line, later.line, first.devicetype, first.device_id,"
            " later.devicetype, later.device_id FROM kept JOIN staged AS first ON first.rowid = kept.place"
            " JOIN staged AS later ON later.id = kept.id AND later.rowid > kept.place ORDER BY later.rowid"
        )
        dropped = 0
        for row_id, first_line, line, *targets in repeated:
            first, later = Binding(*targets[:2]), Binding(*targets[2:])
            if first == later:
                dropped += 1
            else:
                faults.add(
                    line,
                    f"id {row_id} is to go to {later}, but line {first_line} sends it to {first}; keep one of them",
                )
        self.dropped = dropped
        if dropped:
            rows = "row was" if dropped == 1 else "rows were"
            faults.warn(f"{dropped} {rows} dropped: the same id with the same target stands further up")
        self._connection.executescript(
            "DELETE FROM staged WHERE rowid > (SELECT place FROM kept WHERE kept.id = staged.id);"
            "CREATE UNIQUE INDEX staged_id ON staged (id);"
        )


class Staged(NamedTuple):
    """A checked manifest that is ready to be taken over; good as long as its rows are open."""

    rows: Staging
    name: str
    """What the ledger and messages call it."""
    digest: str
    """Of its bytes; '' if it cannot be told from another one, as rows of a program."""
