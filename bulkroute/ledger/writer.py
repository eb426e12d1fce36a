"""A ledger that is open for the one run that may write it, and the batch it works on. Good for the block of `Held.write`.

Each method is one transaction or none; what goes wrong is a LedgerError, and no connection is handed out. What happens
to rows while calls are under way goes through the batch's `journal`.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bulkroute.errors import LedgerError, UsageError
from bulkroute.ledger import (
    back_outs,
    batches,
    drift,
    merge,
    migrations,
    numbers,
    planned,
    remarks,
    rollback,
    runs,
    settle,
    wanted,
    waves,
)
from bulkroute.ledger.batches import Batch, Changes, QueuedRow, Tenant
from bulkroute.ledger.copied import LedgerCopy
from bulkroute.ledger.file import roll_back
from bulkroute.ledger.guard import guarded, ledger_errors
from bulkroute.ledger.journal import Journal
from bulkroute.ledger.live_bindings import LiveBindings, Target, detach
from bulkroute.ledger.notes import Attempt
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.remarks import Remark
from bulkroute.ledger.rollback import Changed, Scope
from bulkroute.ledger.runs import RunEnd, RunStart
from bulkroute.ledger.settle import Decided, Doubts
from bulkroute.ledger.staging import Staged
from bulkroute.ledger.waves import Faults, Wave
from bulkroute.model import Binding, FailureKind, Pair
from bulkroute.settings import WaveSize
from bulkroute.settings.wave_sizes import cut

PREPARE = "prepare the run"
LOOK = "look at the rows"


class BatchWriter(BatchReader):
    """The batch that is worked on."""

    copy: LedgerCopy | None = None

    @guarded("read the batch")
    def begins_next(self, staged: Staged | None, live: LiveBindings, *, keep: bool) -> bool:
        """Tell whether this batch, which has ended, is followed by another one; `keep` what others changed.

        `staged`: the manifest; None if it is the one that is in here already.
        """
        rows = staged.rows.path if staged else None
        return drift.begins_next(self._connection, self.facts, rows, live.path, keep=keep)

    @guarded("read the batch")
    def plan_leaves_work(self, plan: Staged, live: LiveBindings, *, keep: bool) -> bool:
        """Tell whether this batch, which has ended, is followed by another one of its plan; `keep` what others changed."""
        return planned.leaves_work(self._connection, self.facts, plan.rows.path, live.path, keep=keep)

    @guarded("read the batch")
    def brings_rows(self, staged: Staged) -> bool:
        """Tell whether a manifest holds a row that is not listed here with its target."""
        return merge.brings_rows(self._connection, self.facts, staged.rows.path)

    @guarded("settle rows in doubt")
    def settle_doubts(self, live: LiveBindings) -> Doubts:
        """Settle the rows in doubt, by the batch's own targets: so it comes before another manifest is taken over."""
        return settle.settle_doubts(self._connection, self.facts, live.path)

    @guarded(PREPARE)
    def reopen(self, *, skipped: bool) -> int:
        """Make what earlier runs left undone pending again; return how many of these rows are in doubt."""
        return batches.reopen(self._connection, self.facts, skipped=skipped)

    @guarded(PREPARE)
    def reopen_drifted(self, live: LiveBindings, *, earlier: BatchReader | None, keep: bool) -> int:
        """Reopen the rows that are done and live no longer so, or fail them to `keep` that; return how many drifted.

        `earlier`: the batch that this one follows, whose done rows count for those of the same target here.
        """
        return drift.reopen(
            self._connection, self.facts, live.path, earlier=earlier.facts if earlier else None, keep=keep
        )

    @guarded(PREPARE)
    def hold_to_plan(
        self, plan: Staged, live: LiveBindings, *, earlier: BatchReader | None, skip: Iterable[FailureKind]
    ) -> int:
        """Leave pending only rows that are bound to what a saved plan says; return how many have drifted from it."""
        before = earlier.facts if earlier else None
        return planned.hold(self._connection, self.facts, plan.rows.path, live.path, earlier=before, skip=skip)

    @guarded(PREPARE)
    def drifted_rows(self, most: int) -> list[str]:
        """Say of the first rows that failed as drifted what they were, are to be, and are."""
        return drift.listed(self._connection, self.facts, most)

    @guarded(PREPARE)
    def changes_since(self, earlier: BatchReader) -> Changes:
        """Return what the manifest changed from the batch that this one follows."""
        return drift.changes(self._connection, self.facts, earlier.facts)

    @guarded(PREPARE)
    def carry_over(self, earlier: BatchReader) -> None:
        """Take the rows that an earlier batch has done with the same target for done: live bindings were not read."""
        drift.carry_over(self._connection, self.facts, earlier.facts)

    @guarded(PREPARE)
    def tried_earlier(self) -> int:
        """Return how many of the rows still to be sent an earlier run tried."""
        return batches.tried_earlier(self._connection, self.facts)

    @guarded(PREPARE)
    def drifted_to_send(self) -> int:
        """Return how many of the rows still to be sent were done, and changed by another hand since."""
        return batches.drifted_to_send(self._connection, self.facts)

    @guarded(PREPARE)
    def decide(self, live: LiveBindings, skip: Iterable[FailureKind] = ()) -> Decided:
        """Give pending rows that need no call, or must get none, their outcome; those of a kind to `skip` are no failures."""
        return settle.decide(self._connection, self.facts, live.path, skip=skip)

    @guarded("read the batch")
    def wanted_targets(self, live: LiveBindings | None) -> list[Target]:
        """Return every target of the pending rows."""
        return wanted.targets(self._connection, self.facts, live.path if live else None)

    @guarded("read the batch")
    def pairs(self, live: LiveBindings | None) -> list[Pair]:
        """Return where the pending rows lead now and are to lead, the commonest first."""
        return wanted.pairs(self._connection, self.facts, live.path if live else None)

    @guarded(PREPARE)
    def note_routes(self, live: LiveBindings, earlier: BatchReader | None = None) -> None:
        """Keep the numbers of its rows as they are listed or the earlier batch has them, unless the ids were found by them."""
        numbers.note_routes(self._connection, self.facts, live.path, earlier.facts if earlier else None)

    @guarded(PREPARE)
    def note_targets(self, live: LiveBindings) -> None:
        """Keep what targets are called, as live routes name them."""
        numbers.note_targets(self._connection, self.facts, live.path)

    @guarded(PREPARE)
    def note_names(self, names: Mapping[Binding, str]) -> None:
        """Keep what targets are called, as their own list says."""
        numbers.note_names(self._connection, self.facts, names)

    @guarded("prepare the rollback")
    def standing_before(self, live: LiveBindings) -> Changed | None:
        """Return since which batch earlier ones changed rows that this rollback leaves so, and how many."""
        return rollback.standing_before(self._connection, self.facts, live.path)

    @guarded("begin the run")
    def begin_run(self, start: RunStart) -> int:
        """Record that this process starts a run, and whose routes the batch changes from now on; return the run's number."""
        return runs.begin(self._connection, self.facts, start)

    @guarded("record the end of the run")
    def end_run(self, run: int, end: RunEnd, *, backs_out: bool = False) -> None:
        """Record how a run ended, and whether what this batch has changed is taken back now, in one commit."""
        runs.end(self._connection, self.facts, run, end, backs_out=backs_out)

    @guarded(PREPARE)
    def journal(self, run: int, announce: Callable[[list[Attempt], list[Attempt]], None]) -> Journal:
        """Return what writes a run's calls, to the ledger's copy too; `announce` is that of `Journal`."""
        return Journal(self._connection, self.path, run, announce, self.copy)

    def pending(self, wave: int | None = None) -> Iterator[QueuedRow]:
        """Yield the rows still to be sent (of a wave), in the manifest's order, those that an earlier run tried last."""
        with ledger_errors(self.path, "read the rows to send"):
            yield from batches.pending(self._connection, self.facts, wave)

    @guarded(LOOK)
    def draw_pending(self, wave: int | None = None) -> QueuedRow | None:
        """Return any one of the rows still to be sent (of a wave); None if there is none."""
        return batches.draw_pending(self._connection, self.facts, wave)

    @guarded(LOOK)
    def has_pending(self, wave: int | None = None) -> bool:
        """Tell whether rows are still to be sent (of a wave)."""
        return batches.has_pending(self._connection, self.facts, wave)

    @guarded(PREPARE)
    def make_waves(self, sizes: Sequence[WaveSize]) -> list[Wave]:
        """Give the rows to send their waves, unless they have them; return the waves, none if all go in one.

        Raises UsageError for sizes beside a manifest that says itself which row goes in which wave; what a saved plan says
        goes before any sizes.
        """
        connection, batch = self._connection, self.facts
        if waves.kept(connection, batch):
            waves.put_last(connection, batch)
        elif waves.is_numbered(connection, batch):
            if sizes and not self.facts.plan:
                raise UsageError(
                    "the manifest has a column `wave`, and sizes of waves are given too",
                    where=self.manifest,
                    hint="leave out --waves and --canary, or the column",
                )
            waves.take_numbered(connection, batch)
        elif sizes:
            waves.cut(connection, batch, cut(self.counts().pending, sizes), ",".join(map(str, sizes)))
        return waves.kept(connection, batch)

    @guarded(LOOK)
    def rows_to_send(self) -> list[int]:
        """Return how many rows of each wave are to be sent, in their order, without waves that have none."""
        return waves.to_send(self._connection, self.facts)

    @guarded(LOOK)
    def failures_of(self, wave: int, most: int) -> Faults:
        """Return which rows of a wave failed, and are not known to be bad; `most` are told."""
        return waves.failures(self._connection, self.facts, wave, most)

    @guarded(LOOK)
    def differences_of(self, wave: int, live: LiveBindings, most: int) -> Faults:
        """Return which rows of a wave have another live binding than was sent; `most` are told."""
        return waves.differences(self._connection, self.facts, wave, live.path, most)

    @guarded(LOOK)
    def off_plan(self, wave: int, live: LiveBindings, most: int) -> Faults:
        """Return which rows to send of a wave have drifted from their saved plan since the run began; `most` are told."""
        return planned.off_plan(self._connection, self.facts, wave, live.path, most)

    @guarded(LOOK)
    def targets_of(self, wave: int) -> list[Target]:
        """Return every target of the rows to send of a wave."""
        return waves.targets(self._connection, self.facts, wave)


