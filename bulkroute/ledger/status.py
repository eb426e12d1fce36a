"""How a ledger stands: totals of its batch, why rows failed, the runs so far. Read from the ledger alone."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import BulkrouteError, LedgerError
from bulkroute.ledger import lock
from bulkroute.ledger.back_outs import BackOut
from bulkroute.ledger.batches import Which
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.lock import Holder
from bulkroute.ledger.queries import Counts, Reason
from bulkroute.ledger.reader import LedgerReader
from bulkroute.ledger.runs import Calls, RunEnd, RunRecord, RunState
from bulkroute.progress import Summary, WaveProgress


class BatchStatus(NamedTuple):
    """All there is to say of a batch."""

    summary: Summary
    manifest: str
    reasons: list[Reason]
    runs: list[RunRecord]
    rolled_back: bool
    """Whether there is a rollback of it."""
    state: RunState | None
    """What its last run is doing; None if there was none."""
    back_out: BackOut | None = None
    """How a run took back, or takes back, what it has changed."""
    is_held: bool = False
    """Whether somebody is at work on the ledger."""
    changed: int = 0
    """Rows that it has changed and that are not put back."""
    pace_per_s: float | None = None
    """Calls a second that its last run might make, last of all; None if nothing tells."""


def read_status(ledger: LedgerReader, number: int | None = None, *, rollback: bool = False) -> BatchStatus:
    """Read how a batch stands (the latest if none is named), or its last rollback, in one consistent view.

    Raises LedgerError, for a ledger without a batch too, and UsageError if there was no rollback.
    """
    before = lock.holder(ledger.path)
    with ledger.at_one_moment():
        batch = ledger.pick(number, rollback=rollback)
        rolled_back = not rollback and ledger.find_batch(Which.ROLLBACK) is not None
        counts, runs = batch.counts(), batch.runs()
        reasons = batch.reasons() if counts.failures else []
        back_out = batch.back_out()
        end = batch.end_of(runs[-1]) if runs else RunEnd(0.0, Calls())
        waves = batch.waves()
        changed = batch.count_touched().rows if batch.parent is None else 0
        rates = [change.rate for change in batch.pace_changes(after=0)] if changed else []
        if back_out is not None:
            end = end._replace(exit_code=back_out.exit_code)
    last = runs[-1] if runs else None
    tenant, note = (last.tenant, last.note) if last else ("", "")
    number = last.run if last else None
    labels = {"tenant": tenant, "note": note, "plan": batch.facts.plan}
    summary = summarise(ledger.path, batch.number, counts, number, end, waves=waves, **labels)
    if back_out is not None:
        summary = replace(summary, backed_out=back_out.back, live_read=True)
    state = state_of(runs, ledger.path, before)
    is_held = lock.holder(ledger.path) is not None
    pace_per_s = (rates[-1] if rates else None) or summary.rate or None
    found = BatchStatus(summary, batch.manifest, reasons, runs, rolled_back, state, back_out, is_held)
    return found._replace(changed=changed, pace_per_s=pace_per_s)


def state_of(runs: list[RunRecord], ledger: Path, before: Holder | None) -> RunState | None:
    """Return what the last of the runs is doing, None if there is none; `before`: who held the ledger before it was read."""
    if not runs:
        return None
    state = runs[-1].state(before)
    # It may have begun since.
    return runs[-1].state(lock.holder(ledger)) if state is RunState.KILLED else state


def summarise(
    ledger: Path,
    batch: int | None,
    counts: Counts,
    run: int | None,
    end: RunEnd,
    *,
    tenant: str,
    note: str,
    waves: Sequence[WaveProgress] = (),
    plan: str = "",
) -> Summary:
    """Return the summary of a batch, and of how its last run ended."""
    return Summary(
        ledger=str(ledger),
        batch=batch,
        run=run,
        **counts._asdict(),
        **end.calls._asdict(),
        seconds=round(end.seconds, 3),
        rate=round(end.calls.attempts / end.seconds, 2) if end.seconds else 0.0,
        stopped=end.stopped,
        exit_code=None if end.exit_code is None else int(end.exit_code),
        stop=end.stop,
        tenant=tenant or None,
        note=note or None,
        waves=list(waves),
        plan=plan or None,
    )


def ended_by(error: BulkrouteError, ledger: Path, *, tenant: str = "", note: str = "") -> Summary:
    """Return the summary of a command that an error ended: how the ledger stands, if it can be read, without a run."""
    number, counts, waves, plan = None, Counts(0, 0, 0, 0, 0, 0, 0, 0, 0, {}), list[WaveProgress](), ""
    with suppress(LedgerError), Ledger(ledger).read() as reader:
        batch = reader.require_batch()
        number, counts, waves, plan = batch.number, batch.counts(), batch.waves(), batch.facts.plan
    end = RunEnd(0.0, Calls(), str(error), error.exit_code, error.stop)
    return summarise(ledger, number, counts, None, end, tenant=tenant, note=note, waves=waves, plan=plan)
