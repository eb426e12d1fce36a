"""What a run tells whoever watches it: events as they happen, how far it is, and how it ended. Values only."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bulkroute.errors import ExitCode
from bulkroute.rate.pacer import Hold


def iso(at: float) -> str:
    """Return a moment, in seconds since the epoch, as ISO 8601 UTC to the second: so every JSON here writes one."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Summary:
    """Totals are of the batch over all its runs; attempts, retries, throttled, seconds and rate are of the run."""

    ledger: str
    batch: int | None
    """None where the command ended before there was one."""
    run: int | None
    total: int
    succeeded: int
    unchanged: int
    failed: int
    pending: int
    in_doubt: int
    attempts: int = 0
    retries: int = 0
    throttled: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    rate: float = 0.0
    """Calls per second, on average."""
    stopped: str | None = None
    exit_code: int | None = None

    @property
    def done(self) -> int:
        """Rows whose binding is as wanted."""
        return self.succeeded + self.unchanged

    @property
    def window_closed(self) -> bool:
        """Whether the run did what it could in the time or the rows it was given: nobody needs to act."""
        named = any(flag in (self.stopped or "") for flag in ("--until", "--max-duration", "--max-rows"))
        return self.exit_code == ExitCode.STOPPED and not self.failed and named

    def to_json(self) -> str:
        """Return the object on one line."""
        return json.dumps(asdict(self), ensure_ascii=False)


def exit_code_for(*, failed: int, pending: int, in_doubt: int) -> ExitCode:
    """Return what a run that was not stopped tells its caller."""
    return ExitCode.SOME_FAILED if failed or pending or in_doubt else ExitCode.DONE


class Progress(NamedTuple):
    """How far a run is, for whoever draws it. Counts are rows of the batch, rates calls per second (None: unlimited).

    `rate_per_s` is the rate allowed: `asked_per_s`, or less where the service throttles; `started_per_s` is how many
    calls did start in the last second. `ends_at`: when the run's window closes, in seconds since the epoch.
    """

    ledger: str
    run: int
    seconds: float
    total: int
    succeeded: int
    unchanged: int
    failed: int
    in_flight: int
    in_backoff: int
    attempts: int
    retries: int
    throttled: int
    concurrency: int
    asked_per_s: float | None
    rate_per_s: float | None
    started_per_s: int
    holds: list[Hold]
    stopping: str | None
    ends_at: float | None
    eta_s: float | None

    @property
    def done(self) -> int:
        """Rows whose binding is as wanted."""
        return self.succeeded + self.unchanged

    @property
    def left(self) -> int:
        """Rows without an outcome."""
        return self.total - self.done - self.failed

    @property
    def state(self) -> str:
        """What the run is doing, in one word."""
        if self.stopping is not None:
            return "stopping"
        return self.holds[0].key if self.holds else "running"

    def fields(self, now_s: float) -> dict[str, Any]:
        """Return all of it as plain values, `ends_at` as ISO 8601 UTC; rates: None is unlimited.

        `now_s`: on the clock that holds go by.
        """
        holds = [
            {"cause": hold.key, "reason": hold.reason, "wait_s": None if hold.until_s is None else hold.until_s - now_s}
            for hold in self.holds
        ]
        ends_at = None if self.ends_at is None else iso(self.ends_at)
        eta_s = None if self.stopping is not None else self.eta_s  # what is left is not going to be done
        told = {"state": self.state, "holds": holds, "ends_at": ends_at, "eta_s": eta_s}
        return {**self._asdict(), **told, "done": self.done, "left": self.left}


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
