"""What `plan` says: the steps of a run up to its first call, of which nothing is kept."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from bulkroute.errors import UsageError
from bulkroute.events import WARNING
from bulkroute.ledger import intake
from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.intake import Source, Written
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.runs import who
from bulkroute.live.called_routes import LiveReader
from bulkroute.live.plan import Plan
from bulkroute.live.read_calls import Asker
from bulkroute.live.resolution import Resolution
from bulkroute.manifest.saved_plan import PlanOrigin
from bulkroute.manifest.source import is_plan
from bulkroute.model import iso
from bulkroute.run.decide import drift_stops
from bulkroute.run.prepare import Blocking
from bulkroute.settings import OnDrift, Settings
from bulkroute.version import __version__


class PlanPreparation:
    """Makes plans of manifests, with the ledger beside them if there is one."""

    def __init__(
        self, settings: Settings, asker: Asker, reader: LiveReader, blocking: Blocking, notice: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._asker = asker
        self._reader = reader
        self._blocking = blocking
        self._notice = notice

    async def plan(
        self,
        source: Source,
        ledger: str | Path | None,
        format: str | None,  # noqa: A002  as in --format
        inputs: contextlib.ExitStack,
    ) -> Plan:
        """Return what a run of the manifest would change; it is good as long as `inputs`. Raises what `Engine.plan` does."""
        settings = self._settings
        if is_plan(source, format):
            hint = "`bulkroute show` prints it; plan its manifest anew where it is too old"
            raise UsageError("is a saved plan already", where=str(source), hint=hint)
        with self._blocking.alone():
            written = inputs.enter_context(intake.written(source, format, self._notice, expected_rows=settings.expect))
            batch = self._batch_so_far(intake.ledger_beside(source) if ledger is None else Path(ledger), inputs)
        live = inputs.enter_context(LiveBindings())
        await self._reader.read(live)
        resolution = Resolution(settings, self._asker, self._notice)
        goes_on = batch is not None and written.is_kept_in(batch.facts) and not batch.has_ended()
        if batch is not None and goes_on:
            await resolution.require_as_named(written.name, batch.wanted_names())
            staged = intake.kept(written, batch.kept_rows(), inputs)
        else:
            staged = await resolution.staged(written, live, inputs)
        rule = settings.drift_rule(is_plan=False)
        keep = rule == OnDrift.KEEP
        plan = Plan(staged, live, self._origin(written), batch=batch, kept=goes_on, skip=settings.skip, keep=keep)
        inputs.callback(plan.close)
        if settings.wave_sizes:
            plan.cut_waves(settings.wave_sizes)
        if plan.counts.drifted and rule == OnDrift.STOP:
            raise drift_stops(plan.counts.drifted, where=str(ledger or staged.name))
        await plan.check_targets(self._asker, self._notice, strict=settings.strict_targets)
        return plan

    def _origin(self, written: Written) -> PlanOrigin:
        """Return who makes a plan of this manifest here and now."""
        settings = self._settings
        tenant = Tenant.of(settings)
        return PlanOrigin(
            version=__version__,
            made_at=iso(time.time()),
            made_by=who(),
            service=tenant.service,
            app_key=tenant.app_key,
            tenant=settings.tenant,
            manifest=written.name,
            manifest_sha256=written.digest.rpartition(":")[2] or None,
        )

    def _batch_so_far(self, ledger: Path | None, inputs: contextlib.ExitStack) -> BatchReader | None:
        """Return the batch that a run would go on from, which stays open as long as `inputs`; None if there is none."""
        if ledger is None or not ledger.exists():
            return None
        reader = inputs.enter_context(Ledger(ledger).read())
        batch = reader.find_batch()
        if decided := reader.unfinished_back_out():
            self._notice(f"{WARNING}the back-out of batch {decided.batch} is not finished: run goes on with that first")
        if batch is not None:
            moved = self._settings.service_moved or self._settings.fresh
            batch.require_tenant(Tenant.of(self._settings), moved=moved)
        return None if self._settings.fresh else batch
