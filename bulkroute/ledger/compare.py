"""Rows held against the live bindings, for people to read: the plan of a manifest, the check of a ledger. Reads only."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import LedgerError
from bulkroute.ledger import lifecycle, numbers
from bulkroute.ledger.batches import Batch
from bulkroute.ledger.call_sheet import dialled
from bulkroute.ledger.drift import Foreseen
from bulkroute.ledger.file import sql_list
from bulkroute.ledger.live_bindings import LOCKED, Target, attached, gathered
from bulkroute.ledger.settle import IS_BEFORE, IS_WANTED
from bulkroute.ledger.temp_db import temp_errors
from bulkroute.ledger.wanted import as_pairs, target
from bulkroute.manifest.saved_plan import PlanCounts, PlanRow, WaveRows
from bulkroute.model import REFUSED, Binding, FailureKind, NamedTarget, Pair, number_text, printable, route_text
from bulkroute.settings import WaveSize
from bulkroute.settings.wave_sizes import cut

_STANDING = (
    f"CASE WHEN staged.id IN moved THEN '{FailureKind.MOVED}' WHEN noted.stays THEN noted.kind"
    f" WHEN live.id IS NULL THEN '{FailureKind.UNKNOWN_ID}'"
    " WHEN live.devicetype = staged.devicetype AND live.device_id = staged.device_id THEN 'right'"
    f" WHEN live.editable IN {LOCKED} THEN '{FailureKind.LOCKED}' ELSE 'change' END"
)
_JOINED = (
    "incoming.staged AS staged LEFT JOIN seen.binding AS live ON live.id = staged.id"
    " LEFT JOIN noted ON noted.id = staged.id"
)
_OLD_NAME = "LEFT JOIN seen.target AS old ON old.devicetype = live.devicetype AND old.device_id = live.device_id"
_NEW_NAME = "LEFT JOIN seen.target AS new ON new.devicetype = staged.devicetype AND new.device_id = staged.device_id"
_ROUTE = (
    "coalesce(live.access_code, staged.access_code, ''), coalesce(live.ext_code, staged.ext_code, ''),"
    " coalesce(live.media_type, staged.media_type)"
)
_WAVE = "coalesce(cut.wave, staged.wave)"
_BOTH_TARGETS = "live.devicetype, live.device_id, old.name, staged.devicetype, staged.device_id, new.name"


NUMBER_CHARS = 1000
"""Of the longest number: no text of the service is cut, since a saved plan is held against it later."""


class DifferenceKind(StrEnum):
    """What became of a row whose live binding is not what the ledger says."""

    PUT_BACK = "put_back"
    """It leads again to where it led before the batch changed it."""
    SET_AGAIN = "set_again"
    """A rollback had put it back, and it leads again to where the batch had sent it."""
    ELSEWHERE = "elsewhere"
    """It leads to another target, or to none."""
    GONE = "gone"
    """No called route has its id any more."""
    LOCKED = "locked"
    """It does not lead where it should, and must not be changed now."""

    @property
    def words(self) -> str:
        """It in words."""
        return self.value.replace("_", " ")


class Difference(NamedTuple):
    """A row whose live binding is not what the ledger says; `now` is None where it is not listed or has no target."""

    id: str
    """The called route's id."""
    kind: DifferenceKind
    """What became of it."""
    was: NamedTarget | None
    """Where it led before this batch changed it; None if that is not recorded."""
    wanted: NamedTarget
    """Where it should lead: as the manifest asked for, or as it was before, for one that was put back."""
    now: NamedTarget | None
    """Where it leads."""
    access_code: str
    """What callers dial; empty where it is not known."""
    ext_code: str
    """What they dial after it; may be empty."""

    @property
    def route(self) -> str:
        """The called route as people know it: `4008001234 ext 2 (id 1125397061153369092)`."""
        return route_text(self.id, number_text(self.access_code, self.ext_code))

    def named_by(self, names: Mapping[Binding, str]) -> "Difference":
        """Return it with the names that these names have for its targets."""
        return self._replace(
            was=self.was and self.was.named_by(names),
            wanted=self.wanted.named_by(names),
            now=self.now and self.now.named_by(names),
        )


class Checked(NamedTuple):
    """How many rows a check holds against live bindings."""

    done: int
    """Those that the batch has done."""
    put_back: int
    """Those that a rollback has put back since."""
    last_finish: float
    """When the last of them got its outcome, in seconds since the epoch; 0 where none has."""


