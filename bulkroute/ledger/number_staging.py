"""The checked manifest by number on its way to the ids that its numbers have.

Numbers that stand twice as they are written are found here, where the whole file is at hand; numbers that are written
in two ways and are one route all the same, only live bindings tell.
"""

import itertools
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator

from bulkroute.ledger.staging import CHUNK_ROWS
from bulkroute.ledger.temp_db import Scratch
from bulkroute.manifest import Faults
from bulkroute.manifest.rows import NumberedRow, WantedTarget
from bulkroute.manifest.targets import split_id

_TARGETS_REMEMBERED = 4096
_CELLS = "{0}.devicetype, {0}.device_id, {0}.name, {0}.key"
_REPEATED = (
    "first JOIN numbered AS later ON later.access_code = first.access_code AND later.ext_code IS first.ext_code"
    " AND later.media_type IS first.media_type AND later.rowid > first.place"
    " JOIN target AS one ON one.number = first.target JOIN target AS other ON other.number = later.target"
)
_SAME_TARGET = f"({_CELLS.format('one')}) IS ({_CELLS.format('other')})"


class NumberStaging(Scratch):
    """Holds checked rows by number, in the order of their lines. Use as a context manager."""

    def __init__(self) -> None:
        """Make the temporary file. Raises LedgerError where its folder (TMPDIR) cannot be used."""
        super().__init__(
            "numbers.db",
            "stage the manifest",
            "CREATE TABLE target (number INTEGER PRIMARY KEY, devicetype INTEGER, device_id INTEGER, name TEXT, key TEXT);"
            "CREATE TABLE numbered (line INTEGER, access_code TEXT, ext_code TEXT, media_type INTEGER, target INTEGER,"
            " wave INTEGER);",
            cache_kib=500,
        )
        self.count = 0
        self.dropped = 0
        """Rows left out because the same number with the same target stands further up."""
        self._numbers: dict[WantedTarget, int] = {}  # of the targets met lately

    def load(self, rows: Iterable[NumberedRow], faults: Faults) -> None:
        """Take all rows; a number that stands twice is dropped (same target) or a fault (another target).

        Raises LedgerError, where the disk of the temporary folder is full for instance.
        """
        with self.errors():
            self._connection.execute("BEGIN")
            remaining = iter(rows)
            while chunk := [
                (*row[:4], self._numbers.get(row.target) or self._number(row.target), row.wave)
                for row in itertools.islice(remaining, CHUNK_ROWS)
            ]:
                self._connection.executemany("INSERT INTO numbered VALUES (?, ?, ?, ?, ?, ?)", chunk)
            self._connection.execute("COMMIT")
            try:
                self._connection.execute(
                    "CREATE UNIQUE INDEX numbered_number ON numbered"
                    " (access_code, ifnull(ext_code, 'none'), ifnull(media_type, 0))"
                )
            except sqlite3.IntegrityError:
                self._settle_duplicates(faults)
            (self.count,) = self._connection.execute("SELECT count(*) FROM numbered").fetchone()

    def rows(self) -> Iterator[NumberedRow]:
        """Yield the rows in the order of their lines."""
        with self.errors():
            for wave, line, access_code, ext_code, media_type, *target in self._connection.execute(
                f"SELECT wave, line, access_code, ext_code, media_type, {_CELLS.format('target')}"
                " FROM numbered JOIN target ON target.number = numbered.target ORDER BY numbered.rowid"
            ):
                yield NumberedRow(line, access_code, ext_code, media_type, WantedTarget._make(target), wave)

    def targets(self) -> Iterator[WantedTarget]:
        """Yield every target that a row wants, once."""
        with self.errors():
            for target in self._connection.execute(
                "SELECT DISTINCT devicetype, device_id, name, key FROM target WHERE number IN (SELECT target FROM numbered)"
            ):
                yield WantedTarget._make(target)

    def _number(self, target: WantedTarget) -> int:
        """Note a target and return its number; one not met for long gets another."""
        if len(self._numbers) >= _TARGETS_REMEMBERED:
            self._numbers.clear()
        number = self._connection.execute(
            "INSERT INTO target (devicetype, device_id, name, key) VALUES (?, ?, ?, ?)", target
        ).lastrowid
        self._numbers[target] = number or 0
        return number or 0

    def _settle_duplicates(self, faults: Faults) -> None:
        self._connection.executescript(
            "CREATE INDEX numbered_number ON numbered (access_code, ext_code, media_type);"
            "CREATE TEMP TABLE first AS SELECT *, min(rowid) AS place FROM numbered"
            " GROUP BY access_code, ext_code, media_type HAVING count(*) > 1;"
        )
        for line, access_code, ext_code, first_line, *cells in self._connection.execute(
            f"SELECT later.line, later.access_code, later.ext_code, first.line, {_CELLS.format('one')},"
            f" {_CELLS.format('other')} FROM {_REPEATED} WHERE NOT ({_SAME_TARGET}) ORDER BY later.rowid"
        ):
            first, later = WantedTarget._make(cells[:4]), WantedTarget._make(cells[4:])
            if _surely_differ(first, later):
                number = NumberedRow(line, access_code, ext_code, None, later).number
                faults.add(
                    line, f"{number} is to go to {later}, but line {first_line} sends it to {first}; keep one of them"
                )
        self.dropped = self._connection.execute(
            f"DELETE FROM numbered WHERE rowid IN (SELECT later.rowid FROM {_REPEATED} WHERE {_SAME_TARGET})"
        ).rowcount
        if self.dropped:
            rows = "row was" if self.dropped == 1 else "rows were"
            faults.warn(f"{self.dropped} {rows} dropped: the same number with the same target stands further up")


def _surely_differ(one: WantedTarget, other: WantedTarget) -> bool:
    """Tell whether no queue or flow can be meant by both."""
    for mine, its in ((one.devicetype, other.devicetype), (one.device_id, other.device_id)):
        if mine is not None and its is not None and mine != its:
            return True
    return one.key == other.key and bool(one.name and other.name) and not _possible_names(one) & _possible_names(other)


def _possible_names(target: WantedTarget) -> set[str]:
    """Return what the queue or flow may be called: `Night#7`, or `Night` if 7 is its id."""
    name = unicodedata.normalize("NFC", target.name)
    parts = split_id(name)
    return {name, parts[0]} if parts else {name}
