"""What happens before the first call of a rollback: which batches, which rows, and what their live bindings decide.

All of it is one transaction, which ends with the block of `take_back`: whatever is raised there, an answer of "n" for
instance, leaves the ledger as it was. A preview is the same, and leaves it as it was in any case.
"""

import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import UsageError
from bulkroute.ledger import only
from bulkroute.ledger.batches import Changes, Tenant
from bulkroute.ledger.ledger import HeldLedger
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.reader import LedgerReader
from bulkroute.ledger.rollback import Scope
from bulkroute.ledger.writer import BatchWriter, LedgerWriter
from bulkroute.live.called_routes import LiveReader
from bulkroute.live.named_routes import NamedRoutes
from bulkroute.live.read_calls import Asker
from bulkroute.model import Pair
from bulkroute.run.prepared import Prepared, check_targets
from bulkroute.settings import Settings


class WayBack(NamedTuple):
    """What is asked for: one batch (the latest if none is named) or one and all later ones, and which rows."""

    batch: int | None = None
    """Undo what this batch changed."""
    since: int | None = None
    """Undo what this batch and all later ones changed."""
    only: Path | None = None
    """A manifest, or a list of ids and numbers: nothing else is put back."""
    wave: int | None = None
    """A wave of that batch: nothing else is put back."""


LATEST_BATCH = WayBack()


class Preview(NamedTuple):
    """What a rollback would do. Counts are rows."""

    batch: int
    """The batch that is undone, or the oldest of them."""
    to_put_back: int
    """Those that a call goes out for."""
    already_back: int
    """Those that need no call."""
    refused: dict[str, int]
    """Those that nothing is sent for, by failure kind."""
    left_behind: int
    """Those whose earlier binding is not recorded."""
    pairs: list[Pair]
    """Where rows go back from and to, the commonest first."""


