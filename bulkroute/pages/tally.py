"""Counts of a batch's rows, kept up to date without counting a million rows every second."""

import sqlite3
import time

from bulkroute.ledger import figures, reading
from bulkroute.ledger.reading import Counts, Reason
from bulkroute.model import Status

SHARE = 0.05
"""Of the time, at most, goes to counting all rows anew."""


class Tally:
    """The counts of one batch. In between, what calls since the last count brought to an end is added.

    That is exact for what calls do while one run goes on: a row that is called was not at its end before. Rows settled
    without a call (unchanged, locked, unknown) come in with the next count of all. A new run makes rows pending again,
    so that with it all are counted anew.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._counts = Counts(0, 0, 0, 0, 0, 0, {})
        self._reasons: list[Reason] = []
        self._counted_to = 0
        self._runs = -1
        self._due_s = 0.0
        self._version = -1

    def read(self, connection: sqlite3.Connection, runs: int) -> tuple[Counts, list[Reason]]:
        """Return the counts now, and why rows failed as of the last count of all; `runs`: how many the batch has."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        started_s = time.monotonic()
        if runs != self._runs or (version != self._version and started_s >= self._due_s):
            self._counts = reading.count(connection, self._batch)
            self._reasons = reading.reasons(connection, self._batch)
            self._counted_to = figures.latest_call(connection)
            self._runs, self._version = runs, version
            ended_s = time.monotonic()
            self._due_s = ended_s + (ended_s - started_s) / SHARE
            return self._counts, self._reasons
        return self._since(connection), self._reasons

    def _since(self, connection: sqlite3.Connection) -> Counts:
        """Return the counts of the last count of all, moved on by the rows that came to their end since."""
        counts = self._counts
        failures = dict(counts.failures)
        succeeded = failed = 0
        for status, error, rows in figures.settled(connection, self._batch, self._counted_to):
            if status is Status.SUCCEEDED:
                succeeded += rows
            else:
                failed += rows
                failures[str(error)] = failures.get(str(error), 0) + rows
        settled = succeeded + failed
        return counts._replace(
            succeeded=counts.succeeded + succeeded,
            failed=counts.failed + failed,
            # Calls in flight come and go; together with those that wait they are what is left.
            pending=max(0, counts.pending - max(0, settled - counts.in_doubt)),
            in_doubt=max(0, counts.in_doubt - settled),
            failures=failures,
        )
