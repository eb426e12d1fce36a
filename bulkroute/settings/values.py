"""Values that settings are made of: what a flag means once it is read."""

import re
from enum import StrEnum
from typing import NamedTuple


class OnDrift(StrEnum):
    """What is done about rows that were done, or are not as a saved plan says, since another hand has changed them."""

    SEND = "send"
    """They are sent again; never by a saved plan."""
    KEEP = "keep"
    """They are left alone, as failed `drifted`."""
    STOP = "stop"
    """Nothing is sent: the rows are listed, exit 6."""


class BackOutOn(StrEnum):
    """When a run takes back by itself what its batch has changed."""

    NO_GO = "no-go"
    """A gate did not say go."""
    LIMIT = "limit"
    """A limit of failures is reached, rows that were sent are not as they should be, or a target can take no calls."""
    DEADLINE = "deadline"
    """What is left to do, and the way back, do not fit before the window closes."""


class FailureLimit(NamedTuple):
    """How many failed or refused rows are too many: a number of rows, or a share of them (0 to 1)."""

    rows: int | None = None
    """So many rows."""
    share: float | None = None
    """Or such a share, 0 to 1: of the finished rows, from 20 of them on (`max_failures`), or of all rows (`max_refused`)."""

    def __str__(self) -> str:
        """Return the limit as it is written on the command line."""
        return str(self.rows) if self.share is None else f"{self.share * 100:g}%"


class RewriteRule(NamedTuple):
    """One `--rewrite-number REGEX=REPLACEMENT`."""

    pattern: re.Pattern[str]
    """What is looked for in a number."""
    replacement: str
    """What takes its place, as `re.sub` reads it."""

    def __str__(self) -> str:
        """Return the rule as it was given."""
        return f"{self.pattern.pattern}={self.replacement}"