class RollbackPreparation:
    """Gets rollbacks at one service ready to be sent."""

    def __init__(self, settings: Settings, asker: Asker, reader: LiveReader, on_notice: Callable[[str], None]) -> None:
        """`on_notice` gets what an operator should know."""
        self._settings = settings
        self._asker = asker
        self._reader = reader
        self._on_notice = on_notice

    @asynccontextmanager
    async def take_back(self, held: HeldLedger, exits: ExitStack, way: WayBack) -> AsyncIterator[Prepared]:
        """Make or reopen a rollback and give it, ready to be sent; committed after the block.

        `exits` closes the ledger. Raises LedgerError, ManifestError (`--only`), UsageError (nothing is to be put back,
        too), and what reading live bindings raises.
        """
        with ExitStack() as inputs:
            scope, live = await self._look(held, way, inputs)
            writer = exits.enter_context(held.write())
            with writer.preparing(self._on_notice):
                prepared = self._prepare(writer, scope, live)
                prepared = await check_targets(prepared, self._settings, self._asker, self._on_notice)
                prepared.batch.note_names(prepared.names)
                yield prepared

    async def preview(self, held: HeldLedger, way: WayBack) -> Preview:
        """Return what a rollback would do; nothing is changed. Raises what `take_back` raises."""
        with ExitStack() as inputs:
            scope, live = await self._look(held, way, inputs)
            writer = inputs.enter_context(held.write())
            with writer.preparing(self._on_notice, keep=False):
                prepared = self._prepare(writer, scope, live)
                found = await check_targets(prepared, self._settings, self._asker, self._on_notice)
                return Preview(
                    batch=scope.parent.number,
                    to_put_back=found.counts.pending,
                    already_back=found.counts.done,
                    refused={each.error: each.rows for each in found.decided.refusals},
                    left_behind=found.left_behind,
                    pairs=found.pairs(),
                )

    async def _look(self, held: HeldLedger, way: WayBack, inputs: ExitStack) -> tuple[Scope, LiveBindings]:
        """Find out what is meant, and read live bindings, which stay open as long as `inputs`."""
        named = NamedRoutes(way.only, "--only") if way.only else None
        with held.checked() as ledger:
            scope = self._scope(ledger, way)
        live = inputs.enter_context(LiveBindings())
        await self._reader.read(live)
        if named is not None:
            chosen = inputs.enter_context(only.staged(named.rows(live.routes), named.faults))
            named.require_whole(self._on_notice)
            scope = scope._replace(ids=chosen.rows.path, digest=chosen.digest)
        if way.wave is not None:
            scope = scope._replace(wave=way.wave, digest=f"{scope.digest};wave:{way.wave}")
        return scope, live

    def _scope(self, ledger: LedgerReader, way: WayBack) -> Scope:
        if way.batch is not None and way.since is not None:
            raise UsageError("--batch undoes one batch, --since one and all later ones", hint="give one of the two")
        if way.wave is not None and way.since is not None:
            raise UsageError("each batch has waves of its own", hint="give --batch with --wave, not --since")
        parent = ledger.pick(way.since if way.since is not None else way.batch)
        if parent.parent is not None:
            raise UsageError(
                f"batch {parent.number} is a rollback of batch {parent.parent}",
                where=str(ledger.path),
                hint=f"`run` sends again what was put back; `rollback --batch {parent.parent}` goes on with it",
            )
        later = way.since is not None
        tenant, moved = Tenant.of(self._settings), self._settings.service_moved
        for batch in ledger.from_on(parent.number) if later else [parent]:
            batch.require_tenant(tenant, moved=moved)
        return Scope(parent.facts, later)

    def _prepare(self, writer: LedgerWriter, scope: Scope, live: LiveBindings) -> Prepared:
        left_behind = writer.without_before(scope)
        rollback = writer.open_rollback(scope, live)
        counts = rollback.counts()
        if not counts.total and not left_behind:
            raise self._nothing(writer, scope)
        if left_behind:
            self._on_notice(
                f"{left_behind:,} rows cannot be put back: they were sent without a snapshot, so their earlier"
                " bindings are not recorded"
            )
        self._tell_earlier(rollback, live)
        return _decide(rollback, live)._replace(left_behind=left_behind)

    def _nothing(self, writer: LedgerWriter, scope: Scope) -> UsageError:
        """Return the error of a rollback without a row, which names the batches that have some."""
        ledger, number = shlex.quote(str(writer.path)), scope.parent.number
        what = f"since batch {number}" if scope.later else f"by batch {number}"
        among = "of the rows asked for, " if scope.is_limited else ""
        others = writer.changed()
        if not others:
            return UsageError(
                f"nothing to put back: {among}none was changed {what}, or all are put back already",
                where=str(writer.path),
                hint="no other batch changed any that stands",
            )
        named = ", ".join(f"{each.rows:,} rows by batch {each.batch}" for each in others)
        return UsageError(
            f"nothing to put back: {among}none was changed {what}; changed were {named}",
            where=str(writer.path),
            hint="; ".join(f"`bulkroute rollback {ledger} --batch {each.batch}`" for each in others[-3:]),
        )

    def _tell_earlier(self, rollback: BatchWriter, live: LiveBindings) -> None:
        """Say what this rollback leaves standing of what earlier batches changed."""
        if standing := rollback.standing_before(live):
            ledger = shlex.quote(str(rollback.path))
            self._on_notice(
                f"{standing.rows:,} rows that earlier batches changed stand after this:"
                f" `bulkroute rollback {ledger} --since {standing.batch}` puts these back too"
            )


def _decide(rollback: BatchWriter, live: LiveBindings) -> Prepared:
    """Settle what was in doubt, reopen what was left undone, and let the live bindings decide what they can."""
    again = rollback.settle_doubts(live).again
    rollback.reopen(skipped=True)
    rollback.note_routes(live)
    decided = rollback.decide(live)
    rollback.note_targets(live)
    return Prepared(
        rollback,
        Changes(),
        rollback.counts(),
        rollback.tried_earlier(),
        again,
        decided=decided,
        live=live,
        routes=live.count(),
    )
