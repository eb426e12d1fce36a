"""The live bindings as they were read.

Gathered over several readings, since a list that moves while it is read shows rows twice and hides others.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from bulkroute.ledger.temp_db import Scratch
from bulkroute.model import Binding, NamedTarget

_LOCKED = ("1", "3")
LOCKED = f"({', '.join(map(repr, _LOCKED))})"
"""SQL of the values of `editable` under which a called route must not be changed (queryCalledRoute, cec_07_0043)."""


class LiveRoute(NamedTuple):
    """One called route as the service lists it; None where the list names no usable target."""

    id: str
    """The called route's id."""
    devicetype: int | None
    """1 skill queue, 3 IVR flow."""
    device_id: int | None
    """The number of the queue or flow."""
    access_code: str
    """What callers dial."""
    ext_code: str
    """What they dial after it; may be empty."""
    media_type: int | None
    """A `MediaType`; None where the list names none."""
    device_desc: str
    """The target's name."""
    editable: str
    """Whether it may be changed: not where it is "1" or "3"."""

    @property
    def is_locked(self) -> bool:
        """Whether it must not be changed."""
        return self.editable in _LOCKED

    @property
    def binding(self) -> Binding | None:
        """Where it leads; None where the list names no usable target."""
        return None if None in (self.devicetype, self.device_id) else Binding(self.devicetype or 0, self.device_id or 0)


class Target(NamedTuple):
    """A skill queue or IVR flow that rows are to lead to."""

    devicetype: int
    """1 skill queue, 3 IVR flow."""
    device_id: int
    """The number of the queue or flow."""
    name: str
    """As routes that lead there now name it; empty where none does."""
    rows_by_media: Mapping[int | None, int]
    """How many rows are to lead there, by the media type of their routes; None where that is not known."""

    @property
    def named(self) -> NamedTarget:
        """The target with its name."""
        return NamedTarget(self.devicetype, self.device_id, self.name)

    @property
    def rows(self) -> int:
        """How many rows are to lead there."""
        return sum(self.rows_by_media.values())


TargetGroup = tuple[int, int, str | None, int | None, int]
"""Rows of one target and one media type: devicetype, device_id, name, media_type, how many."""


def gathered(groups: Iterable[TargetGroup]) -> list[Target]:
    """Return the targets of groups that come in the order of their targets."""
    targets = []
    for (devicetype, device_id), found in groupby(groups, key=lambda group: group[:2]):
        of_target = list(found)
        rows_by_media = {media_type: rows for *_target, media_type, rows in of_target}
        targets.append(Target(devicetype, device_id, of_target[0][2] or "", rows_by_media))
    return targets


class LiveBindings(Scratch):
    """Holds the live bindings. Use as a context manager."""

    def __init__(self) -> None:
        """Make the temporary file. Raises LedgerError where its folder (TMPDIR) cannot be used."""
        super().__init__(
            "live.db",
            "keep the live bindings",
            "CREATE TABLE binding (id TEXT PRIMARY KEY, devicetype INTEGER, device_id INTEGER, access_code TEXT,"
            " ext_code TEXT, media_type INTEGER, device_desc TEXT, editable TEXT, reading INTEGER) WITHOUT ROWID;"
            "CREATE TABLE target (devicetype INTEGER, device_id INTEGER, name TEXT,"
            " PRIMARY KEY (devicetype, device_id)) WITHOUT ROWID;",
            cache_kib=4000,
        )
        self.settled = False
        """Whether the readings agreed with the number of called routes that the service named."""

    def take(self, routes: Iterable[LiveRoute], reading: int) -> None:
        """Take a page of the list; what a later reading says of an id replaces what an earlier one said."""
        with self.errors():
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT INTO binding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " devicetype = excluded.devicetype, device_id = excluded.device_id, access_code = excluded.access_code,"
                " ext_code = excluded.ext_code, media_type = excluded.media_type, device_desc = excluded.device_desc,"
                " editable = excluded.editable, reading = excluded.reading",
                [(*route, reading) for route in routes],
            )
            self._connection.execute("COMMIT")

    def count(self, since: int = 0) -> int:
        """Return how many distinct ids were seen in reading `since` or later."""
        with self.errors():
            (count,) = self._connection.execute("SELECT count(*) FROM binding WHERE reading >= ?", (since,)).fetchone()
        return int(count)

    def finish(self, since: int) -> None:
        """Forget ids seen only before reading `since`, and note the targets that live rows lead to."""
        with self.errors():
            self._connection.executescript(
                f"DELETE FROM binding WHERE reading < {since};"
                "INSERT OR REPLACE INTO target"
                f" SELECT devicetype, device_id, max(device_desc) FROM binding"
                " WHERE device_id IS NOT NULL GROUP BY devicetype, device_id;"
            )

    def routes(self) -> Iterator[LiveRoute]:
        """Yield every called route, ordered by id."""
        columns = ", ".join(LiveRoute._fields)
        with self.errors():
            for row in self._connection.execute(f"SELECT {columns} FROM binding ORDER BY id"):
                yield LiveRoute(*row)


@contextlib.contextmanager
def attached(connection: sqlite3.Connection, **databases: Path) -> Iterator[None]:
    """Let `connection` read other databases under the names given, for the block.

    Within a transaction they stay attached until `detach`, since SQLite lets none of them go before its end.
    """
    there = set(_databases(connection))
    with contextlib.ExitStack() as exits:
        for name in databases.keys() - there:
            connection.execute(f"ATTACH ? AS {name}", (str(databases[name]),))
            if not connection.in_transaction:
                exits.callback(connection.execute, f"DETACH {name}")
        yield


def _databases(connection: sqlite3.Connection) -> list[str]:
    """Return what databases are attached as; their paths need not be text."""
    return [name for (name,) in connection.execute("SELECT name FROM pragma_database_list")]


def detach(connection: sqlite3.Connection) -> None:
    """Let go of all databases that are attached."""
    for name in _databases(connection):
        if name not in ("main", "temp"):
            connection.execute(f"DETACH {name}")
