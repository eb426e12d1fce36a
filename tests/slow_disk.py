"""A disk whose syncs take as long as a test wants: connections to ledgers whose COMMIT waits to be let go."""

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

PATIENCE_S = 20.0
"""After so long a commit that nobody lets go fails as a disk would, so that a test that is wrong ends."""


class SlowDisk:
    """Makes commits slow, and holds the next one until it is let go, or fails it."""

    def __init__(self) -> None:
        self.sync_s = 0.02
        """How long each commit takes at least: at first, so long that one of them shows that the disk is slow."""
        self.commits = 0
        self.threads: set[threading.Thread] = set()
        """Where commits took place."""
        self.error: sqlite3.Error | None = None
        """What the next commits raise."""
        self._free = threading.Event()
        self._free.set()
        self.held = threading.Event()
        """Set while a commit is held."""

    def hold(self) -> None:
        """Hold the next commit."""
        self._free.clear()

    def let_go(self) -> None:
        """Let held commits go."""
        self._free.set()

    def sync(self) -> None:
        """Take the time of a commit, which may fail."""
        self.commits += 1
        self.threads.add(threading.current_thread())
        time.sleep(self.sync_s)
        if not self._free.is_set():
            self.held.set()
            if not self._free.wait(PATIENCE_S):
                raise sqlite3.OperationalError("disk I/O error")
        if self.error is not None:
            raise self.error

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a database on this disk."""
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=self.connection())

    def connection(self) -> type[sqlite3.Connection]:
        """Return what to make connections of that reach this disk."""
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                if sql == "COMMIT":
                    disk.sync()
                return super().execute(sql, *values)

        return Connection
