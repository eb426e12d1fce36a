"""Counts of a batch's rows, by status, by reason and by pair of targets, kept up to date without counting a million rows every second."""

import time
from typing import NamedTuple

from bulkroute.ledger.chart_queries import Finished
from bulkroute.ledger.pair_queries import Pairs
from bulkroute.ledger.queries import Counts, Reason
from bulkroute.ledger.reader import BatchReader, LedgerReader
from bulkroute.model import Status

SHARE = 0.005
"""Of the time, at most, goes to counting all rows anew."""

MOST_PAIRS = 20
"""Pairs of targets that are counted apart, the commonest ones."""


class Read(NamedTuple):
    """What is known of a batch's rows."""

    counts: Counts
    reasons: list[Reason]
    """Why rows failed, the commonest reason first."""
    pairs: Pairs
    """Where rows led and are to lead."""


class RowCounts:
    """The counts of one batch. In between, what new calls brought to an end is added, each call being looked at once.

    That is exact for what calls do while one run goes on: a row that is called was not at its end before. Rows settled
    without a call (unchanged, locked, unknown) come in with the next count of all. A run that begins makes rows pending
    again, and one that ends leaves none in flight, so that with either all are counted anew.
    """

    def __init__(self, ledger: LedgerReader, batch: BatchReader) -> None:
        self._ledger = ledger
        self._batch = batch
        self._counts = Counts(0, 0, 0, 0, 0, 0, 0, 0, 0, {})
        self._reasons: dict[tuple[str, str | None], Reason] = {}
        self._pairs = Pairs(0, {})
        self._counted_to = 0
        self._stage: object = None
        self._due_s = 0.0
        self._version = self._exact_at = -1

    def read(self, stage: object) -> Read:
        """Return the counts now.

        `stage` is another one whenever a run has begun or ended.
        """
        version = self._ledger.version()
        started_s = time.monotonic()
        if stage != self._stage or (version != self._exact_at and started_s >= self._due_s):
            self._exact_at = version
            self._counts = self._batch.counts()
            reasons = self._batch.reasons() if self._counts.failed or self._counts.refused else []
            self._reasons = {(reason.error, reason.description): reason for reason in reasons}
            self._pairs = self._batch.count_pairs(MOST_PAIRS)
            self._counted_to = self._ledger.latest_call()
            ended_s = time.monotonic()
            self._due_s = ended_s + (ended_s - started_s) / SHARE
        elif version != self._version:
            self._count_on()
        self._stage, self._version = stage, version
        reasons = sorted(self._reasons.values(), key=lambda reason: -reason.rows)
        return Read(self._counts, reasons, self._pairs)

    def _count_on(self) -> None:
        """Add the rows that were finished since the last look."""
        counts = self._counts
        failures = dict(counts.failures)
        pairs = dict(self._pairs.counts)
        succeeded = failed = 0
        latest = self._ledger.latest_call()
        for found in self._batch.finished(self._counted_to):
            pair = pairs.get(found.pair)
            if found.status is Status.SUCCEEDED:
                succeeded += found.rows
                if pair:
                    pairs[found.pair] = pair._replace(done=pair.done + found.rows)
                continue
            failed += found.rows
            if pair:
                pairs[found.pair] = pair._replace(failed=pair.failed + found.rows)
            self._count_failed(found, failures)
        self._counted_to = latest
        self._pairs = self._pairs._replace(counts=pairs)
        finished = succeeded + failed
        self._counts = counts._replace(
            succeeded=counts.succeeded + succeeded,
            failed=counts.failed + failed,
            # Calls in flight come and go; together with those that wait they are what is left.
            pending=max(0, counts.pending - max(0, finished - counts.in_doubt)),
            in_doubt=max(0, counts.in_doubt - finished),
            failures=failures,
        )

    def _count_failed(self, found: Finished, failures: dict[str, int]) -> None:
        kind = str(found.error)
        failures[kind] = failures.get(kind, 0) + found.rows
        example = found.example_id, found.example_number
        known = self._reasons.get((kind, found.description), Reason(kind, found.description, 0, *example))
        first_id, first_number = min((known.example_id, known.example_number), example)
        self._reasons[kind, found.description] = known._replace(
            rows=known.rows + found.rows, example_id=first_id, example_number=first_number
        )
