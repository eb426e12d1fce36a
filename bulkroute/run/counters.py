"""What a run has come to: calls and outcomes that are on disk, counted and held against the limits of failures."""

from collections.abc import Iterable

from bulkroute.events import OnEvent, RowFailed, RowsRefused
from bulkroute.ledger.notes import Attempt
from bulkroute.ledger.runs import Calls
from bulkroute.ledger.settle import Refusal
from bulkroute.model import OF_THE_ROW, Ruling, Status
from bulkroute.run.failure_limits import Limits


class Tally:
    """The counts of one run. Announces the rows that fail."""

    def __init__(self, limits: Limits, on_event: OnEvent) -> None:
        self._limits = limits
        self._on_event = on_event
        self.attempts = 0
        self.answers = 0
        """Attempts that got an HTTP answer."""
        self.retries = 0
        self.throttled = 0
        self.succeeded = 0
        self.failed = 0

    @property
    def calls(self) -> Calls:
        """The calls so far."""
        return Calls(self.attempts, self.retries, self.throttled)

    @property
    def settled(self) -> int:
        """Rows that got their outcome by a call of this run."""
        return self.succeeded + self.failed

    def refused(self, refusals: Iterable[Refusal]) -> None:
        """Announce the rows that are not sent, one event for each reason."""
        for refusal in refusals:
            self._on_event(RowsRefused(*refusal))

    def count(self, answered: list[Attempt], failed: list[Attempt]) -> None:
        """Take what has just reached the disk, in that order: calls, and the rows that failed after all by their last one."""
        for attempt in answered:
            self.attempts += 1
            self.retries += attempt.number > 1
            if attempt.status is Status.SUCCEEDED:
                self.answers += 1
                self.succeeded += 1
                self._limits.finished(failed=False)
                continue
            self.answers += attempt.verdict.http_status is not None
            self.throttled += attempt.verdict.ruling is Ruling.THROTTLED
            if attempt.status is Status.FAILED:
                self._fail(attempt)
        for attempt in failed:
            self._fail(attempt)

    def _fail(self, attempt: Attempt) -> None:
        verdict = attempt.verdict
        self.failed += 1
        # That a row is refused again tells nothing new of the service.
        self._limits.finished(failed=True, streak=not (attempt.queued.tried and attempt.error in OF_THE_ROW))
        said = (verdict.http_status, verdict.return_code, verdict.description)
        self._on_event(RowFailed(attempt.queued.row.id, attempt.error or "", *said, attempt.queued.called_number))
