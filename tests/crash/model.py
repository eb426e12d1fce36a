"""What a ledger holds, as the pages tell it: the model that a state machine compares with. It shares nothing with the product."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tests.harness import Target

DONE = ("succeeded", "unchanged")


@dataclass(frozen=True)
class Held:
    """A row: of a batch, or of a rollback (`target` is then what it is put back to, `before` what was written)."""

    target: Target
    listed: bool = True
    status: str = "pending"
    before: Target | None = None
    written: Target | None = None
    """The target that a retargeted row was sent to before."""
    tried: bool = False
    error: str | None = None
    """Why it failed without a call: `conflict` or `drifted`."""

    @property
    def touched(self) -> bool:
        """Whether the batch may have changed this route."""
        return self.status in ("succeeded", "sent") or self.tried or self.written is not None

    @property
    def owed(self) -> bool:
        return self.listed and self.status == "pending"

    @property
    def counted(self) -> bool:
        return self.listed or self.status in (*DONE, "sent")

    def refused(self, error: str) -> "Held":
        return replace(self, status="failed", error=error)

    def reopened(self, **changes: object) -> "Held":
        return replace(self, status="pending", error=None, **changes)  # type: ignore[arg-type]  # names of its fields


Rows = Mapping[str, Held]
Live = Mapping[str, Target]


@dataclass(frozen=True)
class Batch:
    """Rows that belong together; those of a rollback undo what `parent` did, and what `later` ones did too."""

    rows: Rows
    parent: int | None = None
    later: bool = False
    only: frozenset[str] | None = None
    closed: bool = False


@dataclass(frozen=True)
class Model:
    """All batches of a ledger, the first one is number 1, and the number of the one that a command works on."""

    batches: tuple[Batch, ...] = ()
    at: int = 0

    @property
    def latest(self) -> int:
        """The batch that runs go on with; 0 before the first one."""
        return max((number for number, _rows in self.forward()), default=0)

    @property
    def batch(self) -> Rows | None:
        return self.batches[self.latest - 1].rows if self.latest else None

    @property
    def back(self) -> Rows | None:
        """The rollback under way since the latest batch; None if there is none."""
        open_ = [batch.rows for batch in self.batches[self.latest :] if not batch.closed]
        return open_[-1] if open_ else None

    @property
    def rows(self) -> Rows:
        """Those that the command works on."""
        return self.batches[self.at - 1].rows

    def forward(self, since: int = 1, until: int | None = None) -> Iterator[tuple[int, Rows]]:
        """Yield the batches that are no rollbacks, with their numbers."""
        for number, batch in enumerate(self.batches[: until and until - 1], 1):
            if batch.parent is None and number >= since:
                yield number, batch.rows

    def with_rows(self, number: int, rows: Rows) -> "Model":
        batches = list(self.batches)
        batches[number - 1] = replace(batches[number - 1], rows=rows)
        return Model(tuple(batches), self.at)

    def without_rollbacks(self) -> "Model":
        """Return the model once none of its rollbacks is gone on with."""
        return Model(tuple(replace(batch, closed=batch.parent is not None) for batch in self.batches), self.at)

    def moved(self, statuses: Mapping[str, str]) -> "Model":
        """Return the model after the rows that are worked on came to these statuses."""
        return self.worked(
            {
                row_id: replace(
                    row, status=statuses[row_id], tried=row.tried or (row.owed and statuses[row_id] == "succeeded")
                )
                for row_id, row in self.rows.items()
            }
        )

    def worked(self, rows: Rows) -> "Model":
        """Return the model after the rows that are worked on became these.

        What a rollback does shows in the batches that it undoes: they must never claim what was put back.
        """
        after, parent = self.with_rows(self.at, rows), self.batches[self.at - 1].parent
        if parent is None:
            return after
        for number, batch in list(after.forward(parent, self.at)):
            kept = dict(batch)
            for row_id, row in rows.items():
                known = kept.get(row_id)
                stayed = row.status == self.rows[row_id].status
                if stayed or known is None or not (known.touched or known.status in DONE):
                    continue
                if row.status == "sent":
                    kept[row_id] = replace(known, status="sent", error=None)
                elif row.status in DONE:
                    kept[row_id] = known.reopened(written=None, tried=False)
            after = after.with_rows(number, kept)
        return after

    def moves_from(self, earlier: "Model") -> dict[str, str]:
        """Return which of the rows that are worked on have another status now, and which one."""
        if self is earlier:
            return {}
        return {row_id: row.status for row_id, row in self.rows.items() if row != earlier.rows[row_id]}


def counts(rows: Rows) -> dict[str, int]:
    """Return how many rows `status` and the closing summary must tell of."""
    statuses = [row.status for row in rows.values() if row.counted]
    names = {"succeeded": "succeeded", "unchanged": "unchanged", "refused": "failed", "pending": "pending"}
    told = {name: statuses.count(status) for name, status in {**names, "in_doubt": "sent"}.items()}
    return {"total": len(statuses), **told}
