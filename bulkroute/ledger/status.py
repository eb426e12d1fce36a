"""How a ledger stands: totals of its batch, why rows failed, the runs so far. Read from the ledger alone."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import BulkrouteError, LedgerError
from bulkroute.events import Summary
from bulkroute.ledger.batches import Which
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.queries import Calls, Counts, Reason, RunRecord
from bulkroute.ledger.reader import BatchReader, LedgerReader


class BatchStatus(NamedTuple):
    """All there is to say of a batch."""

    summary: Summary
    manifest: str
    reasons: list[Reason]
    runs: list[RunRecord]
    rolled_back: bool
    """Whether there is a rollback of it."""


def read_status(ledger: LedgerReader, *, rollback: bool = False) -> BatchStatus:
    """Read how the latest batch stands, or its last rollback, in one consistent view.

    Raises LedgerError, for a ledger without a batch too, and UsageError if there was no rollback.
    """
    with ledger.at_one_moment():
        batch = ledger.require_batch(Which.ROLLBACK if rollback else Which.LATEST)
        rolled_back = not rollback and ledger.find_batch(Which.ROLLBACK) is not None
        counts, reasons, runs = batch.counts(), batch.reasons(), batch.runs()
        calls = batch.calls(runs[-1].run) if runs else Calls(0, 0, 0)
    return BatchStatus(_summary(batch, counts, runs, calls), batch.manifest, reasons, runs, rolled_back)


def _summary(batch: BatchReader, counts: Counts, runs: list[RunRecord], calls: Calls) -> Summary:
    if not runs:
        return summarise(batch.path, batch.number, counts, calls, 0.0, run=None, stopped=None, exit_code=None)
    run = runs[-1]
    lasted_s = run.seconds
    if lasted_s is None:
        lasted_s = max(0.0, (calls.last_at or run.started_at) - run.started_at)
    return summarise(
        batch.path, batch.number, counts, calls, lasted_s, run=run.run, stopped=run.stopped, exit_code=run.exit_code
    )


def summarise(
    ledger: Path,
    batch: int,
    counts: Counts,
    calls: Calls,
    seconds: float,
    *,
    run: int | None,
    stopped: str | None,
    exit_code: int | None,
) -> Summary:
    """Return the summary of a batch and of its last run, which took so many seconds."""
    return Summary(
        ledger=str(ledger),
        batch=batch,
        run=run,
        **counts._asdict(),
        attempts=calls.attempts,
        retries=calls.retries,
        throttled=calls.throttled,
        seconds=round(seconds, 3),
        rate=round(calls.attempts / seconds, 2) if seconds else 0.0,
        stopped=stopped,
        exit_code=None if exit_code is None else int(exit_code),
    )


def ended_by(error: BulkrouteError, ledger: Path) -> Summary:
    """Return the summary of a command that an error ended: how the ledger stands, if it can be read, without a run."""
    try:
        with Ledger(ledger).read() as reader:
            found = read_status(reader).summary
    except LedgerError:
        found = Summary(str(ledger), None, None, total=0, succeeded=0, unchanged=0, failed=0, pending=0, in_doubt=0)
    return replace(
        found,
        run=None,
        attempts=0,
        retries=0,
        throttled=0,
        seconds=0.0,
        rate=0.0,
        stopped=str(error),
        exit_code=int(error.exit_code),
    )
