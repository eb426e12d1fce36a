"""COMMIT, off the event loop where the disk is slow: only those wait for it who have to.

A commit syncs the disk; the statements before it only write to memory and stay on the loop. As long as commits are fast
on average they stay there too: a way to a thread and back costs more. A disk that has become slow sends them to the
thread, one at a time, until so many in a row were fast again, as far as that can be told from there. So a slow disk costs
a loop with many ledgers few slow commits each, not all of them, and one that takes some milliseconds now and then no
thread. A read over the same connection waits for the commit all the same: one in `batches.CHUNK_ROWS` rows, and each
that is drawn.

Promises that a commit that fails is rolled back before anybody hears of it.
"""

import asyncio
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bulkroute.ledger.file import roll_back

SLOW_S = 0.001
"""Commits that take longer on average keep others waiting: hundreds of calls start in a second, in many ledgers."""

RECENT = 8
"""So many commits count for that average, the last one most: one that takes 10 ms is slow at once, one of 3 ms not yet."""

FAST_IN_A_ROW = 100
"""So many fast commits in a row, and the disk is fast again."""


class CommitThread:
    """Commits what one connection wrote, for one event loop."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection that may be used by another thread."""
        self._connection = connection
        self._thread: ThreadPoolExecutor | None = None
        self._mean_s = 0.0
        self._fast_in_a_row = FAST_IN_A_ROW

    def commit(self) -> asyncio.Future[None] | None:
        """Commit; return None where that is on disk already, else a future that ends when it is.

        Either raises sqlite3.Error, and all that was written is rolled back. Until the future ends nothing may be written.
        """
        if self._fast_in_a_row >= FAST_IN_A_ROW:
            self._mean_s += (self._commit() - self._mean_s) / RECENT
            if self._mean_s > SLOW_S:
                self._fast_in_a_row = 0
                self._mean_s = SLOW_S  # the first one back here sends the others there again, or not
            return None
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        return asyncio.get_running_loop().run_in_executor(self._thread, self._commit_there)

    def _commit_there(self) -> None:
        """Commit in the thread, where it seems to take longer than it does: Python may let it wait until it goes on."""
        is_fast = self._commit() <= SLOW_S + sys.getswitchinterval()
        self._fast_in_a_row = self._fast_in_a_row + 1 if is_fast else 0

    def _commit(self) -> float:
        """Commit, and return for how long that took, in seconds."""
        began_s = time.perf_counter()
        try:
            self._connection.execute("COMMIT")
        except BaseException:
            roll_back(self._connection)
            raise
        return time.perf_counter() - began_s
