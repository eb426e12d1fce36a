"""When the last row will be done: what is left, at the rate in force, or at the rows' own pace if that is lower.

The pace is measured anew whenever the rate changes, a wait ends or a wave begins: what was before says nothing of what
comes. It is that of the time until the last row had its outcome: while none is sent it neither grows nor falls. Pure.
"""

from collections.abc import Sequence

MEASURED_S, MEASURED_ROWS = 5.0, 5
"""So long, and over so many rows, a pace is measured before it counts."""


class Outlook:
    """Follows the rows of one run; all times in seconds on one clock."""

    def __init__(self, now_s: float) -> None:
        self._since_s = self._last_s = now_s
        self._rows = 0

    def measure_anew(self, now_s: float) -> None:
        """Forget the pace so far."""
        self._since_s = self._last_s = now_s
        self._rows = 0

    def settled(self, now_s: float, rows: int) -> None:
        """Take note that so many more rows have their outcome."""
        self._last_s = now_s
        self._rows += rows

    def eta_s(self, left: int, rate_per_s: float | None, waits_s: Sequence[float | None] = ()) -> float | None:
        """Return in how many seconds the last of the rows left is done; None if nothing tells.

        `rate_per_s`: the rate in force in calls per second, None for unlimited. `waits_s`: how long no call starts
        now; None in it if nobody can say.
        """
        pace_per_s = self.pace_per_s(rate_per_s)
        held_up_s = [wait_s for wait_s in waits_s if wait_s is not None]
        if pace_per_s is None or len(held_up_s) < len(waits_s):
            return None
        return left / pace_per_s + max(held_up_s, default=0.0)

    def pace_per_s(self, rate_per_s: float | None) -> float | None:
        """Return at which pace rows are done: the rate in force, or their own if that is lower; None if nothing tells."""
        seconds, rows = self._last_s - self._since_s, self._rows
        paces = [] if rate_per_s is None else [rate_per_s]
        if rows and (rate_per_s is None or (seconds >= MEASURED_S and rows >= MEASURED_ROWS)):
            paces.append(rows / seconds if seconds else float("inf"))
        return min(paces, default=None)
