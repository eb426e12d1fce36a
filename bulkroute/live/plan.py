"""The plan: what a run of a manifest would change, read from live bindings. Makes no ledger and changes no route."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from bulkroute.atomic_file import writing
from bulkroute.errors import UsageError
from bulkroute.ledger.call_sheet import SheetLine
from bulkroute.ledger.compare import Comparison
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.staging import Staged
from bulkroute.live import targets
from bulkroute.live.read_calls import Asker
from bulkroute.manifest.saved_plan import (
    MOST_IN_HEAD,
    PlanCounts,
    PlanHead,
    PlanOrigin,
    PlanRow,
    WaveRows,
    cut,
    write_plan,
)
from bulkroute.model import Binding, FailureKind, Pair
from bulkroute.settings import WaveSize

WRONG_TENANT = "more than half of the manifest's ids are not there: is this the right tenant?"


def is_wrong_tenant(unknown: int, total: int) -> bool:
    """Tell whether so many ids are unknown that the manifest may well be of another tenant."""
    return unknown * 2 > total


class Plan:
    """A manifest held against live bindings; good as long as both are open."""

    def __init__(
        self,
        staged: Staged,
        live: LiveBindings,
        origin: PlanOrigin,
        *,
        batch: BatchReader | None = None,
        kept: bool = False,
        skip: Collection[FailureKind] = (),
        keep: bool = False,
    ) -> None:
        """`origin`: what a saved plan says of its making. `batch`: what the ledger says was done; rows of the kinds to `skip` are left alone.

        `keep`: so are those that another hand has changed since they were done. `kept`: the ids were found by their
        numbers when that batch was begun.
        """
        staging = staged.rows
        self._origin = origin
        self._rows = staging.count
        self._names: Mapping[Binding, str] = {}
        self._comparison = Comparison(staging.path, live.path, kept=kept)
        if batch is not None:
            self._comparison.note(batch.foresee(staging.path, live, keep=keep), keep=keep)
        counts = self._comparison.counts(staging.dropped, skip)
        self.counts: PlanCounts = counts._replace(
            total=counts.total + staged.left_out, skipped=counts.skipped + staged.left_out
        )
        self.settled = live.settled
        """False where the service's list of called routes never came to rest."""
        self.warnings: list[str] = []
        """What a person must look at before a run."""
        if is_wrong_tenant(self.counts.refused.get(FailureKind.UNKNOWN_ID, 0), self.counts.total):
            self.warnings.append(WRONG_TENANT)

    async def check_targets(self, asker: Asker, tell: Callable[[str], None], *, strict: bool) -> None:
        """Look up the targets of all rows to change. Raises UsageError where `strict` and one is not sound."""
        found = await targets.check(asker, self._comparison.targets(), tell, strict=strict)
        self.warnings += found.warnings
        self._names = found.names

    @property
    def waves(self) -> list[WaveRows]:
        """Rows of each wave, in order, those of none last; empty where neither the manifest nor the operator says any."""
        return self._comparison.waves()

    def cut_waves(self, sizes: Sequence[WaveSize]) -> None:
        """Give the rows to change to waves. Raises UsageError where the manifest says itself which row goes in which."""
        if self.waves:
            raise UsageError(
                "the manifest has a column `wave`, and sizes of waves are given too",
                where=self._origin.manifest,
                hint="leave out --waves, or the column",
            )
        self._comparison.cut_waves(sizes)

    def pairs(self) -> Iterator[Pair]:
        """Yield where the rows to change lead now and are to lead, the commonest first."""
        return (pair.named_by(self._names) for pair in self._comparison.pairs())

    def call_sheet(self, most: int) -> Iterator[SheetLine]:
        """Yield numbers to dial, `most` for each from/to pair of the rows to change; routes that cannot be dialled left out."""
        for number, row_id, pair in self._comparison.test_calls(most):
            named = pair.named_by(self._names)
            yield SheetLine(number, str(named.after), str(named.before or ""), row_id)

    def rows(self) -> Iterator[PlanRow]:
        """Yield every row with what would become of it."""
        return (row.named_by(self._names) for row in self._comparison.rows())

    def head(self) -> PlanHead:
        """Return the first line of the plan, were it saved."""
        pairs: list[Pair] = []
        more = 0
        for pair in self.pairs():
            if len(pairs) < MOST_IN_HEAD:
                pairs.append(pair)
            else:
                more += 1
        return PlanHead(
            self._origin,
            self.settled,
            self._rows,
            self.counts,
            self.waves[:MOST_IN_HEAD],
            pairs,
            more,
            [cut(text) for text in self.warnings[:MOST_IN_HEAD]],
        )

    def write(self, file: TextIO) -> str:
        """Write the plan as a saved one, to be shown, approved and run; return its fingerprint, 64 hex digits.

        `file` must write UTF-8 and leave line ends alone (`newline=""`). Raises UsageError for a row that fits no line.
        """
        return write_plan(file, self.head(), self.rows())

    def save(self, path: str | Path) -> str:
        """Write the plan as `write` does into a file, which it replaces as a whole. Raises UsageError."""
        with writing(Path(path)) as file:
            return self.write(file)

    def close(self) -> None:
        """Let go of the files."""
        self._comparison.close()
