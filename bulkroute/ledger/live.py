"""The live bindings as they were read: a private temporary database, so that memory stays flat.

Gathered over several readings, since a list that moves while it is read shows rows twice and hides others.
Nothing of it reaches a ledger by itself; whoever compares attaches it for a moment (`attached`).
"""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from bulkroute.model import Binding

LOCKED = "('1', '3')"
"""Values of `editable` under which a called route must not be changed (queryCalledRoute, cec_07_0043)."""


class LiveRoute(NamedTuple):
    """One called route as the service lists it; None where the list names no usable target."""

    id: str
    devicetype: int | None
    device_id: int | None
    access_code: str
    ext_code: str
    device_desc: str
    editable: str


class TargetState(StrEnum):
    """What is known of a skill queue or IVR flow."""

    FOUND = "found"
    MISSING = "missing"
    NOT_LOADED = "not_loaded"
    UNKNOWN = "unknown"


class Target(NamedTuple):
    """A skill queue or IVR flow that rows want."""

    devicetype: int
    device_id: int
    state: TargetState

    @property
    def binding(self) -> Binding:
        """What rows that lead here are bound to."""
        return Binding(self.devicetype, self.device_id)


class LiveBindings:
    """Holds the live bindings in a temporary file. Use as a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bulkroute-")
        self.path = Path(self._folder.name) / "live.db"
        self._connection = sqlite3.connect(self.path, isolation_level=None)
        self._connection.executescript(
            # Thrown away in any case, so nothing of it need survive a crash.
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-4000;"
            "CREATE TABLE binding (id TEXT PRIMARY KEY, devicetype INTEGER, device_id INTEGER, access_code TEXT,"
            " ext_code TEXT, device_desc TEXT, editable TEXT, reading INTEGER) WITHOUT ROWID;"
            "CREATE TABLE target (devicetype INTEGER, device_id INTEGER, name TEXT, state TEXT,"
            " PRIMARY KEY (devicetype, device_id)) WITHOUT ROWID;"
        )
        self.settled = False
        """Whether the readings agreed with the number of called routes that the service named."""

    def take(self, routes: Iterable[LiveRoute], reading: int) -> None:
        """Take a page of the list; what a later reading says of an id replaces what an earlier one said."""
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT INTO binding VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " devicetype = excluded.devicetype, device_id = excluded.device_id, access_code = excluded.access_code,"
            " ext_code = excluded.ext_code, device_desc = excluded.device_desc, editable = excluded.editable,"
            " reading = excluded.reading",
            [(*route, reading) for route in routes],
        )
        self._connection.execute("COMMIT")

    def count(self, since: int = 0) -> int:
        """Return how many distinct ids were seen in reading `since` or later."""
        (count,) = self._connection.execute("SELECT count(*) FROM binding WHERE reading >= ?", (since,)).fetchone()
        return int(count)

    def finish(self, since: int) -> None:
        """Forget ids seen only before reading `since`, and note the targets that live rows lead to."""
        self._connection.executescript(
            f"DELETE FROM binding WHERE reading < {since};"
            "INSERT OR REPLACE INTO target"
            f" SELECT devicetype, device_id, max(device_desc), '{TargetState.FOUND}' FROM binding"
            " WHERE device_id IS NOT NULL GROUP BY devicetype, device_id;"
        )

    def note_target(self, target: Target, name: str) -> None:
        """Note what the service says of a target that no live row leads to."""
        self._connection.execute(
            "INSERT OR REPLACE INTO target VALUES (?, ?, ?, ?)", (*target.binding, name, target.state)
        )

    def names(self, targets: Iterable[Binding]) -> dict[Binding, str]:
        """Return the names of those of the targets that have one."""
        found = {}
        for target in targets:
            row = self._connection.execute(
                "SELECT name FROM target WHERE devicetype = ? AND device_id = ? AND name <> ''", target
            ).fetchone()
            if row:
                found[target] = row[0]
        return found

    def routes(self) -> Iterator[LiveRoute]:
        """Yield every called route, ordered by id."""
        columns = ", ".join(LiveRoute._fields)
        for row in self._connection.execute(f"SELECT {columns} FROM binding ORDER BY id"):
            yield LiveRoute(*row)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the temporary file."""
        self._connection.close()
        self._folder.cleanup()


@contextlib.contextmanager
def attached(connection: sqlite3.Connection, **databases: Path) -> Iterator[None]:
    """Let `connection` read other databases under the names given, for the block."""
    with contextlib.ExitStack() as exits:
        for name, path in databases.items():
            connection.execute(f"ATTACH ? AS {name}", (str(path),))
            exits.callback(connection.execute, f"DETACH {name}")
        yield
