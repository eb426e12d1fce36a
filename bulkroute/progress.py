"""How far a run is: the one value that the terminal, the log, the metrics and `ctl` are drawn from."""

from typing import Any, NamedTuple

from bulkroute.moments import iso
from bulkroute.rate.pacer import Hold


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