class LedgerWriter:
    """An open ledger whose lock is ours."""

    def __init__(self, connection: sqlite3.Connection, path: Path, copy: LedgerCopy | None = None) -> None:
        self.path, self._copy = path, copy
        self._connection = connection
        settle.add_functions(connection)
        numbers.add_functions(connection)

    @contextmanager
    def preparing(self, on_notice: Callable[[str], None], *, keep: bool = True) -> Iterator[None]:
        """Write all that the block prepares in one transaction, or nothing of it if the block raises, or not to `keep` it.

        A ledger of an earlier format is brought to today's in it, which `on_notice` gets.
        """
        with ledger_errors(self.path, PREPARE):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            migrations.bring_up(self._connection, self.path, on_notice)
            yield
            with ledger_errors(self.path, PREPARE):
                self._connection.execute("COMMIT" if keep else "ROLLBACK")
                detach(self._connection)
        except BaseException:
            roll_back(self._connection)  # what is attached goes with the connection, which is closed after an error
            raise

    def is_empty(self) -> bool:
        """Tell whether no batch was ever put in; False if that cannot be told."""
        try:
            with ledger_errors(self.path, "read the ledger"):
                return batches.find(self._connection, batches.Which.LATEST) is None
        except LedgerError:
            return False

    @guarded("end earlier rollbacks")
    def end_rollbacks(self) -> None:
        """End all rollbacks, since rows are about to be sent again: a later rollback starts anew."""
        rollback.close(self._connection)

    @guarded("keep what a check found")
    def keep_check(self, batch: BatchReader, remark: Remark) -> None:
        """Keep what a check of a batch found."""
        remarks.keep_check(self._connection, batch.facts, remark)

    @guarded("keep what was said of the run")
    def keep_remarks(self, run: int, said: Iterable[Remark]) -> None:
        """Keep what was said of a run, which may have ended."""
        remarks.keep(self._connection, run, said)

    @guarded("record the end of the back-out")
    def end_back_out(self, batch: BatchReader, exit_code: int, rows: int, back: int, *, for_good: bool) -> None:
        """Note how a command that worked on a back-out ended; `for_good`: nothing of it is to be gone on with."""
        back_outs.end(self._connection, batch.facts, exit_code, rows, back, for_good=for_good)

    def work_on(self, batch: BatchReader) -> BatchWriter:
        """Return a batch of this ledger, to be worked on."""
        return self._writer(batch.facts)

    @guarded("take over the manifest")
    def take_over(self, staged: Staged, tenant: Tenant, into: BatchWriter | None = None) -> tuple[BatchWriter, Changes]:
        """Take a checked manifest over into a batch, or into a new one of that tenant if none is given."""
        batch, changes = merge.merge(self._connection, into.facts if into else None, staged, tenant)
        return self._writer(batch), changes

    @guarded("prepare the rollback")
    def open_rollback(self, scope: Scope, live: LiveBindings) -> BatchWriter:
        """Return the rollback of that scope if it is under way, or a new one; from now on what it does shows in its batches."""
        batch = rollback.open_rollback(self._connection, scope, live.path)
        rollback.keep_true(self._connection, batch)
        return self._writer(batch)

    @guarded("prepare the rollback")
    def without_before(self, scope: Scope) -> int:
        """Return how many rows may have been changed without it being known what they were bound to."""
        return rollback.without_before(self._connection, scope)

    @guarded("prepare the rollback")
    def changed(self) -> list[Changed]:
        """Return which batches changed rows that a rollback of them would put back, and how many."""
        return rollback.changed(self._connection)

    def _writer(self, batch: Batch) -> BatchWriter:
        writer = BatchWriter(self._connection, self.path, batch)
        writer.copy = self._copy
        return writer
