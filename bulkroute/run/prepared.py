"""A batch that is ready to be sent, what was found on the way, and whether its targets can take calls. Sends nothing."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from bulkroute.errors import BulkrouteError, UsageError
from bulkroute.events import RunStarted
from bulkroute.ledger.batches import Changes
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.queries import Counts
from bulkroute.ledger.settle import Decided
from bulkroute.ledger.waves import Wave
from bulkroute.ledger.writer import BatchWriter
from bulkroute.live import targets
from bulkroute.live.read_calls import Asker
from bulkroute.model import Binding, Pair
from bulkroute.progress import Proposal
from bulkroute.settings import Settings


class Prepared(NamedTuple):
    """A batch that is ready to be sent, and what was found on the way; counts are rows."""

    batch: BatchWriter
    """The batch, open for writing."""
    changes: Changes
    """What the manifest changed in a batch that was there already."""
    counts: Counts
    """Its rows: `total`, `succeeded`, `unchanged`, `failed`, `pending`, and `failures` by kind."""
    failed_before: int = 0
    """Of the rows to be sent, how many failed in an earlier run."""
    in_doubt: int = 0
    """Of those in doubt, how many are sent again."""
    left_behind: int = 0
    """Rows that a rollback cannot put back, since their earlier binding is not recorded."""
    decided: Decided = Decided()
    """What live bindings decided: nothing if they were not read."""
    drifted: int = 0
    """Of the rows to be sent, how many were done and have been changed by another hand since."""
    halted: BulkrouteError | None = None
    """Why nothing may be sent: the live bindings could not be read."""
    live: LiveBindings | None = None
    """The live bindings, open while the batch is made ready; None if they were not read."""
    routes: int = 0
    """Called routes that the service lists; 0 if they were not read."""
    plan: str = ""
    """The saved plan that the batch is made of, in words; empty for a manifest."""
    names: Mapping[Binding, str] = MappingProxyType({})
    """What the targets of rows to be sent are called."""

    waves: Sequence[Wave] = ()
    """The waves that the rows go in; empty: they go in one."""
    waves_to_send: Sequence[int] = ()
    """Rows to be sent of each wave, without waves that have none."""

    @property
    def live_read(self) -> bool:
        """Whether live bindings were read, so that rows done are known to be so."""
        return self.live is not None

    def announcement(self, settings: Settings, run: int, command: str, ends_at: float | None) -> RunStarted:
        """Return the event of the run that begins with it."""
        return RunStarted(
            ledger=str(self.batch.path),
            batch=self.batch.number,
            run=run,
            total=self.counts.total,
            done=self.counts.done,
            skipped=self.counts.skipped,
            command=command,
            refused=self.counts.refused,
            drifted=self.drifted,
            live_read=self.live_read,
            failed_before=self.failed_before,
            in_doubt=self.in_doubt,
            changes=str(self.changes),
            rate_per_s=settings.rate_per_s,
            concurrency=settings.concurrency,
            service=settings.base_url,
            tenant=settings.tenant,
            note=settings.note,
            plan=self.plan,
            ends_at=ends_at,
            waves=tuple(self.waves_to_send),
            gates=settings.gates if self.waves_to_send else (),
        )

    def pairs(self) -> list[Pair]:
        """Return where the rows to be sent lead now and are to lead, the commonest first."""
        return [pair.named_by(self.names) for pair in self.batch.pairs(self.live)]

    def proposal(self, settings: Settings, rate_per_s: float | None) -> Proposal:
        """Return what is to be sent, at most at `rate_per_s`, for whoever has to agree to it."""
        return Proposal(
            ledger=str(self.batch.path),
            batch=self.batch.number,
            puts_back=self.batch.parent,
            service=settings.service_name,
            tenant=settings.tenant,
            note=settings.note,
            plan=self.plan,
            pending=self.counts.pending,
            pairs=tuple(self.pairs()),
            done=self.counts.done - self.counts.skipped,
            drifted=self.drifted,
            refused={each.error: each.rows for each in self.decided.refusals if not each.skipped},
            skipped=self.counts.skipped,
            live_read=self.live_read,
            rate_per_s=rate_per_s,
            concurrency=settings.concurrency,
            waves=tuple(self.waves_to_send),
            gates=settings.gates if self.waves_to_send else (),
            back_out_on=tuple(sorted(settings.back_out_on)) if self.batch.parent is None else (),
        )


def in_waves(prepared: Prepared, settings: Settings, on_notice: Callable[[str], None]) -> Prepared:
    """Give the rows to be sent their waves; what a batch has already is gone on with. Raises UsageError."""
    if prepared.halted:
        return prepared
    sizes = settings.wave_sizes
    waves = prepared.batch.make_waves(sizes)
    if waves and sizes and waves[0].asked != (asked := ",".join(map(str, sizes))):
        if prepared.batch.facts.plan and not waves[0].asked:
            on_notice(f"the plan says which row goes in which wave: {asked} is left aside")
        else:
            begun = f"with waves of {waves[0].asked}" if waves[0].asked else "with the waves of its manifest"
            on_notice(f"this batch was begun {begun} and goes on with them, not with {asked}; --fresh begins anew")
    if settings.gates and not waves and prepared.counts.pending:
        raise UsageError(
            "gates are asked between waves, and this batch has none",
            hint="give --waves 1,10,rest for example, or a column `wave` in the manifest",
        )
    return prepared._replace(waves=waves, waves_to_send=prepared.batch.rows_to_send())


async def check_targets(
    prepared: Prepared, settings: Settings, asker: Asker, on_notice: Callable[[str], None]
) -> Prepared:
    """Learn the targets' names; warn of those that calls cannot reach, or refuse them. Raises UsageError."""
    strict = settings.strict_targets
    if prepared.halted or not (prepared.live or strict):
        return prepared
    found = await targets.check(asker, prepared.batch.wanted_targets(prepared.live), on_notice, strict=strict)
    for text in found.warnings:
        on_notice(f"warning: {text}")
    return prepared._replace(names=found.names)
