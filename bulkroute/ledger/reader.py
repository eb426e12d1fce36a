"""A ledger that is open for reading, also while a run writes it, and its batches. Good for the block of `Ledger.read`.

Never changes anything. What goes wrong is a LedgerError; no connection is handed out.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bulkroute.ledger import (
    back_outs,
    batches,
    call_sheet,
    chart_queries,
    compare,
    drift,
    gates,
    migrations,
    numbers,
    pair_queries,
    queries,
    remarks,
    rollback,
    runs,
    stories,
    waves,
)
from bulkroute.ledger.back_outs import BackOut
from bulkroute.ledger.batches import Batch, Tenant, Which
from bulkroute.ledger.call_sheet import SheetLine
from bulkroute.ledger.chart_queries import Cell, FailedRow, Finished, LastCall, PaceChange, Search, Wait
from bulkroute.ledger.compare import Checked, Difference
from bulkroute.ledger.drift import Foreseen
from bulkroute.ledger.file import read_transaction
from bulkroute.ledger.gates import Gate
from bulkroute.ledger.guard import guarded, ledger_errors
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.numbers import WantedName
from bulkroute.ledger.pair_queries import Pairs
from bulkroute.ledger.queries import Counts, Reason
from bulkroute.ledger.remarks import SaidOf
from bulkroute.ledger.rollback import Touched
from bulkroute.ledger.runs import Calls, RunEnd, RunRecord
from bulkroute.ledger.staging import FoundRow
from bulkroute.ledger.stories import Found
from bulkroute.ledger.waves import Wave
from bulkroute.model import Binding, Status
from bulkroute.progress import WaveProgress

READ = "read the ledger"


class BatchReader:
    """One batch of an open ledger."""

    def __init__(self, connection: sqlite3.Connection, path: Path, batch: Batch) -> None:
        self.path = path
        self.number = batch.number
        self.manifest = batch.manifest
        """Its name, for messages."""
        self.digest = batch.digest
        """Of the manifest that was taken over last; '' if that never finished."""
        self.parent = batch.parent
        """The number of the batch that a rollback puts back, None for any other batch."""
        self.facts = batch
        """All of this as one value, for another handle on the same batch."""
        self._connection = connection

    @guarded(READ)
    def require_tenant(self, tenant: Tenant, *, moved: bool) -> None:
        """Refuse a batch that changes somebody else's routes; `moved` allows another address or key. Raises UsageError."""
        batches.require_tenant(self._connection, self.facts, tenant, self.path, moved=moved)

    @guarded(READ)
    def counts(self) -> Counts:
        """Count its rows."""
        return queries.count(self._connection, self.number)

    @guarded(READ)
    def reasons(self) -> list[Reason]:
        """Return why rows failed, the commonest reason first."""
        return queries.reasons(self._connection, self.number)

    @guarded(READ)
    def last_failure(self) -> Reason | None:
        """Return why the last row failed, which is its example; None if none did."""
        return queries.last_failure(self._connection, self.number)

    @guarded(READ)
    def runs(self) -> list[RunRecord]:
        """Return its runs, the first one first."""
        return runs.of_batch(self._connection, self.number)

    @guarded(READ)
    def end_of(self, run: RunRecord) -> RunEnd:
        """Return how a run ended; of one that has not, how far it is."""
        if run.attempts is not None:  # noted when it ended: no walk through all of its calls
            return run.end(Calls(run.attempts, run.retries or 0, run.throttled or 0), None)
        return run.end(*runs.count_calls(self._connection, run.run))

    def export(self, statuses: Iterable[Status] = (), find: str = "") -> Iterator[dict[str, Any]]:
        """Yield its rows in the manifest's order, under the names of EXPORT_COLUMNS; of all statuses if none is named.

        With `find` only those whose number, id or target's name holds that text.
        """
        with ledger_errors(self.path, READ):
            yield from queries.export(self._connection, self.number, statuses, find)

    @guarded(READ)
    def differences(self, live: LiveBindings) -> list[Difference]:
        """Return the rows called done, or put back since, whose live binding is another one, in the manifest's order."""
        return compare.differences(self._connection, self.facts, live.path)

    def foresee(self, staged: Path, live: LiveBindings, *, keep: bool) -> Iterator[Foreseen]:
        """Yield a manifest's rows that a run would find drifted since this batch, or leave alone in conflict."""
        with ledger_errors(self.path, READ):
            yield from drift.foresee(self._connection, self.facts, staged, live.path, keep=keep)

    def kept_rows(self) -> Iterator[FoundRow]:
        """Yield its listed rows as `Staging` takes them: with the ids that were found by their numbers."""
        with ledger_errors(self.path, READ):
            yield from numbers.kept_rows(self._connection, self.facts)

    @guarded(READ)
    def wanted_names(self) -> list[WantedName]:
        """Return the names by which the manifest means targets that rows are still to be sent to."""
        return numbers.wanted_names(self._connection, self.facts)

    @guarded(READ)
    def has_ended(self) -> bool:
        """Tell whether nothing is left to send or settle, or a rollback has ended it."""
        return drift.has_ended(self._connection, self.facts)

    @guarded(READ)
    def count_checked(self) -> Checked:
        """Count the rows that the ledger calls done, or put back since."""
        return compare.count_checked(self._connection, self.facts)

    @guarded(READ)
    def remarks(self, limit: int) -> list[SaidOf]:
        """Return what was said of it beside its rows, the last words first."""
        return remarks.latest(self._connection, self.facts, limit)

    @guarded(READ)
    def back_out(self) -> BackOut | None:
        """Return how a run took back, or takes back, what this batch has changed; None if none does."""
        return back_outs.of_batch(self._connection, self.number)

    @guarded(READ)
    def count_touched(self) -> Touched:
        """Count the rows that this batch may have changed and that a rollback of it would put back."""
        return rollback.count_touched(self._connection, self.facts)

    @guarded(READ)
    def count_pairs(self, limit: int) -> Pairs:
        """Count its rows by where they led and are to lead, the commonest pairs first."""
        return pair_queries.count_pairs(self._connection, self.number, limit)

    @guarded(READ)
    def waves(self, only: int | None = None) -> list[WaveProgress]:
        """Return its waves, or that of a number, in their order, with how far their rows are; none if it goes in one."""
        return waves.rows_of(self._connection, self.facts, only)

    @guarded(READ)
    def kept_waves(self) -> list[Wave]:
        """Return its waves, in their order, without their rows."""
        return waves.kept(self._connection, self.facts)

    @guarded(READ)
    def gates(self) -> list[Gate]:
        """Return the gates that were asked after its waves, with their latest answers."""
        return gates.kept(self._connection, self.facts)

    def call_sheet(self, wave: int) -> Iterator[SheetLine]:
        """Yield a number to dial for each from/to pair of the rows that were sent with a wave, the commonest first."""
        with ledger_errors(self.path, READ):
            yield from call_sheet.of_wave(self._connection, self.facts, wave)

    @guarded(READ)
    def names(self) -> dict[Binding, str]:
        """Return what its targets are called."""
        return numbers.names(self._connection, self.facts)

    @guarded(READ)
    def last_calls(self, after: int) -> list[LastCall]:
        """Return, for each run with calls later than the call `after`, the last of them."""
        return chart_queries.last_calls(self._connection, self.number, after)

    @guarded(READ)
    def cells(self, after: int, width_s: float) -> list[Cell]:
        """Count the calls later than the call `after`, in buckets of `width_s` from their run's start."""
        return chart_queries.cells(self._connection, self.number, after, width_s)

    @guarded(READ)
    def finished(self, after: int) -> list[Finished]:
        """Count the rows that calls later than the call `after` finished."""
        return chart_queries.finished(self._connection, self.number, after)

    @guarded(READ)
    def waits(self, limit: int) -> list[Wait]:
        """Return the latest waits of its runs, the first one first."""
        return chart_queries.waits(self._connection, self.number, limit)

    def pace_changes(self, after: int) -> Iterator[PaceChange]:
        """Yield the changes of its runs' pace later than the change `after`."""
        with ledger_errors(self.path, READ):
            yield from chart_queries.pace_changes(self._connection, self.number, after)

    @guarded(READ)
    def count_failed(self, search: Search) -> int:
        """Count the failed rows that a search finds."""
        return chart_queries.count_failed(self._connection, self.number, search)

    def failed_rows(self, search: Search, *, limit: int = -1, offset: int = 0) -> Iterator[FailedRow]:
        """Yield the failed rows that a search finds, in the manifest's order; all of them if no limit is given."""
        with ledger_errors(self.path, "read the failed rows"):
            yield from chart_queries.failed_rows(self._connection, self.number, search, limit=limit, offset=offset)


