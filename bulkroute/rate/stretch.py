"""The calls that failed since the last sign of life, the rows they were about, and what becomes of those rows' tries.

No clock, no I/O: times are seconds on one clock that never goes back.
"""

from bulkroute.rate.signs import Sign
from bulkroute.rate.tries import Fate, Tries

MANY_ROWS, MANY_CALLS, LONG_STRETCH_S = 8, 24, 20.0
"""So many rows do not turn bad at once, and so many calls or so long a time of failures is not by chance."""

MOST_GIFTS = 3
"""How often a row gets its tries back: a bad row must come to its end."""


class Stretch:
    """Begun by the first call that fails, over with the next sign of life."""

    def __init__(self) -> None:
        self.since_s: float | None = None
        """When the first of the calls ended; None where none has failed."""
        self.first_start_s = 0.0
        """When that one started."""
        self.rows: dict[Tries, None] = {}
        self.withheld: dict[Tries, None] = {}
        """The rows that have used up their tries."""
        self.kinds: set[Sign] = set()
        self._new_rows = self._calls = 0

    @property
    def is_only_500(self) -> bool:
        """Whether each call met a 500, of which a row may be the cause."""
        return self.kinds == {Sign.ERROR_500}

    @property
    def has_few_rows(self) -> bool:
        """Whether so few rows are concerned that all of them may be bad."""
        return len(self.rows) < MANY_ROWS

    def add(self, tries: Tries, sign: Sign, started_s: float, now_s: float) -> None:
        """Take a call in that failed."""
        if self.since_s is None:
            self.since_s, self.first_start_s = now_s, started_s
        self.kinds.add(sign)
        self.rows[tries] = None
        self._calls += 1
        self._new_rows += not tries.failed_before

    def drop(self, tries: Tries) -> None:
        """Let a row go."""
        self.rows.pop(tries, None)
        self.withheld.pop(tries, None)

    def is_no_chance(self, now_s: float) -> bool:
        """Tell whether so many calls failed, or for so long, that it is the service."""
        is_long = self.since_s is not None and now_s - self.since_s >= LONG_STRETCH_S
        return self._new_rows >= MANY_ROWS or self._calls >= MANY_CALLS or is_long

    def rows_to_spare(self, *, was_down: bool, are_blamed: bool) -> list[Tries]:
        """Return the rows that get their tries back at a sign of life.

        `was_down`: the service was, for certain. `are_blamed`: it answered as soon as it was asked about another row.
        """
        is_no_row = not are_blamed and Sign.ERROR_500 not in self.kinds and len(self.rows) > 1
        return [
            tries
            for tries in self.rows
            if tries.gifts < MOST_GIFTS
            and (was_down or (tries in self.withheld and (is_no_row or 1 < tries.used == tries.in_stretch)))
        ]

    def give_back(self, rows: list[Tries]) -> dict[int, int]:
        """Give the tries of the stretch back to some of its rows; return how many each got."""
        given = {tries.row: tries.in_stretch for tries in rows if tries.in_stretch}
        for tries in rows:
            tries.gifts += 1
            tries.used -= tries.in_stretch
            tries.failed_before = tries.used > 0
            if tries in self.withheld:
                del self.withheld[tries]
                tries.fate = Fate.AGAIN
        return given

    def fail_withheld(self) -> int:
        """Fail the rows that are still withheld; return how many."""
        for tries in self.withheld:
            tries.fate = Fate.FAILED
        return len(self.withheld)

    def end(self) -> None:
        """Let what its rows used up count for good."""
        for tries in self.rows:
            tries.in_stretch = 0
