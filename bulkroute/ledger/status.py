"""How a ledger stands: totals of its batch, why rows failed, the runs so far. Read from the ledger alone."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import BulkrouteError, LedgerError
from bulkroute.events import Summary
from bulkroute.ledger import batches, queries
from bulkroute.ledger.batches import Batch
from bulkroute.ledger.file import ledger_errors, open_for_reading, snapshot
from bulkroute.ledger.queries import Calls, Counts, Reason, RunRecord


class Standing(NamedTuple):
    """All there is to say of a batch."""

    summary: Summary
    manifest: str
    reasons: list[Reason]
    runs: list[RunRecord]
    rolled_back: bool
    """Whether there is a rollback of it."""


def standing(connection: sqlite3.Connection, ledger: Path, *, rollback: bool = False) -> Standing:
    """Read how the latest batch stands, or its last rollback, in one consistent view.

    Raises LedgerError, for a ledger without a batch too, and UsageError where there was no rollback.
    """
    with ledger_errors(ledger, "read the ledger"), snapshot(connection):
        batch = batches.demand(connection, ledger, rollback=rollback)
        rolled_back = batches.latest_rollback(connection, batch) is not None
        counts = queries.count(connection, batch.number)
        runs = queries.runs(connection, batch.number)
        run = runs[-1] if runs else None
        calls = queries.calls(connection, run.run) if run else Calls(0, 0, 0)
        why = queries.reasons(connection, batch.number)
    seconds = 0.0
    if run is not None:
        seconds = (
            run.seconds if run.seconds is not None else max(0.0, (calls.last_at or run.started_at) - run.started_at)
        )
    summary = summarise(
        ledger,
        batch,
        counts,
        calls,
        seconds,
        run=run.run if run else None,
        stopped=run.stopped if run else None,
        exit_code=run.exit_code if run else None,
    )
    return Standing(summary, batch.manifest, why, runs, rolled_back)


def summarise(
    ledger: Path,
    batch: Batch,
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
        batch=batch.number,
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
        with closing(open_for_reading(ledger)) as connection:
            found = standing(connection, ledger).summary
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
