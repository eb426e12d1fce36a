"""What a run announces to whoever watches it. Values only; a watcher decides nothing."""

from collections.abc import Callable
from typing import NamedTuple

from bulkroute.summary import Summary


class Notice(NamedTuple):
    """Something that stops nothing but deserves a look: about the manifest, the live bindings, a file that cannot be written."""

    text: str


class RunStarted(NamedTuple):
    """The rows are in the ledger and the first call is about to start."""

    ledger: str
    batch: int
    run: int
    total: int
    done: int
    failed_before: int
    """Of the rows to be sent, how many failed in an earlier run."""
    in_doubt: int
    """Of the rows to be sent, how many were in doubt after a crash."""
    changes: str
    command: str
    refused: int
    """Rows that failed without a call, now or in an earlier run."""
    rate_per_s: float | None
    concurrency: int
    service: str
    ends_at: float | None
    """When no more calls start, in seconds since the epoch; None where there is no such window."""


class RowFailed(NamedTuple):
    """A row has failed for good, and that is on disk."""

    id: str
    error: str
    http_status: int | None
    return_code: str | None
    description: str | None


class Stopping(NamedTuple):
    """No more calls start; those in flight are awaited."""

    reason: str
    in_flight: int


class WaitBegan(NamedTuple):
    """No call starts for now. `wait_s`: for how long at least, None where nobody can say."""

    cause: str
    reason: str
    wait_s: float | None


class WaitEnded(NamedTuple):
    """That wait is over. `going_on`: calls start again; else the run ends."""

    cause: str
    reason: str
    seconds: float
    going_on: bool = True


class RateChanged(NamedTuple):
    """Calls start at another pace from now on. Rates in calls per second, None for unlimited.

    `rate_per_s` is the rate allowed: the one asked for, or less where the service throttles.
    """

    rate_per_s: float | None
    asked_per_s: float | None
    concurrency: int
    reason: str


class RunEnded(NamedTuple):
    """Everything is recorded."""

    summary: Summary


Event = Notice | RunStarted | RowFailed | WaitBegan | WaitEnded | RateChanged | Stopping | RunEnded

Watcher = Callable[[Event], None]
