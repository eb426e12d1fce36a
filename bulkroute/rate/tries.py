"""The tries of a row: how many it has used up, what follows for it, and whether failed tries say much of rows at all."""

from collections import deque
from enum import Enum

FIRST_TRIES, SHAKY, CALM = 30, 10, 5
"""A brown-out begins when so many of the last 30 first tries failed other than by 500, and ends below the lower number."""

SHAKY_WAIT_S = 1.0
"""The least wait after a try that was not counted."""

UNCOUNTED_TIMES = 3
"""How many times as many tries as a row has may go uncounted in a brown-out."""


class Fate(Enum):
    """What follows for a row."""

    DECIDED = "decided"
    """The answer itself decides."""
    AGAIN = "again"
    """Another try, after a backoff."""
    UNCOUNTED = "uncounted"
    """The same, but this try used up none, and the backoff is `SHAKY_WAIT_S` at least."""
    WITHHELD = "withheld"
    """Nothing for now: `Tries.fate` becomes AGAIN or FAILED."""
    FAILED = "failed"
    """Its tries are used up."""


class Tries:
    """The tries of one row in this run. `row` is its number in the ledger.

    What a row begins with is kept in the class: most never come to anything else, and there is one for every row.
    """

    used = 0
    in_stretch = 0
    """Of those used, how many since the last sign of life."""
    uncounted = 0
    gifts = 0
    """How often it got tries back."""
    failed_before = False
    fate = Fate.AGAIN

    def __init__(self, row: int) -> None:
        self.row = row


class FirstTries:
    """The last first tries of rows. Later ones are left out, since a bad row has several of them."""

    def __init__(self) -> None:
        self._failed: deque[bool] = deque(maxlen=FIRST_TRIES)
        self.are_shaky = False
        """Whether so many of them failed that a failed try says little of its row."""

    def add(self, *, failed: bool) -> None:
        """Take the next one; `failed` other than by 500."""
        self._failed.append(failed)
        if failed or self.are_shaky:
            self.are_shaky = sum(self._failed) >= (CALM if self.are_shaky else SHAKY)