class LedgerReader:
    """An open ledger."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Let all that the block reads be of one moment."""
        with ledger_errors(self.path, READ), read_transaction(self._connection):
            yield

    @guarded(READ)
    def find_batch(self, which: Which | int = Which.LATEST) -> BatchReader | None:
        """Return the batch that is meant, or that of a number; None if there is none."""
        found = batches.find(self._connection, which)
        return BatchReader(self._connection, self.path, found) if found else None

    @guarded(READ)
    def require_batch(self, which: Which | int = Which.LATEST) -> BatchReader:
        """Return the batch that is meant, or that of a number. Raises UsageError; LedgerError if the ledger has none."""
        return BatchReader(self._connection, self.path, batches.require(self._connection, self.path, which))

    @guarded(READ)
    def pick(self, number: int | None, *, rollback: bool = False) -> BatchReader:
        """Return the batch of that number, the latest if none is given, or the last rollback of it.

        Raises UsageError; LedgerError if the ledger holds no batch.
        """
        if number is None:
            return self.require_batch(Which.ROLLBACK if rollback else Which.LATEST)
        batch = self.require_batch(number)
        if not rollback:
            return batch
        found = batches.rollback_of(self._connection, number)
        if found is None:
            raise batches.never_rolled_back(self.path)
        return BatchReader(self._connection, self.path, found)

    @guarded(READ)
    def unfinished_back_out(self) -> BackOut | None:
        """Return the back-out that the next run goes on with; None if there is none."""
        return back_outs.unfinished(self._connection)

    @guarded(READ)
    def from_on(self, number: int) -> list[BatchReader]:
        """Return the batches from that number on, without rollbacks."""
        found = batches.from_on(self._connection, number)
        return [BatchReader(self._connection, self.path, batch) for batch in found]

    @guarded(READ)
    def find_routes(self, text: str, batch: int | None, limit: int) -> Found:
        """Return the stories of the first routes whose number, id or target's name holds `text`, in one batch or in all."""
        return stories.find(self._connection, text, batch, limit)

    @guarded(READ)
    def manifests(self) -> list[str]:
        """Return the names of the manifests of all batches, as they were given."""
        return [name for (name,) in self._connection.execute("SELECT DISTINCT manifest FROM batch")]

    @guarded(READ)
    def is_of_today(self) -> bool:
        """Tell whether it is of today's format, so that it may be written without bringing it up."""
        return migrations.is_of_today(self._connection)

    @guarded(READ)
    def version(self) -> int:
        """Return a number that is another one once somebody else has written."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    @guarded(READ)
    def latest_call(self) -> int:
        """Return the key of the latest call of any batch, 0 before the first one."""
        return chart_queries.latest_call(self._connection)
