"""What a run announces to whoever watches it. Values only; a watcher decides nothing."""

from collections.abc import Callable
from typing import NamedTuple

from bulkroute.summary import Summary


class Notice(NamedTuple):
    """Something about the manifest that stops nothing but deserves a look."""

    text: str


class RunStarted(NamedTuple):
    """The manifest is in the ledger and the first call is about to start."""

    ledger: str
    batch: int
    run: int
    total: int
    done: int
    failed_before: int
    in_doubt: int
    changes: str
    command: str
    refused: int
    """Rows that fail without a call, as the live bindings show."""
    rate_per_s: float | None
    concurrency: int
    service: str


class RowFailed(NamedTuple):
    """A row has its final outcome, and it is on disk."""

    id: str
    error: str
    http_status: int | None
    return_code: str | None
    description: str | None


class Stopping(NamedTuple):
    """No more calls start; those in flight are awaited."""

    reason: str
    in_flight: int


class RunEnded(NamedTuple):
    """Everything is recorded."""

    summary: Summary


Event = Notice | RunStarted | RowFailed | Stopping | RunEnded

Watcher = Callable[[Event], None]
