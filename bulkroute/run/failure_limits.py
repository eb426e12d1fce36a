"""When failures end a run: so many in all, a share of what is finished, or so many in a row.

Only rows that failed by a call count, over the run that is going on: refused ones say nothing of the service.
"""

from bulkroute.errors import StopKind
from bulkroute.settings import FailureLimit

SHARE_COUNTS_FROM_ROWS = 20
"""A share of fewer finished rows than this says nothing yet."""


class Limits:
    """Counts outcomes and tells which limit they reach."""

    def __init__(self, most: FailureLimit | None, most_in_a_row: int | None) -> None:
        """None stands for no limit."""
        self._most = most
        self._most_in_a_row = most_in_a_row
        self._failed = 0
        self._finished = 0
        self._in_a_row = 0
        self._longest = 0

    def finished(self, *, failed: bool, streak: bool = True) -> None:
        """Take one outcome, in the order in which rows got theirs; `streak`: a failure counts towards so many in a row."""
        self._finished += 1
        self._failed += failed
        self._in_a_row = self._in_a_row + streak if failed else 0
        self._longest = max(self._longest, self._in_a_row)

    def reached(self) -> tuple[StopKind, str] | None:
        """Return the limit that is reached, also in words; None while there is none."""
        if self._most_in_a_row is not None and self._longest >= self._most_in_a_row:
            words = f"--max-consecutive-failures {self._most_in_a_row} is reached: {self._longest} rows in a row failed"
            return StopKind.MAX_CONSECUTIVE_FAILURES, words
        if self._most is None:
            return None
        if self._most.rows is not None:
            reached = self._failed >= self._most.rows
        else:
            enough = self._finished >= SHARE_COUNTS_FROM_ROWS
            reached = enough and self._failed >= (self._most.share or 0) * self._finished > 0
        if not reached:
            return None
        words = f"--max-failures {self._most} is reached: {self._failed} of {self._finished} finished rows failed"
        return StopKind.MAX_FAILURES, words
