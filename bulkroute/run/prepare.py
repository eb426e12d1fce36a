"""What happens to a batch before its first call: rows in doubt, rows that failed, and what the live bindings decide.

With live bindings: in doubt -> settled, then (the manifest is taken over), then failed -> pending, done but changed by
another hand -> pending, then right already, unknown, locked, conflict. A batch that has ended is not gone on with: what
is to be done then begins the next one, with its own *before*. Without live bindings rows in doubt are sent again, rows
are done as the ledger says, and nothing else is known.

All of it is one transaction, which ends with the block of `take_in`: whatever is raised there, an answer
of "n" for instance, leaves the ledger as it was.
"""

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import NamedTuple

from bulkroute.errors import (
    BulkrouteError,
    CredentialsRefused,
    KeysRefused,
    ReadingRefused,
)
from bulkroute.ledger import intake
from bulkroute.ledger.batches import Changes, Tenant
from bulkroute.ledger.intake import Source, Written
from bulkroute.ledger.ledger import HeldLedger
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.number_staging import NumberStaging
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.staging import Staged
from bulkroute.ledger.writer import BatchWriter, LedgerWriter
from bulkroute.live.called_routes import LiveReader
from bulkroute.live.read_calls import Asker
from bulkroute.live.resolution import Resolution
from bulkroute.manifest.source import is_plan
from bulkroute.run.approval import require_approved
from bulkroute.run.decide import Chosen, Unread, decide, require_few_refused
from bulkroute.run.prepared import Prepared, check_targets, in_waves
from bulkroute.settings import OnDrift, Settings


class Opened(NamedTuple):
    """What ledger and manifest hold."""

    batch: BatchReader | None
    """The latest batch; None if there is none, or a new one is asked for."""
    written: Written | None
    """The manifest as it is written; None if it was not read."""
    is_known: bool
    """Whether the batch holds this very manifest already, with the ids that its numbers had."""


