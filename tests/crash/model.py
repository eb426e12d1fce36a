"""What a ledger must hold after each command, as the README tells it: the model that a state machine compares with.

It shares nothing with the product. Each command is given as its stages, the states in which SIGKILL may leave the ledger
before the first call; calls then take pending rows through `sent` to `succeeded`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.harness import Target

DONE = ("succeeded", "unchanged")


@dataclass(frozen=True)
class Held:
    """A row: of a batch, or of a rollback (`target` is then what it is put back to, `before` what the batch wrote)."""

    target: Target
    listed: bool = True
    status: str = "pending"
    before: Target | None = None
    written: Target | None = None
    """The target that a retargeted row was sent to before."""
    tried: bool = False

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


Rows = Mapping[str, Held]
Live = Mapping[str, Target]


@dataclass(frozen=True)
class Model:
    """The batch that commands go on with (None before the first one), and its rollback under way."""

    batch: Rows | None = None
    back: Rows | None = None

    def moved(self, statuses: Mapping[str, str]) -> "Model":
        """Return the model after rows of the batch, or of the rollback under way, came to these statuses."""
        rows = self.back if self.back is not None else self.batch
        assert rows is not None
        after = {
            row_id: replace(row, status=statuses[row_id], tried=row.tried or statuses[row_id] == "succeeded")
            for row_id, row in rows.items()
        }
        return Model(after) if self.back is None else self.with_back(after)

    def moves_from(self, earlier: "Model") -> dict[str, str]:
        """Return which rows of the batch, or of the rollback under way, have another status now, and which one."""
        rows, before = (self.batch, earlier.batch) if self.back is None else (self.back, earlier.back)
        return {row_id: row.status for row_id, row in (rows or {}).items() if before and row != before[row_id]}

    def with_back(self, back: Rows) -> "Model":
        """Return the model after rows of the rollback moved: the batch must never claim what was put back."""
        batch = dict(self.batch or {})
        for row_id, row in back.items():
            if self.back is not None and row_id in self.back and row.status == self.back[row_id].status:
                continue
            if row.status == "sent":
                batch[row_id] = replace(batch[row_id], status="sent")
            elif row.status in DONE:
                batch[row_id] = replace(batch[row_id], status="pending", written=None, tried=False)
        return Model(batch, back)


def counts(rows: Rows) -> dict[str, int]:
    """Return how many rows `status` and the closing summary must tell of."""
    statuses = [row.status for row in rows.values() if row.counted]
    names = {"succeeded": "succeeded", "unchanged": "unchanged", "failed": "failed", "pending": "pending"}
    told = {name: statuses.count(status) for name, status in {**names, "in_doubt": "sent"}.items()}
    return {"total": len(statuses), **told}


def stages_of_run(
    model: Model, wanted: Mapping[str, Target], live: Live, *, fresh: bool, snapshot: bool
) -> list[Model]:
    """Return the states of a run before its first call, the last one with the rows that must be sent as pending."""
    rows = None if fresh else model.batch
    stages = [model, Model(model.batch)]  # a rollback under way is not gone on with once its batch is run again
    reads = snapshot and (rows is None or has_work(rows, wanted))
    if rows is not None and reads:
        stages.append(Model(merged(rows, wanted)))  # the live bindings could not be read: nothing more is done
        rows = settled(rows, live)
        stages.append(Model(rows))
    rows = merged(rows or {}, wanted)
    stages.append(Model(rows))
    rows = {
        row_id: replace(row, status="pending", tried=True) if row.listed and row.status == "sent" else row
        for row_id, row in rows.items()
    }
    stages.append(Model(rows))
    if reads:
        stages.append(Model(marked(rows, live)))
    return stages


def stages_of_rollback(model: Model, live: Live) -> list[Model]:
    """Return the states of a rollback before its first call, likewise."""
    rows = dict(model.back or {})
    for row_id, row in (model.batch or {}).items():
        if row.touched and row.before is not None and row_id not in rows:
            left = row.written if row.written == live[row_id] else row.target
            rows[row_id] = Held(row.before, before=left)
    opened = Model(model.batch, rows)
    known = opened.with_back(settled(rows, live))
    assert known.back is not None
    return [model, opened, known, known.with_back(marked(known.back, live, rollback=True))]


def has_work(rows: Rows, wanted: Mapping[str, Target]) -> bool:
    """Tell whether anything is to be sent, settled or looked at again: only then live bindings are read."""
    left = any(row.status == "sent" or (row.listed and row.status not in DONE) for row in rows.values())
    return left or any(
        row_id not in rows or rows[row_id].target != target or rows[row_id].status not in DONE
        for row_id, target in wanted.items()
    )


def settled(rows: Rows, live: Live) -> dict[str, Held]:
    """Hold rows in doubt, and rows in conflict, against their live bindings."""
    after = dict(rows)
    for row_id, row in rows.items():
        now = live[row_id]
        if row.status == "sent":
            ours = now in (row.before, row.written) or row.before is None
            status = "succeeded" if now == row.target else "pending" if ours else "failed"
            after[row_id] = replace(row, status=status, tried=True)
        elif row.status == "failed" and now in (row.target, row.before, row.written):
            after[row_id] = replace(row, status="pending")
    return after


def merged(rows: Rows, wanted: Mapping[str, Target]) -> dict[str, Held]:
    """Take a manifest over."""
    after = {row_id: replace(row, listed=row_id in wanted) for row_id, row in rows.items()}
    for row_id, target in wanted.items():
        row = after.get(row_id)
        if row is None:
            after[row_id] = Held(target)
        elif row.target != target:
            sent = row.status in ("succeeded", "sent") or (row.tried and row.written is None)
            written = row.target if sent else row.written
            after[row_id] = Held(target, before=row.before, written=written)
    return after


def marked(rows: Rows, live: Live, *, rollback: bool = False) -> dict[str, Held]:
    """Decide by live bindings what needs no call, or must get none, and keep what was there before."""
    after = dict(rows)
    for row_id, row in rows.items():
        if not row.owed:
            continue
        now = live[row_id]
        own = now == row.written or (row.tried and now == row.target)
        before = now if row.before is None and not own else row.before
        right, foreign = now == row.target, rollback and now != before
        after[row_id] = replace(row, before=before, status="unchanged" if right else "failed" if foreign else "pending")
    return after
