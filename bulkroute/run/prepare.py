"""What happens to a batch before its first call: rows in doubt, rows that failed, and what the live bindings decide.

With live bindings: in doubt -> settled, then (the manifest is taken over), then failed -> pending, then right already,
unknown, locked, conflict. Without: rows in doubt are sent again, and nothing else is known.

A manifest goes through three steps, each of which has one value: `Opened` (what ledger and manifest hold), `Consulted`
(the batch, and what is known of the live bindings), `Prepared`. Nothing is made where the manifest has faults.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

from bulkroute.errors import BulkrouteError, CredentialsRefused, KeysRefused, LedgerError, ReadingRefused
from bulkroute.events import Proposal
from bulkroute.ledger import intake
from bulkroute.ledger.batches import Changes, Tenant
from bulkroute.ledger.intake import Source
from bulkroute.ledger.ledger import HeldLedger
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.queries import Counts
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.settle import Decided, Finding
from bulkroute.ledger.staging import Staged
from bulkroute.ledger.writer import BatchWriter, LedgerWriter
from bulkroute.live import targets
from bulkroute.live.called_routes import LiveReader
from bulkroute.live.read_calls import Asker
from bulkroute.settings import Settings


class NewBatch(NamedTuple):
    """A manifest that a batch is to be made of."""

    staged: Staged


class KnownBatch(NamedTuple):
    """A batch that is to be gone on with."""

    batch: BatchReader
    counts: Counts
    staged: Staged | None
    """The manifest to take over; None if the batch holds this very one already."""

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing to ask, settle or send."""
        return self.staged is None and self.counts.is_finished


Opened = NewBatch | KnownBatch


class Unread(NamedTuple):
    """Live bindings that were not read."""

    halted: BulkrouteError | None = None
    """Why they could not be; None if nothing depends on them."""


class Consulted(NamedTuple):
    """A batch with its manifest taken over, and the live bindings it is held against."""

    batch: BatchWriter
    changes: Changes
    live: LiveBindings | Unread
    again: int = 0
    """Rows in doubt that were settled, and are sent again."""


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
    decided: Decided = Decided(at=0.0)
    """What live bindings decided: nothing if they were not read."""
    halted: BulkrouteError | None = None
    """Why nothing may be sent: the live bindings could not be read."""

    def proposal(self, settings: Settings) -> Proposal:
        """Return what is to be sent, for whoever has to agree to it."""
        return Proposal(
            ledger=str(self.batch.path),
            batch=self.batch.number,
            puts_back=self.batch.parent,
            service=settings.service_name,
            tenant=settings.tenant,
            note=settings.note,
            pending=self.counts.pending,
            done=self.counts.succeeded + self.counts.unchanged,
            failures=self.counts.failures,
            live_read=bool(self.decided.at),
            rate_per_s=settings.rate_per_s,
            concurrency=settings.concurrency,
        )

    def findings(self) -> Iterator[Finding]:
        """Yield the rows that fail without a call."""
        return self.batch.findings(self.decided) if self.decided.refused else iter(())


