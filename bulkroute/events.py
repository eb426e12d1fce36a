"""What a run tells whoever watches it: events as they happen. Values only; a watcher decides nothing."""

from collections.abc import Callable
from typing import NamedTuple

from bulkroute.progress import Summary

WARNING = "warning: "
"""What the text of a notice begins with that a person should look at before anything is sent."""


class Notice(NamedTuple):
    """Something that stops nothing but deserves a look: about the manifest, the live bindings, a file that cannot be written."""

    text: str
    """One sentence or two."""


class RunStarted(NamedTuple):
    """The rows are in the ledger and the first call is about to start."""

    ledger: str
    """The ledger's path."""
    batch: int
    """The batch's number."""
    run: int
    """The run's number."""
    total: int
    """Rows of the batch."""
    done: int
    """Rows that are done already; those skipped count as done."""
    skipped: int
    """Rows that are left alone, as asked for."""
    failed_before: int
    """Of the rows to be sent, how many failed in an earlier run."""
    in_doubt: int
    """Of the rows to be sent, how many were in doubt after a crash."""
    changes: str
    """What the manifest changed in a batch that was there already, in words; empty if nothing."""
    command: str
    """`run` or `rollback`."""
    refused: int
    """Rows that failed without a call."""
    drifted: int
    """Of the rows to be sent, those that were done and that another hand has changed since."""
    live_read: bool
    """Whether live bindings were read; else rows are done as the ledger says."""
    rate_per_s: float | None
    """The rate asked for; None: unlimited."""
    concurrency: int
    """Calls that may be in flight at once."""
    service: str
    """The base URL."""
    tenant: str
    """Whose routes these are, as `--tenant` named it; empty if it did not."""
    note: str
    """What the run is for, as `--note` said; empty if it did not."""
    plan: str
    """The saved plan that this is of: fingerprint, who made it and when; empty for a manifest."""
    ends_at: float | None
    """When no more calls start, in seconds since the epoch; None where there is no such window."""
    waves: tuple[int, ...] = ()
    """Rows to be sent of each wave; empty where all go in one."""
    gates: tuple[str, ...] = ()
    """The flags of the gates that have to say go between two waves."""


class RowsRefused(NamedTuple):
    """Rows that are not sent, for one reason; before the first call."""

    error: str
    """The failure kind."""
    rows: int
    """How many."""
    example_id: str
    """The first of them in the manifest."""
    description: str
    """Why that one is not sent."""
    skipped: bool
    """Whether they are left alone as asked for, and so are no failures."""
    example_number: str = ""
    """What callers dial to reach the first one, `4008001234 ext 2`; empty if that is not known."""


class RowFailed(NamedTuple):
    """A row has failed for good, and that is on disk."""

    id: str
    """The called route's id."""
    error: str
    """The failure kind."""
    http_status: int | None
    """Of the last answer; None if there was none."""
    return_code: str | None
    """The service's code."""
    description: str | None
    """The service's words, or what went wrong."""
    number: str = ""
    """What callers dial, `4008001234 ext 2`; empty if that is not known."""


class Stopping(NamedTuple):
    """No more calls start; those in flight are awaited."""

    reason: str
    """Why, in words."""
    in_flight: int
    """Calls that are awaited."""


class WaitBegan(NamedTuple):
    """No call starts for now, or only probes."""

    cause: str
    """`throttled`, `paused`, `down` (the service), `token` (the token service is down) or `gate` (one has to say go)."""
    reason: str
    """Why, in words."""
    wait_s: float | None
    """For how long at least; None if nobody can say."""
    since: float
    """Since when, in seconds since the epoch."""
    until: float | None = None
    """When a service that is down is given up, or silent gates count as a no, in seconds since the epoch."""


class WaitEnded(NamedTuple):
    """That wait is over. `going_on`: calls start again; else the run ends."""

    cause: str
    """As in the event that began it."""
    reason: str
    """As in the event that began it."""
    seconds: float
    """How long it lasted."""
    going_on: bool = True
    """Whether calls start again; False: the run ends."""
    outcome: str = ""
    """What an outage turned out to be, or what the gates said, in words; else empty."""


class WaveStarted(NamedTuple):
    """A wave begins; the one before was sent and read back right, and its gates said go."""

    wave: int
    """Its number, from 1, or as the manifest says."""
    place: int
    """Which one it is, from 1."""
    waves: int
    """How many there are."""


class WaveEnded(NamedTuple):
    """A wave was sent and read back right; what is not right stops the run."""

    wave: int
    """Its number, from 1, or as the manifest says."""
    place: int
    """Which one it is, from 1."""
    waves: int
    """How many there are."""
    done: int
    """Its rows that are done."""
    failed: int
    """Its rows that failed."""


class RateChanged(NamedTuple):
    """Calls start at another pace from now on. Rates in calls per second, None for unlimited.

    `rate_per_s` is the rate allowed: the one asked for, or less where the service throttles or a shared limit is lower.
    """

    rate_per_s: float | None
    """The rate in force."""
    asked_per_s: float | None
    """The rate asked for."""
    concurrency: int
    """Calls that may be in flight at once."""
    reason: str
    """Why, in words."""


class BackingOut(NamedTuple):
    """The run takes back what its batch has changed, or goes on with that."""

    batch: int
    """Whose changes are taken back."""
    reason: str
    """Why the run stopped, in words."""
    rows: int
    """Rows that the batch has changed and that are not put back yet."""
    takes_s: float | None
    """How long that will take, in seconds; None where nothing tells."""
    since: float
    """When it was decided, in seconds since the epoch."""
    going_on: bool
    """Whether an earlier command began it and was cut off."""


class BackedOut(NamedTuple):
    """What came of that: proven by reading back where it went through."""

    batch: int
    """Whose changes were taken back."""
    rows: int
    """Rows to put back."""
    back: int
    """Of these, those that are proven to be as before; where it ended before its end, those that were put back."""
    reason: str
    """What ended it before its end, in words; empty where it went through."""
    exit_code: int
    """7: all is as before; 8: not all is."""


class RunEnded(NamedTuple):
    """Everything is recorded."""

    summary: Summary
    """How it ended; in the JSON log its fields stand in the event itself."""


Event = (
    Notice
    | RunStarted
    | RowsRefused
    | RowFailed
    | WaitBegan
    | WaitEnded
    | WaveStarted
    | WaveEnded
    | RateChanged
    | Stopping
    | BackingOut
    | BackedOut
    | RunEnded
)

OnEvent = Callable[[Event], None]
