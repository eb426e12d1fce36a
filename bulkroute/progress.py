"""How far a run is, what it is about to send, and how it ended. Values only."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from bulkroute.errors import ExitCode, StopKind
from bulkroute.model import Pair, iso

_STATES = {"token": "down"}
"""What a run is doing, if the cause of its pause is another word."""


class WaveProgress(NamedTuple):
    """How far one wave of a batch is, and how many of its rows stand where."""

    wave: int
    """Its number, from 1, or as the manifest says."""
    rows: int
    """Rows of the wave."""
    done: int
    """Those that nothing is left to do about."""
    failed: int
    """Those that failed or were refused."""
    state: str
    """`waiting`, `sending`, `reading`, `wrong`, `gate`, `no_go` or `done`."""


@dataclass(frozen=True)
class Summary:
    """Totals are of the batch over all its runs; attempts, retries, throttled, seconds and rate are of the run."""

    ledger: str
    """The ledger's path."""
    batch: int | None
    """The batch's number in its ledger; None if the command ended before there was one."""
    run: int | None
    """The run's number in its ledger; None if the command ended before a run began."""
    total: int
    """Rows of the batch: those in the manifest, and rows gone from it that are done or in doubt."""
    succeeded: int
    """Rows that a call changed."""
    unchanged: int
    """Rows that were right already and cost no call."""
    failed: int
    """Rows that failed by a call."""
    pending: int
    """Rows still to be sent."""
    in_doubt: int
    """Rows whose call was cut off; the next run settles them first."""
    skipped: int = 0
    """Rows left alone, as `--skip` asked for; they count as done."""
    refused: int = 0
    """Rows that failed without a call: unknown, locked, or changed by another hand."""
    drifted: int = 0
    """Of all rows, those that were done and that another hand has changed since."""
    live_read: bool = False
    """Whether the run read live bindings. Its own summary tells; that of a ledger has False unless it was backed out of."""
    attempts: int = 0
    """Calls of the run that were answered or given up; calls refused by throttling count here."""
    retries: int = 0
    """Of these calls, how many were not the first try of their row."""
    throttled: int = 0
    """Of these calls, how many were refused by throttling."""
    failures: dict[str, int] = field(default_factory=dict)
    """Rows that failed or were refused, by failure kind."""
    seconds: float = 0.0
    """How long the run took."""
    rate: float = 0.0
    """Calls per second, on average."""
    stopped: str | None = None
    """Why the run stopped early, in words for people; None if it went through."""
    exit_code: int | None = None
    """The exit code of the command; None while the run goes on, or if it was killed."""
    stop: StopKind | None = None
    """Why the run stopped early, in one word for machines."""
    tenant: str | None = None
    """Whose routes these are, as `--tenant` named it."""
    note: str | None = None
    """What the run was for, as `--note` said."""
    waves: list[WaveProgress] = field(default_factory=list)
    """How far each wave is: objects with `wave`, `rows`, `done`, `failed`, `state`; empty for a batch that goes in one."""
    backed_out: int | None = None
    """Rows that it has put back by itself, proven to be as before once that is through; None if it did not begin to."""
    plan: str | None = None
    """The fingerprint of the saved plan that the batch is made of; None for a manifest."""

    @property
    def done(self) -> int:
        """Rows that nothing is left to do about: succeeded, unchanged, skipped."""
        return self.succeeded + self.unchanged + self.skipped

    @property
    def window_closed(self) -> bool:
        """Whether the run did what it could in the time or the rows it was given: nobody needs to act."""
        closed = self.stop in (StopKind.WINDOW, StopKind.MAX_ROWS) and self.backed_out is None
        return closed and not (self.failed or self.refused)

    def fields(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {**asdict(self), "waves": [wave._asdict() for wave in self.waves]}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Summary":
        """Return the summary that gave these `fields`."""
        stop = next((kind for kind in StopKind if kind == fields["stop"]), None)
        return cls(**{**fields, "stop": stop, "waves": [WaveProgress(**wave) for wave in fields["waves"]]})

    def to_json(self) -> str:
        """Return the object on one line."""
        return json.dumps(self.fields(), ensure_ascii=False)


def exit_code_for(*, failed: int, pending: int, in_doubt: int) -> ExitCode:
    """Return what a run that was not stopped tells its caller."""
    return ExitCode.SOME_FAILED if failed or pending or in_doubt else ExitCode.DONE


class Pause(NamedTuple):
    """A pause of the whole run: no call starts, or only probes."""

    cause: str
    """`throttled`, `paused`, `down` (the service), `token` (the token service is down) or `gate` (one has to say go)."""
    reason: str
    """Why, in words."""
    wait_s: float | None
    """Seconds left; None if nobody can say."""
    since: float
    """When it began, in seconds since the epoch."""
    until: float | None = None
    """When it ends, a service that is down is given up, or silent gates count as a no; None if nobody can say.

    In seconds since the epoch.
    """
    next_probe_s: float | None = None
    """In how many seconds a probe goes to a service that is down."""

    def fields(self) -> dict[str, Any]:
        """Return it as plain values, `since` and `until` as ISO 8601 UTC."""
        until = None if self.until is None else iso(self.until)
        return {**self._asdict(), "since": iso(self.since), "until": until}


class Progress(NamedTuple):
    """How far a run is, for whoever draws it. Counts are rows of the batch, rates calls per second (None: unlimited)."""

    ledger: str
    """The ledger's path."""
    run: int
    """The run's number in its ledger."""
    seconds: float
    """How long it has run."""
    total: int
    """Rows of the batch."""
    succeeded: int
    """Rows that a call changed."""
    unchanged: int
    """Rows that were right already."""
    skipped: int
    """Rows left alone, as asked for."""
    failed: int
    """Rows that failed by a call."""
    refused: int
    """Rows that failed without one."""
    in_flight: int
    """Calls in flight now."""
    in_backoff: int
    """Rows that wait for their next try."""
    attempts: int
    """Calls of this run that were answered or given up."""
    retries: int
    """Of these, how many were not the first try of their row."""
    throttled: int
    """Of these, how many were refused by throttling."""
    concurrency: int
    """Calls that may be in flight at once."""
    asked_per_s: float | None
    """The rate asked for."""
    rate_per_s: float | None
    """The rate allowed: the one asked for, or less while the service throttles or a shared limit is lower."""
    started_per_s: int
    """Calls that started in the last second."""
    pauses: list[Pause]
    """Why no call starts now, or only probes: each with the fields of `Pause`; in JSON their moments are ISO 8601 UTC."""
    stopping: str | None
    """Why the run is stopping; None while it is not."""
    ends_at: float | None
    """When the window closes, in seconds since the epoch; None if there is none."""
    eta_s: float | None
    """Seconds until the last row is done, at the rate in force or the rows' own pace; None if nothing tells."""
    back_out_rows: int = 0
    """Rows that a back-out would put back now: those that the batch has changed."""
    back_out_s: float | None = None
    """Seconds that it would take, reading included; None if nothing tells, or nothing is to be put back."""
    back_out_by: float | None = None
    """When it must start to be done before the window closes, in seconds since the epoch; None if there is none."""
    backing_out: str | None = None
    """Why what the batch has changed is being taken back; None while it is not."""
    wave: str | None = None
    """Which wave is under way, `wave 2 of 4`; None where all rows go in one."""

    @property
    def done(self) -> int:
        """Rows that nothing is left to do about: succeeded, unchanged, skipped."""
        return self.succeeded + self.unchanged + self.skipped

    @property
    def left(self) -> int:
        """Rows without an outcome."""
        return self.total - self.done - self.failed - self.refused

    @property
    def state(self) -> str:
        """What the run is doing, in one word."""
        if self.stopping is not None:
            return "stopping"
        if self.backing_out is not None:
            return "backing_out"
        if not self.pauses:
            return "running"
        return _STATES.get(self.pauses[0].cause, self.pauses[0].cause)

    @property
    def reason(self) -> str | None:
        """Why it does not start calls, or backs out, in words; None while it goes its way."""
        return self.stopping or (self.pauses[0].reason if self.pauses else self.backing_out)

    @property
    def since(self) -> float | None:
        """Since when the first of `pauses` lasts, in seconds since the epoch; None where there is none."""
        return self.pauses[0].since if self.pauses else None

    @property
    def until(self) -> float | None:
        """When that ends, a service that is down is given up, or silent gates count as a no; None if nobody can say."""
        return self.pauses[0].until if self.pauses else None

    def fields(self) -> dict[str, Any]:
        """Return all of it as plain values, moments as ISO 8601 UTC; rates: None is unlimited; `eta_s` is None while it stops."""
        return {
            **self._asdict(),
            "state": self.state,
            "reason": self.reason,
            "since": None if self.since is None else iso(self.since),
            "until": None if self.until is None else iso(self.until),
            "pauses": [pause.fields() for pause in self.pauses],
            "ends_at": None if self.ends_at is None else iso(self.ends_at),
            "back_out_by": None if self.back_out_by is None else iso(self.back_out_by),
            "eta_s": None if self.stopping is not None else self.eta_s,  # what is left is not going to be done
            "done": self.done,
            "left": self.left,
        }


class Proposal(NamedTuple):
    """What is about to be sent, for whoever has to agree to it. Counts are rows of the batch."""

    ledger: str
    """The ledger's path."""
    batch: int
    """The batch's number in its ledger."""
    puts_back: int | None
    """The number of the batch that a rollback puts back; None for a run."""
    service: str
    """The service that gets the calls."""
    tenant: str
    """Whose routes these are, in a name for people; empty if it was not given."""
    note: str
    """What this is for; empty if it was not given."""
    pending: int
    """Rows to be sent."""
    pairs: tuple[Pair, ...]
    """Where these lead now and are to lead, the commonest first; where from is told only if live bindings were read."""
    done: int
    """Rows that need no call: right already, or done earlier."""
    drifted: int
    """Of the rows to be sent, those that were done and that another hand has changed since."""
    refused: dict[str, int]
    """Rows that nothing is sent for, by failure kind."""
    skipped: int
    """Rows left alone, as asked for."""
    live_read: bool
    """Whether live bindings were read; if not, all of this goes by the ledger."""
    rate_per_s: float | None
    """Calls per second; None: unlimited."""
    concurrency: int
    """Calls in flight at once."""
    ends_at: float | None = None
    """When no more calls start, in seconds since the epoch; None if there is no such window."""
    waves: tuple[int, ...] = ()
    """Rows to be sent of each wave; empty where all go in one."""
    gates: tuple[str, ...] = ()
    """The flags of the gates that have to say go between two waves."""
    back_out_on: tuple[str, ...] = ()
    """Why the run would take back by itself what it has changed: `no-go`, `limit`, `deadline`."""
    plan: str = ""
    """The saved plan that this is of: fingerprint, who made it and when; empty for a manifest."""
