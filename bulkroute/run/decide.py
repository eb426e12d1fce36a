"""What the live bindings decide about the rows of a batch before its first call, or the ledger alone where they were not read."""

from collections.abc import Callable
from typing import NamedTuple

from bulkroute.errors import BulkrouteError, LedgerError, StopKind, StoppedEarly
from bulkroute.ledger.batches import Changes
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.staging import Staged
from bulkroute.ledger.writer import BatchWriter
from bulkroute.live.plan import WRONG_TENANT, is_wrong_tenant
from bulkroute.model import FailureKind
from bulkroute.run.prepared import Prepared
from bulkroute.settings import FailureLimit, OnDrift, Settings

MOST_DRIFTED_SHOWN = 20


class Unread(NamedTuple):
    """Live bindings that were not read."""

    halted: BulkrouteError | None = None
    """Why they could not be; None if nothing depends on them."""


class Chosen(NamedTuple):
    """The batch to be worked on, with the manifest taken over."""

    batch: BatchWriter
    changes: Changes = Changes()
    earlier: BatchReader | None = None
    """The batch that has ended and that this one follows."""
    again: int = 0
    """Rows in doubt that were settled, and are sent again."""
    is_kept: bool = False
    """Whether its rows go by what numbers and names meant when it was begun."""


def drift_stops(rows: int, *, where: str, is_plan: bool = False) -> StoppedEarly:
    """Return the error of rows that drifted where nothing may be sent then."""
    if is_plan:
        return StoppedEarly(
            f"{rows:,} {'row is' if rows == 1 else 'rows are'} no longer as planned, nothing was sent",
            where=where,
            hint="make the plan anew and have it approved, or leave these rows alone with --on-drift keep",
            stop=StopKind.DRIFT,
        )
    return StoppedEarly(
        f"{rows:,} {'row that was done has' if rows == 1 else 'rows that were done have'} been changed by another hand,"
        " nothing was sent",
        where=where,
        hint="--on-drift send overwrites that, --on-drift keep leaves it",
        stop=StopKind.DRIFT,
    )


def decide(
    chosen: Chosen,
    live: LiveBindings | Unread,
    settings: Settings,
    on_notice: Callable[[str], None],
    plan: Staged | None = None,
) -> Prepared:
    """Reopen what earlier runs left undone, and let the live bindings decide what they can, by the `plan` if there is one.

    Raises LedgerError, and StoppedEarly for rows that drifted where nothing may be sent then.
    """
    batch, changes, earlier, again, _is_kept = chosen
    if isinstance(live, Unread) and live.halted:
        return Prepared(batch, changes, batch.counts(), halted=live.halted)
    in_doubt = batch.reopen(skipped=isinstance(live, LiveBindings))
    if isinstance(live, Unread):
        if earlier is not None:
            batch.carry_over(earlier)
        counts = batch.counts()
        failed = batch.tried_earlier() - in_doubt if counts.pending else 0
        return Prepared(batch, changes, counts, failed, in_doubt)
    if in_doubt:
        raise LedgerError("rows in doubt were not settled", where=str(batch.path), hint="run the same command again")
    batch.note_routes(live, earlier)
    rule = settings.drift_rule(is_plan=plan is not None)
    if plan is not None:
        drifted = batch.hold_to_plan(plan, live, earlier=earlier, skip=settings.skip)
    else:
        drifted = batch.reopen_drifted(live, earlier=earlier, keep=rule != OnDrift.SEND)
    if drifted and rule == OnDrift.STOP:
        raise _drifted(batch, drifted, on_notice, is_plan=plan is not None)
    decided = batch.decide(live, settings.skip)
    batch.note_targets(live)
    if decided.changed_earlier:
        on_notice(
            f"{decided.changed_earlier:,} rows were changed by calls that this ledger does not know of, as an older"
            " copy would not: they count as changed by this batch, and a rollback puts them back"
        )
    if decided.moved_since:
        hint = "a new plan shows where they lead" if plan else "--fresh looks all numbers up anew"
        on_notice(
            f"warning: {decided.moved_since:,} done {'row has' if decided.moved_since == 1 else 'rows have'} moved since"
            f" the numbers were looked up, e.g. {decided.moved_example}; {hint}"
        )
    counts = batch.counts()
    if is_wrong_tenant(counts.failures.get(FailureKind.UNKNOWN_ID, 0), counts.total):
        on_notice(f"warning: {WRONG_TENANT}")
    return Prepared(
        batch,
        changes,
        counts,
        batch.tried_earlier(),
        again,
        decided=decided,
        drifted=batch.drifted_to_send(),
        live=live,
        routes=live.count(),
    )


def _drifted(batch: BatchWriter, rows: int, on_notice: Callable[[str], None], *, is_plan: bool) -> StoppedEarly:
    """Return the error of rows that drifted; each is told on a line of its own."""
    for text in batch.drifted_rows(MOST_DRIFTED_SHOWN):
        on_notice(f"drifted: {text}")
    if rows > MOST_DRIFTED_SHOWN:
        on_notice(f"drifted: {rows - MOST_DRIFTED_SHOWN:,} more rows")
    return drift_stops(rows, where=str(batch.path), is_plan=is_plan)


def require_few_refused(prepared: Prepared, most: FailureLimit | None) -> None:
    """Refuse to begin where more rows are refused than may be. Raises StoppedEarly."""
    counts = prepared.counts
    if most is None or counts.refused <= (most.rows if most.rows is not None else (most.share or 0) * counts.total):
        return
    kinds = ", ".join(f"{each.rows:,} {each.error}" for each in prepared.decided.refusals if not each.skipped)
    raise StoppedEarly(
        f"{counts.refused:,} of {counts.total:,} rows are refused ({kinds}), more than --max-refused {most} allows;"
        " nothing was sent",
        hint="correct the manifest, or accept known ones with --skip",
        stop=StopKind.MAX_REFUSED,
    )