class Blocking:
    """Tells whether plain code runs that no event loop could interrupt."""

    def __init__(self) -> None:
        self.on = False
        self.refused = False
        """Whether no such code is to begin any more: who was to stop it came a moment too early."""

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Say so for the block. Raises CancelledError if it is refused."""
        self.on = True
        try:
            if self.refused:
                raise asyncio.CancelledError
            yield
        finally:
            self.on = False


class Preparation:
    """Gets batches of one service ready to be sent."""

    def __init__(
        self,
        settings: Settings,
        asker: Asker,
        reader: LiveReader,
        blocking: Blocking,
        on_notice: Callable[[str], None],
    ) -> None:
        """`on_notice` gets what an operator should know."""
        self._settings = settings
        self._asker = asker
        self._reader = reader
        self._blocking = blocking
        self._on_notice = on_notice
        self._resolution = Resolution(settings, asker, on_notice)

    @asynccontextmanager
    async def take_in(
        self, source: Source, format_: str | None, held: HeldLedger, exits: ExitStack
    ) -> AsyncIterator[Prepared]:
        """Bring the manifest into the ledger and give its batch, ready to be sent; it is committed after the block.

        `exits` closes the ledger. Raises ManifestError, LedgerError, UsageError, StoppedEarly (`--on-drift stop`).
        """
        with ExitStack() as inputs:
            opened = self._open(source, format_, held, inputs)
            live = await self._read(inputs) if self._settings.snapshot else Unread()

            async def stage() -> Staged:
                written = opened.written or self._write_down(source, format_, inputs)
                return await self._stage(written, live, inputs)

            staged = None if opened.is_known else await stage()
            head = opened.written.plan if opened.written else None
            plan = staged if head else None
            writer = exits.enter_context(held.write())
            with writer.preparing(self._on_notice):
                chosen = await self._choose(writer, opened.batch, staged, live, stage, is_plan=plan is not None)
                prepared = decide(chosen, live, self._settings, self._on_notice, plan)
                require_few_refused(prepared, self._settings.max_refused)
                prepared = in_waves(prepared, self._settings, self._on_notice)
                if chosen.is_kept and not prepared.halted:
                    await self._resolution.require_as_named(chosen.batch.manifest, chosen.batch.wanted_names())
                prepared = await check_targets(prepared, self._settings, self._asker, self._on_notice)
                chosen.batch.note_names(prepared.names)
                yield prepared._replace(plan=head.described(chosen.batch.facts.plan) if head else "")

    def _open(self, source: Source, format_: str | None, held: HeldLedger, inputs: ExitStack) -> Opened:
        """Look at what the ledger holds, and check the manifest if that is not in it already."""
        with self._blocking.alone(), held.checked() as ledger:
            found = ledger.find_batch()
            if found is not None:
                self._require_tenant(found)
            batch = None if self._settings.fresh else found
            # Numbers are not resolved again in the middle of a batch, and are once it has ended: they may be others now.
            anew = batch is not None and batch.facts.by_number and self._settings.snapshot and batch.has_ended()
            must_read = (
                is_plan(source, format_) or anew or self._settings.expect is not None or self._settings.strict_numbers
            )
            if batch and not must_read and intake.is_known(source, format_, batch.digest):
                return Opened(batch, None, is_known=True)
            written = self._write_down(source, format_, inputs)
            require_approved(written, self._settings, self._on_notice)
            is_known = batch is not None and not anew and written.is_kept_in(batch.facts)
            return Opened(batch, written, is_known=is_known)

    def _write_down(self, source: Source, format_: str | None, inputs: ExitStack) -> Written:
        return inputs.enter_context(
            intake.written(source, format_, self._on_notice, expected_rows=self._settings.expect)
        )

    async def _stage(self, written: Written, live: LiveBindings | Unread, inputs: ExitStack) -> Staged:
        """Return the manifest by id. Raises what `Resolution.staged` raises, and why live bindings were not read."""
        if isinstance(live, LiveBindings):
            return await self._resolution.staged(written, live, inputs)
        if live.halted and isinstance(written.rows, NumberStaging):
            raise live.halted
        return await self._resolution.staged(written, None, inputs)

    def _require_tenant(self, batch: BatchReader) -> None:
        """Refuse a batch that changes somebody else's routes; a new one beside it may. Raises UsageError."""
        settings = self._settings
        batch.require_tenant(Tenant.of(settings), moved=settings.service_moved or settings.fresh)

    async def _choose(
        self,
        writer: LedgerWriter,
        latest: BatchReader | None,
        staged: Staged | None,
        live: LiveBindings | Unread,
        stage: Callable[[], Awaitable[Staged]],
        *,
        is_plan: bool,
    ) -> Chosen:
        """Go on with the latest batch, or begin the next one if that has ended and there is anything to do.

        `staged` is None if that batch holds this very manifest; `stage` resolves it for the next one.
        """
        tenant = Tenant.of(self._settings)
        if latest is None:
            self._tell_left_behind(writer)
            writer.end_rollbacks()
            batch, changes = writer.take_over(staged or await stage(), tenant)
            return Chosen(batch, changes)
        batch = writer.work_on(latest)
        if isinstance(live, Unread) and live.halted:
            return Chosen(batch)
        if batch.has_ended():
            if self._finds_work(batch, staged, live, is_plan=is_plan):
                following, _changes = writer.take_over(staged or await stage(), tenant)
                writer.end_rollbacks()
                return Chosen(following, following.changes_since(batch) if staged else Changes(), earlier=batch)
            if staged is not None and staged.digest == latest.digest != "":
                staged = None  # nothing has changed but what --skip leaves out
        else:
            writer.end_rollbacks()
        again = 0
        if isinstance(live, LiveBindings):
            doubts = batch.settle_doubts(live)
            again = doubts.again
            if any(doubts):
                self._on_notice(f"rows in doubt after a crash, held against their live bindings: {doubts}")
        changes = Changes()
        if staged is not None:
            batch, changes = writer.take_over(staged, tenant, batch)
        return Chosen(batch, changes, again=again, is_kept=staged is None)

    def _tell_left_behind(self, writer: LedgerWriter) -> None:
        """Warn of what a plain rollback does not put back once a new batch has begun."""
        changed = writer.changed()
        if not changed:
            return
        ledger = shlex.quote(str(writer.path))
        oldest, latest = changed[0], changed[-1]
        also = f"; `--since {oldest.batch}` what all batches changed" if oldest is not latest else ""
        self._on_notice(
            f"warning: batch {latest.batch} changed {latest.rows:,} routes that only `bulkroute rollback {ledger}"
            f" --batch {latest.batch}` puts back then{also}"
        )

    def _finds_work(
        self, batch: BatchWriter, staged: Staged | None, live: LiveBindings | Unread, *, is_plan: bool
    ) -> bool:
        """Tell whether anything is to be done about a batch that has ended."""
        keep = self._settings.on_drift == OnDrift.KEEP
        if isinstance(live, LiveBindings) and staged is not None and is_plan:
            return batch.brings_rows(staged) or batch.plan_leaves_work(staged, live, keep=keep)
        if isinstance(live, LiveBindings):
            return batch.begins_next(staged, live, keep=keep)
        return (staged is not None and batch.brings_rows(staged)) or batch.has_pending()

    async def _read(self, inputs: ExitStack) -> LiveBindings | Unread:
        """Read live bindings, which stay open as long as `inputs`."""
        live = inputs.enter_context(LiveBindings())
        try:
            await self._reader.read(live)
        except BulkrouteError as error:
            if isinstance(error, ReadingRefused | CredentialsRefused) and not isinstance(error, KeysRefused):
                only_here = "if only this list is refused, " if isinstance(error, CredentialsRefused) else ""
                error.hint = f"{error.hint}; " * bool(error.hint) + f"{only_here}--no-snapshot goes without reading it"
            return Unread(error)
        return live
