"""The engine: connections, tokens and pace for one service, and what is done with them.

    async with Engine(Settings(base_url="https://cc.example.com", credentials=...)) as engine:
        summary = await engine.run("cutover.csv")

The command line uses this same class.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from bulkroute.cec.service import Feedback, open_service, throttle_for
from bulkroute.errors import StopKind, StoppedEarly, UsageError
from bulkroute.events import Event, Notice, OnEvent, RunEnded
from bulkroute.ledger import intake
from bulkroute.ledger.back_outs import BackOut as Decided
from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.copied import LedgerCopy
from bulkroute.ledger.intake import Source
from bulkroute.ledger.ledger import HeldLedger, Ledger
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.status import read_status
from bulkroute.live.called_routes import LiveReader
from bulkroute.live.plan import Plan
from bulkroute.live.read_calls import Asker
from bulkroute.live.select_routes import select
from bulkroute.live.selection import Filters, Selection
from bulkroute.live.target_routes import ALL_KINDS, ListedTargets, read_targets, with_routes
from bulkroute.live.verify import Verified, verify
from bulkroute.progress import Proposal, Summary
from bulkroute.rate.limit import Limit
from bulkroute.run import control
from bulkroute.run.approval import require_runnable
from bulkroute.run.back_out import BackOut
from bulkroute.run.back_out_watch import require_room
from bulkroute.run.deadlines import Deadlines
from bulkroute.run.downtime import Downtime, tell_of_tokens
from bulkroute.run.holding import existing, hold, keep_check
from bulkroute.run.hooks import Hooks
from bulkroute.run.pauses import Pauses
from bulkroute.run.prepare import Blocking, Preparation
from bulkroute.run.prepare_plan import PlanPreparation
from bulkroute.run.prepare_rollback import LATEST_BATCH, Preview, RollbackPreparation, WayBack
from bulkroute.run.prepared import Prepared
from bulkroute.run.run import Run
from bulkroute.run.said import Said
from bulkroute.settings import Settings


def ignore(_event: Event) -> None:
    """Watch nothing."""


Confirm = Callable[[Proposal], Awaitable[bool]]
"""Asks a person to agree to what is about to be sent, before the first call of a run or rollback."""


class Engine:
    """Rebinds called routes at one service. Use as an async context manager, within one event loop."""

    current: Run | BackOut | None = None
    """The run under way, or the last one, or its back-out: to see how far it is, or to stop it."""

    def __init__(
        self,
        settings: Settings,
        *,
        on_event: OnEvent = ignore,
        confirm: Confirm | None = None,
        limit: Limit | None = None,
        copy: LedgerCopy | None = None,
    ) -> None:
        """`on_event` gets the events of a run as they happen; it must not block. `confirm` is asked before sending.

        `limit`: a rate that several engines share, beside the own one of each: a `Pacer` that all of them are given, made
        in the loop that they work in. `copy`: that of the ledger of runs and rollbacks, which then goes with each commit.
        """
        self._copy = copy
        self._confirm = confirm
        self._limit = limit
        self._settings = settings
        self._watch = on_event
        self._hooks: Hooks | None = None
        self._exits = contextlib.AsyncExitStack()
        self._blocking = Blocking()
        self._open = False
        self._said = Said(self._on_event)

    async def __aenter__(self) -> Self:
        """Open the connection pool; nothing is sent yet."""
        settings = self._settings
        for text in settings.credentials.warnings:
            self._said.notice(f"warning: {text}")
        self._service = await open_service(settings, self._limit, self._exits, may_be_taken_over=self._copy is not None)
        self._allowed_per_s = self._service.pacer.rate_per_s
        pauses = Pauses(self._service.pacer, self._on_event)
        tell_of_tokens(self._service.tokens, pauses)
        throttle = throttle_for(self._service, pauses, lambda _reason: None)
        reads = Downtime(settings, pauses, self._service.pacer.clock, "reads")
        self._asker = Asker(self._service, Feedback(self._service, throttle), reads.outage)
        self._reader = LiveReader(self._asker, settings.concurrency, self._said.notice)
        self._preparation = Preparation(settings, self._asker, self._reader, self._blocking, self._said.notice)
        self._plans = PlanPreparation(settings, self._asker, self._reader, self._blocking, self._said.notice)
        self._rollbacks = RollbackPreparation(settings, self._asker, self._reader, self._said.notice)
        self._deadlines = Deadlines(settings.max_duration_s, settings.until)
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self._open = False
        await self._exits.aclose()

    async def run(self, source: Source, *, ledger: str | Path | None = None, format: str | None = None) -> Summary:  # noqa: A002  as in --format
        """Send what of the manifest, or saved plan, is not done yet, and return how it ended; the same call again resumes.

        `source` is a path, `-`, or rows: (id, devicetype, deviceId) tuples, mappings or `Row`. The ledger is made
        where there is none; for rows and `-` it must be named. Raises ManifestError, LedgerBusy, LedgerError, UsageError,
        and where `before_run` says no NotNow or StoppedEarly; else `Summary` says how it ended, or its back-out.
        """
        self._require_open()
        path = Path(ledger) if ledger is not None else intake.default_ledger(source)
        async with self._hooked(path) as hooks:
            require_runnable(source, format, self._settings)
            with contextlib.ExitStack() as exits:
                held = await self._hold(Ledger(path, self._copy), exits)
                if (decided := held.unfinished_back_out()) is not None:
                    return await self._back_out(held, decided)
                await hooks.before_run()
                with contextlib.ExitStack() as inputs:
                    async with self._deadlines.entering(
                        self._preparation.take_in(source, format, held, inputs)
                    ) as prepared:
                        require_room(prepared, self._settings, self._allowed_per_s, self._deadlines, self._said.notice)
                        await self._agree(prepared)
                    run, summary = await self._work_through(held, prepared)
                if not self._settings.back_out_on or (decided := held.unfinished_back_out()) is None:
                    return self._ended(summary)
                return await self._back_out(held, decided, run)

    @property
    def reading(self) -> bool:
        """Whether a manifest is being taken in, which lets nothing else happen; nothing was sent then."""
        return self._blocking.on

    def refuse_reading(self) -> None:
        """Take no manifest in from now on: whoever begins to is cancelled on the spot, which a loop that does not turn cannot do."""
        self._blocking.refused = True

    async def rollback(self, ledger: str | Path, way: WayBack = LATEST_BATCH) -> Summary:
        """Put back the earlier bindings of rows that the ledger's batch changed; the same call again goes on.

        `way` names another batch, or only some rows. Only where the live binding is still what was written; others fail
        as `conflict`. Raises LedgerBusy, LedgerError, UsageError (a ledger of another service; nothing to put back),
        ManifestError (`way.only`), and for reading live bindings ServiceUnreachable, CredentialsRefused and StoppedEarly
        (throttled for too long); and where `before_run` does not say go NotNow or StoppedEarly.
        """
        self._require_open()
        async with self._hooked(Path(ledger)) as hooks:
            found = existing(ledger, self._copy)
            with contextlib.ExitStack() as exits:
                held = await self._hold(found, exits)
                if (decided := held.unfinished_back_out()) and way in (LATEST_BATCH, WayBack(batch=decided.batch)):
                    return await self._back_out(held, decided)
                await hooks.before_run()
                async with self._deadlines.entering(self._rollbacks.take_back(held, exits, way)) as prepared:
                    await self._agree(prepared)
                return self._ended((await self._work_through(held, prepared))[1])

    async def preview_rollback(self, ledger: str | Path, way: WayBack = LATEST_BATCH) -> Preview:
        """Return what `rollback` would do, and change nothing. Raises what that raises."""
        self._require_open()
        found = existing(ledger)
        with contextlib.ExitStack() as exits:
            return await self._rollbacks.preview(await self._hold(found, exits, to_write=False), way)

    @contextlib.asynccontextmanager
    async def plan(
        self,
        source: Source,
        *,
        ledger: str | Path | None = None,
        format: str | None = None,  # noqa: A002  as in --format
    ) -> AsyncIterator[Plan]:
        """Read live bindings and give what a run of the manifest would change, for the block. Changes nothing.

        The ledger, where there is one, tells which rows were done and are live no longer so, and which are in conflict.
        Raises ManifestError, UsageError (strict targets), LedgerError (a damaged one, or no room for temporary files),
        StoppedEarly where a run would (rows drifted, and `on_drift` is to stop), and for reading live bindings
        ServiceUnreachable, CredentialsRefused and StoppedEarly (throttled for too long).
        """
        self._require_open()
        with contextlib.ExitStack() as inputs:
            yield await self._plans.plan(source, ledger, format, inputs)

    async def verify(self, ledger: str | Path, *, batch: int | None = None) -> Verified:
        """Hold the rows that the ledger calls done, or put back since, against live bindings, also while a run writes it.

        What was found is kept in the ledger, for the pages, unless a run holds it or it cannot be written.

        Raises LedgerError, UsageError (a ledger of another service), and for reading live bindings ServiceUnreachable,
        CredentialsRefused and StoppedEarly (throttled for too long).
        """
        self._require_open()
        with Ledger(Path(ledger)).read() as opened:
            found = opened.pick(batch)
            found.require_tenant(Tenant.of(self._settings), moved=self._settings.service_moved)
            verified = await verify(found, self._reader, self._settings.backoff_s, self._said.notice)
            if opened.is_of_today():
                keep_check(found, verified)
            return verified

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[LiveBindings]:
        """Read the live bindings and give them for the block.

        Raises ServiceUnreachable, CredentialsRefused, StoppedEarly (throttled for too long) and LedgerError (no room
        for temporary files).
        """
        self._require_open()
        with LiveBindings() as live:
            await self._reader.read(live)
            yield live

    async def targets(self, kinds: Collection[int] = ALL_KINDS) -> ListedTargets:
        """Return the skill queues and IVR flows there are (or those of one `DeviceType`), and what leads to each.

        Raises ServiceUnreachable (ReadingRefused where their lists may not be read), CredentialsRefused, StoppedEarly
        (throttled for too long) and LedgerError (no room for temporary files).
        """
        async with self.snapshot() as live:
            known = await read_targets(self._asker, kinds)
            return ListedTargets(with_routes(known, live.routes(), kinds), live.settled)

    async def select(self, to: str, filters: Filters, *, excepted: Path | None = None) -> Selection:
        """Return the called routes that the filters mean, to be led to the target `to` (`ivr:Night`). Changes nothing.

        `excepted`: a manifest, or a list of ids and numbers, of routes to leave alone. Raises UsageError (no filter, a
        name that is not exactly one target's, from and to the same), ManifestError (`excepted`), and for reading
        ServiceUnreachable, CredentialsRefused, StoppedEarly and LedgerError (no room for temporary files).
        """
        self._require_open()
        allow_unloaded = self._settings.allow_unloaded
        return await select(
            self._reader, to, filters, self._said.notice, excepted=excepted, allow_unloaded=allow_unloaded
        )

    async def _hold(self, ledger: Ledger, exits: contextlib.ExitStack, *, to_write: bool = True) -> HeldLedger:
        """Hold a ledger as long as `exits`. Raises LedgerBusy, LedgerError."""
        return await hold(ledger, self._settings, exits, self._said.notice, to_write=to_write)

    def _hooked(self, ledger: Path) -> Hooks:
        """Return what tells the operator's hooks and pings of the run that is about to begin."""
        self._hooks = Hooks(
            self._settings,
            self._service.tokens.clean,
            ledger,
            on_notice=lambda text: self._on_event(Notice(text)),
            keep=self._said.keep,
        )
        return self._hooks

    def interrupt(self, reason: str) -> bool:
        """Stop the run in good order, the second time at once; after it, wait no longer for its hooks and pings.

        Return False if there is no run yet: then whoever has called `run` may be cancelled, and nothing was sent.
        """
        if self._hooks is not None and self._hooks.cut_short():
            return True
        if self.current is None:
            return False
        if self.current.progress().stopping is None:
            self.current.stop(StopKind.SIGNAL, reason)
        else:
            self.current.abort()
        return True

    def _on_event(self, event: Event) -> None:
        """Tell of an event, whoever watches first."""
        self._watch(event)
        if self._hooks is not None:
            self._hooks.on_event(event)

    async def _agree(self, prepared: Prepared) -> None:
        """Ask whoever is to be asked. Raises StoppedEarly for a no."""
        await asyncio.sleep(0)  # so that a cancel which came while plain code ran is heard before anything is written
        if self._confirm is None or prepared.halted is not None or not prepared.counts.pending:
            return
        proposal = prepared.proposal(self._settings, self._allowed_per_s)._replace(ends_at=self._deadlines.ends_at)
        if not await self._confirm(proposal):
            raise StoppedEarly.declined()

    async def _work_through(self, held: HeldLedger, prepared: Prepared) -> tuple[Run, Summary]:
        """Run the batch to its end."""
        run = self.current = Run(
            self._service, prepared=prepared, reader=self._reader, on_event=self._on_event, deadlines=self._deadlines
        )
        with self._said.kept_by(run):
            async with control.serving(prepared.batch.path, run, self._said.notice):
                summary = await run.execute()
        await held.make_whole()
        return run, summary

    async def _back_out(self, held: HeldLedger, decided: Decided, after: Run | None = None) -> Summary:
        """Take back what a batch has changed; `after`: the run that has just stopped, if this process made it."""
        back_out = BackOut(decided, held, self._service, self._reader, self._on_event, self._said, after)
        self.current = back_out
        async with control.serving(held.path, back_out, self._said.notice):
            await back_out.execute()
        with Ledger(held.path).read() as ledger:
            return self._ended(read_status(ledger, decided.batch).summary)

    def _ended(self, summary: Summary) -> Summary:
        self._on_event(RunEnded(summary))
        return summary

    def _require_open(self) -> None:
        """Refuse to work outside of the block that opens connections and closes them. Raises UsageError."""
        if not self._open:
            raise UsageError("this Engine is not open", hint="use it within `async with Engine(settings) as engine:`")
