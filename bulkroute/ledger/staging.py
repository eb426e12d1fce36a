"""The checked manifest by id on its way into the ledger: as it was written, or with the ids that its numbers have.

Duplicates are found here, where the whole file is at hand. Nothing of it reaches the ledger before every fault is
known; the ledger then takes it over in one transaction (`ledger.merge`).
"""

import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute, attached
from bulkroute.ledger.temp_db import Scratch
from bulkroute.manifest import Faults
from bulkroute.manifest.rows import LabelledRow
from bulkroute.manifest.saved_plan import PlanRow
from bulkroute.model import Binding, Row

CHUNK_ROWS = 5_000

_PLANNED = (
    "line, id, devicetype, device_id, access_code, ext_code, media_type, target, wave, standing, before_devicetype,"
    " before_device_id, before_target"
)
_LABELLED = "line, id, devicetype, device_id, access_code, ext_code, media_type, target, wave"


class FoundRow(NamedTuple):
    """One row whose id was found by its number."""

    line: int
    """Where it stands in the manifest, from 1."""
    id: str
    """The called route's id."""
    devicetype: int
    """Wanted: 1 skill queue, 3 IVR flow."""
    device_id: int
    """Wanted: the number of the queue or flow."""
    access_code: str
    """What callers dial, as the service lists it."""
    ext_code: str
    """What they dial after it; may be empty."""
    media_type: int | None
    """A `MediaType`; None where the service names none."""
    wave: int | None
    """In which wave it goes, as the manifest says; None where it says none: with the last."""


class Staging(Scratch):
    """Holds checked rows, in the order of their lines. Use as a context manager."""

    def __init__(self) -> None:
        """Make the temporary file. Raises LedgerError where its folder (TMPDIR) cannot be used."""
        super().__init__(
            "staging.db",
            "stage the manifest",
            "CREATE TABLE staged (line INTEGER, id TEXT, devicetype INTEGER, device_id INTEGER, access_code TEXT,"
            " ext_code TEXT, media_type INTEGER, target TEXT, wave INTEGER, standing TEXT, before_devicetype INTEGER,"
            " before_device_id INTEGER, before_target TEXT);"
            "CREATE TABLE named (name TEXT PRIMARY KEY, devicetype INTEGER, device_id INTEGER) WITHOUT ROWID;",
            cache_kib=500,
        )
        self.count = 0
        self.dropped = 0
        """Rows left out because the same id with the same target stands further up."""

    def load(self, rows: Iterable[Row], faults: Faults) -> None:
        """Take all rows; an id that stands twice is dropped (same target) or a fault (different targets).

        Raises LedgerError, where the disk of the temporary folder is full for instance.
        """
        self._load(rows, "line, id, devicetype, device_id", faults)

    def load_labelled(self, rows: Iterable[LabelledRow], faults: Faults) -> None:
        """Take all rows with what stands beside their ids, as `load` does."""
        self._load(rows, _LABELLED, faults)

    def load_found(self, rows: Iterable[FoundRow], faults: Faults) -> None:
        """Take all rows whose ids were found by their numbers, as `load` does."""
        self._load(rows, ", ".join(FoundRow._fields), faults)

    def load_planned(self, rows: Iterable[PlanRow], faults: Faults) -> None:
        """Take all rows of a saved plan, with what they were bound to when it was made; an id that stands twice is a fault."""
        self._load(map(_planned, rows), _PLANNED, faults)
        if self.dropped:
            faults.add(0, f"{self.dropped:,} ids stand in the plan twice")

    def note_names(self, names: Mapping[str, Binding]) -> None:
        """Take note of what the targets are that the manifest names."""
        with self.errors():
            self._connection.executemany(
                "INSERT INTO named VALUES (?, ?, ?)", [(name, *binding) for name, binding in names.items()]
            )

    def ids(self) -> Iterator[str]:
        """Yield the ids in their own order. Raises LedgerError."""
        with self.errors():
            for (row_id,) in self._connection.execute("SELECT id FROM staged ORDER BY id"):
                yield row_id

    def labelled(self, live: LiveBindings) -> Iterator[tuple[LabelledRow, LiveRoute]]:
        """Yield the rows whose ids are listed live, in the order of their lines, each with its called route."""
        mine = ", ".join(f"staged.{name}" for name in LabelledRow._fields)
        its = ", ".join(f"live.{name}" for name in LiveRoute._fields)
        with self.errors(), attached(self._connection, seen=live.path):
            for cells in self._connection.execute(
                f"SELECT {mine}, {its} FROM staged JOIN seen.binding AS live ON live.id = staged.id ORDER BY staged.rowid"
            ):
                yield (
                    LabelledRow._make(cells[: len(LabelledRow._fields)]),
                    LiveRoute._make(cells[-len(LiveRoute._fields) :]),
                )

    def named_targets(self) -> list[Binding]:
        """Return the targets beside whose ids the manifest says a name."""
        with self.errors():
            found = self._connection.execute("SELECT DISTINCT devicetype, device_id FROM staged WHERE target <> ''")
            return [Binding(*each) for each in found]

    def _load(self, rows: Iterable[tuple[object, ...]], columns: str, faults: Faults) -> None:
        insert = f"INSERT INTO staged ({columns}) VALUES ({', '.join('?' for _ in columns.split(', '))})"
        with self.errors():
            self._connection.execute("BEGIN")
            remaining = iter(rows)
            while chunk := list(itertools.islice(remaining, CHUNK_ROWS)):
                self._connection.executemany(insert, chunk)
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


def _planned(row: PlanRow) -> tuple[object, ...]:
    before = row.before or (None, None, None)
    codes = row.access_code, row.ext_code, row.media_type
    return (row.line, row.id, *row.after[:2], *codes, row.after.name, row.wave, row.standing, *before)


class Staged(NamedTuple):
    """A checked manifest by id that is ready to be taken over; good as long as its rows are open."""

    rows: Staging
    name: str
    """What the ledger and messages call it."""
    digest: str
    """Of its bytes; '' if it cannot be told from another one, as rows of a program."""
    by_number: bool = False
    """Whether the manifest names numbers, by which the ids were found; a saved plan holds numbers that must still be theirs."""
    left_out: int = 0
    """Rows whose number no route has, left out as asked for."""
