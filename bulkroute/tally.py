"""What a run has counted: calls and outcomes that are on disk."""

from bulkroute.ledger.journal import Attempt
from bulkroute.model import Status
from bulkroute.retry import Ruling


class Tally:
    """The counts of one run."""

    def __init__(self) -> None:
        self.attempts = 0
        self.answers = 0
        """Attempts that got an HTTP answer."""
        self.retries = 0
        self.throttled = 0
        self.succeeded = 0
        self.failed = 0

    @property
    def settled(self) -> int:
        """Rows that got their outcome by a call of this run."""
        return self.succeeded + self.failed

    def eta_s(self, pending: int, seconds: float) -> float | None:
        """Return in how many seconds the last of `pending` rows will have its outcome, at the pace of the first ones.

        `pending` and `seconds` are those since the start of the run. None where nothing tells yet.
        """
        return (pending - self.settled) * seconds / self.settled if self.settled else None

    def count(self, attempt: Attempt) -> None:
        """Count one attempt."""
        self.attempts += 1
        self.answers += attempt.http_status is not None
        self.retries += attempt.number > 1
        self.throttled += attempt.verdict == Ruling.THROTTLED.value
        self.succeeded += attempt.status is Status.SUCCEEDED
        self.failed += attempt.status is Status.FAILED
