"""Rows held against the live bindings, for people to read: the plan of a manifest, the check of a ledger. Reads only."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import LedgerError
from bulkroute.ledger import lifecycle
from bulkroute.ledger.batches import Batch
from bulkroute.ledger.file import sql_list
from bulkroute.ledger.live_bindings import LOCKED, Target, TargetState, attached
from bulkroute.ledger.settle import IS_WANTED
from bulkroute.ledger.temp_db import temp_errors
from bulkroute.model import Binding

_STANDING = (
    "CASE WHEN live.id IS NULL THEN 'unknown'"
    " WHEN live.devicetype = staged.devicetype AND live.device_id = staged.device_id THEN 'right'"
    f" WHEN live.editable IN {LOCKED} THEN 'locked' ELSE 'change' END"
)
_JOINED = "incoming.staged AS staged LEFT JOIN seen.binding AS live ON live.id = staged.id"


class PlanCounts(NamedTuple):
    """How many rows of a manifest a run would treat in which way."""

    rows: int
    """Rows of the manifest."""
    to_change: int
    """Rows that a run would send."""
    already_right: int
    """Rows whose live binding is the wanted one."""
    locked: int
    """Rows that must not be edited."""
    unknown: int
    """Rows whose id no called route has."""
    twice: int
    """Rows dropped because the manifest says the same further up."""


class Change(NamedTuple):
    """Rows that would go from one target to another; `before` is None where the list names no usable target."""

    before: Binding | None
    """Where they lead now."""
    after: Binding
    """Where the manifest wants them to lead."""
    rows: int
    """How many."""


class PlanRow(NamedTuple):
    """One row of a plan; `standing` is change, right, locked or unknown."""

    line: int
    """In the manifest."""
    id: str
    """The called route's id."""
    standing: str
    """What a run would do with it."""
    before: Binding | None
    """Where it leads now."""
    after: Binding
    """Where the manifest wants it to lead."""


class Difference(NamedTuple):
    """A row whose live binding is not what the ledger says; `now` is None where it is not listed or has no target."""

    id: str
    """The called route's id."""
    was: Binding | None
    """Its binding before this batch changed it; None if that is not recorded."""
    wanted: Binding
    """The binding that the manifest asked for."""
    now: Binding | None
    """Its live binding."""


class Comparison:
    """A staged manifest held against live bindings. Both files must outlive it. Raises LedgerError, as all its methods do."""

    def __init__(self, staged: Path, live: Path) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._live = live
        try:
            with self._errors():
                self._connection.execute("PRAGMA temp_store = FILE")
                self._connection.execute("ATTACH ? AS incoming", (str(staged),))
                self._connection.execute("ATTACH ? AS seen", (str(live),))
        except LedgerError:
            self.close()
            raise

    def _errors(self) -> AbstractContextManager[None]:
        return temp_errors("hold the manifest against live bindings", str(self._live.parent))

    def counts(self, dropped: int) -> PlanCounts:
        """Count the rows by what a run would do with them."""
        with self._errors():
            found = dict(
                self._connection.execute(f"SELECT {_STANDING} AS standing, count(*) FROM {_JOINED} GROUP BY 1")
            )
        change, right, locked, unknown = (found.get(name, 0) for name in ("change", "right", "locked", "unknown"))
        return PlanCounts(sum(found.values()), change, right, locked, unknown, dropped)

    def targets(self) -> list[Target]:
        """Return the targets of rows to change that no live row leads to."""
        with self._errors():
            found = self._connection.execute(
                f"SELECT DISTINCT staged.devicetype, staged.device_id FROM {_JOINED} WHERE {_STANDING} = 'change'"
                " EXCEPT SELECT devicetype, device_id FROM seen.target"
            ).fetchall()
        return [Target(devicetype, device_id, TargetState.UNKNOWN) for devicetype, device_id in found]

    def changes(self) -> Iterator[Change]:
        """Yield the changes grouped by where from and where to, the most frequent first."""
        with self._errors():
            for *targets, rows in self._connection.execute(
                "SELECT live.devicetype, live.device_id, staged.devicetype, staged.device_id, count(*) AS rows"
                f" FROM {_JOINED} WHERE {_STANDING} = 'change' GROUP BY 1, 2, 3, 4 ORDER BY rows DESC, 1, 2, 3, 4"
            ):
                yield Change(_binding(*targets[:2]), Binding(*targets[2:]), rows)

    def rows(self) -> Iterator[PlanRow]:
        """Yield every row in the manifest's order."""
        with self._errors():
            for line, row_id, standing, *targets in self._connection.execute(
                f"SELECT staged.line, staged.id, {_STANDING}, live.devicetype, live.device_id, staged.devicetype,"
                f" staged.device_id FROM {_JOINED} ORDER BY staged.rowid"
            ):
                yield PlanRow(line, row_id, standing, _binding(*targets[:2]), Binding(*targets[2:]))

    def close(self) -> None:
        """Close both files."""
        self._connection.close()


def _binding(devicetype: int | None, device_id: int | None) -> Binding | None:
    return None if devicetype is None or device_id is None else Binding(devicetype, device_id)


def count_done(connection: sqlite3.Connection, batch: Batch) -> int:
    """Count the rows that the ledger calls done."""
    (rows,) = connection.execute(
        f"SELECT count(*) FROM row WHERE batch = ? AND status IN ({sql_list(sorted(lifecycle.DONE))})", (batch.number,)
    ).fetchone()
    return int(rows)


def last_finish(connection: sqlite3.Connection, batch: Batch) -> float:
    """Return when the last row of a batch got its outcome, in seconds since the epoch; 0 where none has."""
    (at,) = connection.execute(
        "SELECT coalesce(max(finished_at), 0) FROM row WHERE batch = ?", (batch.number,)
    ).fetchone()
    return float(at)


def differences(connection: sqlite3.Connection, batch: Batch, live: Path) -> list[Difference]:
    """Return the rows called done whose live binding is another one, in the manifest's order."""
    with attached(connection, seen=live):
        found = connection.execute(
            "SELECT row.id, row.before_devicetype, row.before_device_id, row.devicetype, row.device_id,"
            " live.devicetype, live.device_id FROM row LEFT JOIN seen.binding AS live ON live.id = row.id"
            f" WHERE row.batch = ? AND row.status IN ({sql_list(sorted(lifecycle.DONE))})"
            f" AND ({IS_WANTED}) IS NOT TRUE ORDER BY row.line, row.row",
            (batch.number,),
        ).fetchall()
    return [
        Difference(row_id, _binding(*targets[:2]), Binding(*targets[2:4]), _binding(*targets[4:]))
        for row_id, *targets in found
    ]
