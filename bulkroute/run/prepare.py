"""What happens to a batch before its first call: rows in doubt, rows that failed, and what the live bindings decide.

With live bindings: in doubt -> settled, then (the manifest is merged), then failed -> pending, then right already,
unknown, locked, conflict. Without: rows in doubt are sent again, and nothing else is known.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import BulkrouteError, CredentialsRefused, KeysRefused, LedgerError, ReadingRefused
from bulkroute.ledger import batches, intake, merge, migrations, queries, rollback, settle
from bulkroute.ledger.batches import Batch, Changes, Which
from bulkroute.ledger.file import checked, open_checked
from bulkroute.ledger.guard import ledger_errors
from bulkroute.ledger.intake import Source
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.queries import Counts
from bulkroute.ledger.settle import Finding
from bulkroute.ledger.staging import Staging
from bulkroute.live import targets
from bulkroute.live.called_routes import LiveReader
from bulkroute.live.read_calls import Asker
from bulkroute.settings import Settings


class Prepared(NamedTuple):
    """A batch that is ready to be sent, and what was found on the way; counts are rows."""

    batch: Batch
    changes: Changes
    counts: Counts
    failed_before: int = 0
    """Of the rows to be sent, how many failed in an earlier run."""
    in_doubt: int = 0
    """Of those in doubt, how many are sent again."""
    unchanged: int = 0
    refused: int = 0
    longest_streak: int = 0
    left_behind: int = 0
    """Rows that a rollback cannot put back, since their earlier binding is not recorded."""
    halted: BulkrouteError | None = None
    """Why nothing may be sent: the live bindings could not be read."""
    marked_at: float | None = None
    """When live bindings decided; None where they were not read."""

    def findings(self, connection: sqlite3.Connection) -> Iterator[Finding]:
        """Yield the rows that fail without a call."""
        if self.marked_at is None or not self.refused:
            return iter(())
        return settle.findings(connection, self.batch, self.marked_at)


def _prepare(
    connection: sqlite3.Connection, ledger: Path, batch: Batch, changes: Changes, live: LiveBindings | None, again: int
) -> Prepared:
    """Reopen what earlier runs left undone, and let the live bindings decide what they can. Raises LedgerError.

    `again`: rows in doubt that were settled already and are sent again.
    """
    with ledger_errors(ledger, "prepare the run"):
        counts = queries.count(connection, batch.number)
        in_doubt = 0
        if counts.failed or counts.in_doubt:
            in_doubt = batches.reopen(connection, batch)
            counts = queries.count(connection, batch.number)
        if live is None:
            failed = batches.tried_earlier(connection, batch) - in_doubt if counts.pending else 0
            return Prepared(batch, changes, counts, failed, in_doubt)
        if in_doubt:
            raise LedgerError("rows in doubt were not settled", where=str(ledger), hint="run the same command again")
        marked_at = settle.mark(connection, batch, live.path)
        return Prepared(
            batch,
            changes,
            queries.count(connection, batch.number),
            batches.tried_earlier(connection, batch),
            again,
            unchanged=settle.unchanged_at(connection, batch, marked_at),
            refused=sum(1 for _finding in settle.findings(connection, batch, marked_at)),
            longest_streak=settle.longest_streak(connection, batch, marked_at),
            marked_at=marked_at,
        )


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
        self, settings: Settings, asker: Asker, reader: LiveReader, blocking: Blocking, tell: Callable[[str], None]
    ) -> None:
        """`tell` gets what an operator should know."""
        self._blocking = blocking
        self._settings = settings
        self._asker = asker
        self._reader = reader
        self._tell = tell

    async def take_in(
        self, source: Source, format_: str | None, path: Path, exits: contextlib.ExitStack
    ) -> tuple[sqlite3.Connection, Prepared]:
        """Bring the manifest into the ledger and get it ready; nothing is made where the manifest has faults.

        `exits` gets the ledger's connection to close. Raises ManifestError, LedgerError, UsageError.
        """
        connection, batch, counts = None, None, None
        with contextlib.ExitStack() as inputs:
            staged = None
            with self._blocking.alone(), checked(path) as ledger:
                if ledger is not None:
                    batch = self._batch_to_go_on_with(ledger, path)
                if ledger is not None and batch is not None:
                    with ledger_errors(path, "read the batch"):
                        counts = queries.count(ledger, batch.number)
                if batch is None or not intake.is_known(source, format_, batch):
                    staged = inputs.enter_context(intake.staged(source, format_, self._tell))
            if ledger is not None:
                connection = exits.enter_context(contextlib.closing(open_checked(path)))
                migrations.bring_up(connection, path, self._tell)
                with ledger_errors(path, "end earlier rollbacks"):
                    rollback.close(connection)
            if staged is None and connection and batch and counts and counts.is_finished:
                return connection, Prepared(batch, Changes(), counts)  # nothing to ask, settle or send
            live, again, halted = await self._consult(connection, path, batch, staged[0] if staged else None, inputs)
            if connection is None:
                connection = exits.enter_context(contextlib.closing(open_checked(path)))
            changes = Changes()
            if staged is not None:
                batch, changes = intake.merge(connection, path, batch, staged[0], intake.name_of(source), staged[1])
            elif batch is None:
                raise LedgerError("the batch is gone", where=str(path), hint="run the same command again")
            if halted is not None:
                with ledger_errors(path, "read the batch"):
                    counts = queries.count(connection, batch.number)
                return connection, Prepared(batch, changes, counts, halted=halted)
            prepared = _prepare(connection, path, batch, changes, live, again)
            await self._check_targets(connection, path, prepared, live)
        return connection, prepared

    def _batch_to_go_on_with(self, ledger: sqlite3.Connection, path: Path) -> Batch | None:
        """Return the batch that this run is to continue, None for a new one. Raises UsageError, LedgerError."""
        with ledger_errors(path, "read the batch"):
            batch = None if self._settings.fresh else batches.find(ledger, Which.LATEST)
            if batch is not None and not self._settings.service_moved:
                batches.require_service(ledger, batch, self._settings.service_name, path)
        return batch

    async def _consult(
        self,
        connection: sqlite3.Connection | None,
        path: Path,
        batch: Batch | None,
        staging: Staging | None,
        inputs: contextlib.ExitStack,
    ) -> tuple[LiveBindings | None, int, BulkrouteError | None]:
        """Read live bindings if there is work, and settle rows in doubt by them.

        Returns the bindings, how many rows in doubt are sent again, and why the bindings could not be read.
        """
        if not self._settings.snapshot:
            return None, 0, None
        if connection is not None and batch is not None:
            with ledger_errors(path, "read the batch"):
                work = batches.has_work(connection, batch)
                work = work or (staging is not None and merge.brings_work(connection, batch, staging))
            if not work:
                return None, 0, None
        live = inputs.enter_context(LiveBindings())
        try:
            await self._reader.read(live)
        except (ReadingRefused, CredentialsRefused) as error:
            if not isinstance(error, KeysRefused):
                only_here = "if only this list is refused, " if isinstance(error, CredentialsRefused) else ""
                error.hint = f"{error.hint}; " * bool(error.hint) + f"{only_here}--no-snapshot goes without reading it"
            return None, 0, error
        except BulkrouteError as error:
            return None, 0, error
        if connection is None or batch is None:
            return live, 0, None
        with ledger_errors(path, "settle rows in doubt"):
            doubts = settle.settle_doubts(connection, batch, live.path)
        if any(doubts):
            self._tell(f"rows in doubt after a crash, held against their live bindings: {doubts}")
        return live, doubts.again, None

    async def _check_targets(
        self, connection: sqlite3.Connection, path: Path, prepared: Prepared, live: LiveBindings | None
    ) -> None:
        """Warn of targets that calls cannot reach, or refuse them. Raises UsageError."""
        if live is None and not self._settings.strict_targets:
            return
        with ledger_errors(path, "read the batch"):
            wanted = settle.wanted_targets(connection, prepared.batch, live.path if live else None)
        known = await targets.look_up(self._asker, wanted, self._tell)
        if self._settings.strict_targets:
            targets.demand_sound(known)
        for text in targets.warnings(known):
            self._tell(f"warning: {text}")

    def take_back(self, connection: sqlite3.Connection, ledger: Path, live: LiveBindings) -> Prepared:
        """Make or reopen the rollback of the ledger's batch, and let the live bindings decide what they can.

        Raises LedgerError.
        """
        migrations.bring_up(connection, ledger, self._tell)
        with ledger_errors(ledger, "prepare the rollback"):
            parent = batches.require(connection, ledger, Which.LATEST)
            if left_behind := rollback.without_before(connection, parent):
                self._tell(
                    f"{left_behind:,} rows cannot be put back: they were sent without a snapshot, so their earlier bindings"
                    " are not recorded"
                )
            batch = rollback.open_rollback(connection, parent, live.path)
            rollback.keep_true(connection, batch)
            doubts = settle.settle_doubts(connection, batch, live.path)
        prepared = _prepare(connection, ledger, batch, Changes(), live, doubts.again)
        return prepared._replace(left_behind=left_behind)