class Blocking:
    """Tells whether plain code runs that no event loop could interrupt."""

    def __init__(self) -> None:
        self.on = False

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Say so for the block."""
        self.on = True
        try:
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

    async def take_in(self, source: Source, format_: str | None, held: HeldLedger, exits: ExitStack) -> Prepared:
        """Bring the manifest into the ledger and get its batch ready; nothing is made where the manifest has faults.

        `exits` closes the ledger. Raises ManifestError, LedgerError, UsageError.
        """
        with ExitStack() as inputs:
            opened = self._open(source, format_, held, inputs)
            if isinstance(opened, NewBatch):
                consulted = await self._begin(opened, held, exits, inputs)
            elif opened.is_finished:
                return Prepared(self._write(held, exits).work_on(opened.batch), Changes(), opened.counts)
            else:
                consulted = await self._go_on(opened, held, exits, inputs)
            prepared = _decide(consulted)
            await self._check_targets(prepared, consulted.live)
        return prepared

    def _open(self, source: Source, format_: str | None, held: HeldLedger, inputs: ExitStack) -> Opened:
        """Look at what the ledger holds, and check the manifest if that is not in it already."""
        with self._blocking.alone(), held.checked() as ledger:
            batch = None if self._settings.fresh else ledger.find_batch()
            if batch is None:
                return NewBatch(inputs.enter_context(intake.staged(source, format_, self._on_notice)))
            self._require_service(batch)
            counts, staged = batch.counts(), None
            if not intake.is_known(source, format_, batch.digest):
                staged = inputs.enter_context(intake.staged(source, format_, self._on_notice))
            return KnownBatch(batch, counts, staged)

    def _require_service(self, batch: BatchReader) -> None:
        """Refuse a batch that is of another service. Raises UsageError."""
        if not self._settings.service_moved:
            batch.require_service(self._settings.service_name)

    def _write(self, held: HeldLedger, exits: ExitStack) -> LedgerWriter:
        writer = exits.enter_context(held.write(self._on_notice))
        writer.end_rollbacks()
        return writer

    async def _begin(self, opened: NewBatch, held: HeldLedger, exits: ExitStack, inputs: ExitStack) -> Consulted:
        """Make a new batch; until live bindings are read nothing is written."""
        live = await self._read(inputs) if self._settings.snapshot else Unread()
        batch, changes = self._write(held, exits).take_over(opened.staged, Tenant.of(self._settings))
        return Consulted(batch, changes, live)

    async def _go_on(self, opened: KnownBatch, held: HeldLedger, exits: ExitStack, inputs: ExitStack) -> Consulted:
        """Settle the rows in doubt, and then take over what has changed in the manifest."""
        writer, staged = self._write(held, exits), opened.staged
        batch = writer.work_on(opened.batch)
        live: LiveBindings | Unread = Unread()
        again = 0
        if self._settings.snapshot and (batch.has_work() or (staged is not None and batch.brings_work(staged))):
            live = await self._read(inputs)
        if isinstance(live, LiveBindings):
            doubts = batch.settle_doubts(live)
            again = doubts.again
            if any(doubts):
                self._on_notice(f"rows in doubt after a crash, held against their live bindings: {doubts}")
        changes = Changes()
        if staged is not None:
            batch, changes = writer.take_over(staged, Tenant.of(self._settings), batch)
        return Consulted(batch, changes, live, again)

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

    async def _check_targets(self, prepared: Prepared, live: LiveBindings | Unread) -> None:
        """Warn of targets that calls cannot reach, or refuse them. Raises UsageError."""
        found = live if isinstance(live, LiveBindings) else None
        if prepared.halted or not (found or self._settings.strict_targets):
            return
        wanted = prepared.batch.wanted_targets(found)
        known = await targets.look_up(self._asker, wanted, self._on_notice)
        if self._settings.strict_targets:
            targets.require_sound(known)
        for text in targets.warnings(known):
            self._on_notice(f"warning: {text}")

    async def take_back(self, held: HeldLedger, exits: ExitStack) -> Prepared:
        """Make or reopen the rollback of the ledger's batch, and let the live bindings decide what they can.

        `exits` closes the ledger. Raises LedgerError, UsageError, and what reading live bindings raises.
        """
        with held.checked() as ledger:
            parent = ledger.require_batch()
            self._require_service(parent)
        with LiveBindings() as live:
            await self._reader.read(live)
            writer = exits.enter_context(held.write(self._on_notice))
            batch = writer.work_on(parent)
            if left_behind := batch.without_before():
                self._on_notice(
                    f"{left_behind:,} rows cannot be put back: they were sent without a snapshot, so their earlier bindings"
                    " are not recorded"
                )
            rollback = writer.open_rollback(batch, live)
            doubts = rollback.settle_doubts(live)
            prepared = _decide(Consulted(rollback, Changes(), live, doubts.again))
        return prepared._replace(left_behind=left_behind)


def _decide(consulted: Consulted) -> Prepared:
    """Reopen what earlier runs left undone, and let the live bindings decide what they can. Raises LedgerError."""
    batch, changes, live, again = consulted
    counts = batch.counts()
    if isinstance(live, Unread) and live.halted:
        return Prepared(batch, changes, counts, halted=live.halted)
    in_doubt = 0
    if counts.failed or counts.in_doubt:
        in_doubt = batch.reopen()
        counts = batch.counts()
    if isinstance(live, Unread):
        failed = batch.tried_earlier() - in_doubt if counts.pending else 0
        return Prepared(batch, changes, counts, failed, in_doubt)
    if in_doubt:
        raise LedgerError("rows in doubt were not settled", where=str(batch.path), hint="run the same command again")
    decided = batch.decide(live)
    return Prepared(batch, changes, batch.counts(), batch.tried_earlier(), again, decided=decided)