class Comparison:
    """A staged manifest held against live bindings. Both files must outlive it. Raises LedgerError, as all its methods do."""

    def __init__(self, staged: Path, live: Path, *, kept: bool = False) -> None:
        """`kept`: the ids were found by their numbers when the batch was begun, so that numbers may have moved since."""
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._live = live
        try:
            with self._errors():
                self._connection.execute("PRAGMA temp_store = FILE")
                self._connection.execute(
                    "CREATE TEMP TABLE noted (id TEXT PRIMARY KEY, kind TEXT, stays INTEGER) WITHOUT ROWID"
                )
                self._connection.execute("ATTACH ? AS incoming", (str(staged),))
                self._connection.execute("ATTACH ? AS seen", (str(live),))
                numbers.add_functions(self._connection)
                self._connection.execute("CREATE TEMP TABLE moved (id TEXT PRIMARY KEY) WITHOUT ROWID")
                self._connection.execute("CREATE TEMP TABLE cut (place INTEGER PRIMARY KEY, wave INTEGER)")
                if kept:
                    found = numbers.moved("incoming.staged AS staged", "staged", "TRUE")
                    self._connection.execute(f"INSERT INTO moved SELECT id FROM ({found})")
        except LedgerError:
            self.close()
            raise

    def _errors(self) -> AbstractContextManager[None]:
        return temp_errors("hold the manifest against live bindings", str(self._live.parent))

    def note(self, foreseen: Iterable[Foreseen], *, keep: bool) -> None:
        """Take note of the rows that another hand has changed; `keep` leaves those that drifted as they are, too."""
        with self._errors():
            self._connection.executemany(
                "INSERT INTO noted VALUES (?, ?, ?)",
                ((row_id, kind, keep or kind is FailureKind.CONFLICT) for row_id, kind in foreseen),
            )

    def counts(self, dropped: int, skip: Collection[FailureKind] = ()) -> PlanCounts:
        """Count the rows by what a run would do with them; those of a kind to `skip` are not refused."""
        with self._errors():
            found = dict(
                self._connection.execute(f"SELECT {_STANDING} AS standing, count(*) FROM {_JOINED} GROUP BY 1")
            )
            (drifted,) = self._connection.execute(
                "SELECT count(*) FROM noted WHERE kind = ?", (FailureKind.DRIFTED,)
            ).fetchone()
        kinds = {kind: found[kind] for kind in sorted(REFUSED) if kind in found}
        return PlanCounts(
            total=sum(found.values()),
            to_change=found.get("change", 0),
            already_right=found.get("right", 0),
            drifted=drifted,
            skipped=sum(rows for kind, rows in kinds.items() if kind in skip),
            refused={str(kind): rows for kind, rows in kinds.items() if kind not in skip},
            twice=dropped,
        )

    def targets(self) -> list[Target]:
        """Return every target of the rows to change, whatever leads there already."""
        with self._errors():
            return gathered(
                self._connection.execute(
                    "SELECT staged.devicetype, staged.device_id, new.name, live.media_type, count(*)"
                    f" FROM {_JOINED} {_NEW_NAME} WHERE {_STANDING} = 'change' GROUP BY 1, 2, 4 ORDER BY 1, 2"
                )
            )

    def pairs(self) -> Iterator[Pair]:
        """Yield where the rows to change lead now and are to lead, the commonest first."""
        with self._errors():
            yield from as_pairs(
                self._connection.execute(
                    f"SELECT {_BOTH_TARGETS}, count(*) AS rows FROM {_JOINED} {_OLD_NAME} {_NEW_NAME}"
                    f" WHERE {_STANDING} = 'change' GROUP BY 1, 2, 4, 5 ORDER BY rows DESC, 1, 2, 4, 5"
                )
            )

    def rows(self) -> Iterator[PlanRow]:
        """Yield every row in the manifest's order."""
        with self._errors():
            for (
                line,
                row_id,
                standing,
                drifted,
                *pair,
                access,
                ext,
                media_type,
                editable,
                wave,
            ) in self._connection.execute(
                f"SELECT staged.line, staged.id, {_STANDING}, noted.kind IS '{FailureKind.DRIFTED}', {_BOTH_TARGETS}, 1,"
                f" {_ROUTE}, live.editable, {_WAVE}"
                f" FROM {_JOINED} {_OLD_NAME} {_NEW_NAME} LEFT JOIN cut ON cut.place = staged.rowid ORDER BY staged.rowid"
            ):
                for before, after, _rows in as_pairs([pair]):
                    facts = printable(access, NUMBER_CHARS), printable(ext, NUMBER_CHARS), media_type, editable, wave
                    yield PlanRow(line, row_id, standing, bool(drifted), before, after, *facts)

    def cut_waves(self, sizes: Sequence[WaveSize]) -> None:
        """Give the rows to change to waves, as a run that begins now would; the first is spread over the targets."""
        change = f"FROM {_JOINED} LEFT JOIN cut ON cut.place = staged.rowid WHERE cut.place IS NULL AND {_STANDING} = 'change'"
        turn = "row_number() OVER (PARTITION BY staged.devicetype, staged.device_id ORDER BY staged.rowid)"
        with self._errors():
            (rows,) = self._connection.execute(f"SELECT count(*) {change}").fetchone()
            for wave, size in enumerate(cut(rows, sizes), 1):
                order = f"{turn}, staged.rowid" if wave == 1 else "staged.rowid"
                self._connection.execute(
                    f"INSERT INTO cut SELECT staged.rowid, ? {change} ORDER BY {order} LIMIT ?", (wave, size)
                )

    def waves(self) -> list[WaveRows]:
        """Return how many rows are of each wave, those of none last; nothing where the manifest names none."""
        with self._errors():
            found = self._connection.execute(
                f"SELECT {_WAVE} AS wave, count(*) FROM incoming.staged AS staged"
                " LEFT JOIN cut ON cut.place = staged.rowid GROUP BY 1 ORDER BY 1 IS NULL, 1"
            )
            waves = [WaveRows(*each) for each in found]
        return waves if any(each.wave is not None for each in waves) else []

    def test_calls(self, most: int) -> Iterator[tuple[str, str, Pair]]:
        """Yield numbers to dial of rows to change, `most` for each from/to pair: number, id, from and to."""
        pair = "live.devicetype, live.device_id, staged.devicetype, staged.device_id"
        with self._errors():
            for number, row_id, *targets in self._connection.execute(
                f"SELECT * FROM (SELECT live.access_code || coalesce(live.ext_code, ''), staged.id, {_BOTH_TARGETS},"
                f" row_number() OVER (PARTITION BY {pair} ORDER BY staged.rowid) AS place"
                f" FROM {_JOINED} {_OLD_NAME} {_NEW_NAME} WHERE {_STANDING} = 'change' AND live.access_code <> ''"
                f" AND {dialled('live')}) WHERE place <= ? ORDER BY 3, 4, 6, 7, place",
                (most,),
            ):
                for found in as_pairs([targets]):
                    yield number, row_id, found

    def close(self) -> None:
        """Close both files."""
        self._connection.close()


def _checked(batch: Batch) -> str:
    """Return SQL of the rows that say what is bound: those that the batch has done, and those that were put back since."""
    done = f"status IN ({sql_list(sorted(lifecycle.DONE))})"
    put_back = (
        f"row.batch > {batch.number} AND row.batch IN (SELECT batch.batch FROM batch WHERE batch.parent <= {batch.number})"
        f" AND NOT EXISTS (SELECT 1 FROM row AS later WHERE later.id = row.id AND later.batch > row.batch AND later.{done})"
    )
    return f"row.{done} AND (row.batch = {batch.number} OR ({put_back}))"


def count_checked(connection: sqlite3.Connection, batch: Batch) -> Checked:
    """Count the rows that the ledger calls done, or put back since."""
    (done, put_back, last_finish) = connection.execute(
        "SELECT count(*) FILTER (WHERE row.batch = ?1), count(*) FILTER (WHERE row.batch <> ?1),"
        f" coalesce(max(finished_at), 0) FROM row WHERE {_checked(batch)}",
        (batch.number,),
    ).fetchone()
    return Checked(int(done), int(put_back), float(last_finish))


_KIND = (
    f"CASE WHEN live.id IS NULL THEN '{DifferenceKind.GONE}' WHEN live.editable IN {LOCKED} THEN '{DifferenceKind.LOCKED}'"
    f" WHEN ({IS_BEFORE}) IS TRUE THEN iif(EXISTS (SELECT 1 FROM batch WHERE batch.batch = row.batch AND parent IS NOT NULL),"
    f" '{DifferenceKind.SET_AGAIN}', '{DifferenceKind.PUT_BACK}') ELSE '{DifferenceKind.ELSEWHERE}' END"
)


def differences(connection: sqlite3.Connection, batch: Batch, live: Path) -> list[Difference]:
    """Return the rows called done, or put back since, whose live binding is another one, in the manifest's order."""
    columns = {
        "was": ("row.before_devicetype", "row.before_device_id"),
        "now": ("live.devicetype", "live.device_id"),
        "wanted": ("row.devicetype", "row.device_id"),
    }
    shown = ", ".join(f"{kind}, {number}, {name}_name.name" for name, (kind, number) in columns.items())
    joins = " ".join(
        f"LEFT JOIN seen.target AS {name}_name ON {name}_name.devicetype = {kind} AND {name}_name.device_id = {number}"
        for name, (kind, number) in columns.items()
    )
    with attached(connection, seen=live):
        found = connection.execute(
            f"SELECT row.id, {_KIND}, coalesce(live.access_code, row.access_code), coalesce(live.ext_code, row.ext_code),"
            f" {shown} FROM row LEFT JOIN seen.binding AS live ON live.id = row.id {joins}"
            f" WHERE {_checked(batch)} AND ({IS_WANTED}) IS NOT TRUE ORDER BY row.line, row.row"
        ).fetchall()
    return [
        Difference(
            row_id,
            DifferenceKind(kind),
            target(*others[:3]),
            NamedTarget(devicetype, device_id, name or ""),
            target(*others[3:]),
            access_code,
            ext_code,
        )
        for row_id, kind, access_code, ext_code, *others, devicetype, device_id, name in found
    ]
