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
    names = {"succeeded": "succeeded", "unchanged": "unchanged", "refused": "failed", "pending": "pending"}
    told = {name: statuses.count(status) for name, status in {**names, "in_doubt": "sent"}.items()}
    return {"total": len(statuses), **told}


def stages_of_run(
    model: Model, wanted: Mapping[str, Target], live: Live, *, fresh: bool, snapshot: bool
) -> list[Model]:
    """Return the states of a run before its first call, the last one with the rows that must be sent as pending.

    All that is prepared is one transaction. In between only a run whose live bindings cannot be read leaves anything: the
    first batch, with nothing decided.
    """
    rows = None if fresh else model.batch
    unread = model if rows is not None else Model(merged({}, wanted))
    if rows is None:
        rows, back = merged({}, wanted), None
    elif not ended(model):
        rows, back = goes_on(rows, wanted, live, snapshot=snapshot), None
    elif finds_work(rows, wanted, live, snapshot=snapshot):
        done = {row_id: row.target for row_id, row in rows.items() if row.status in DONE}
        rows, back = merged({}, wanted), None
        if not snapshot:
            rows = {
                row_id: replace(row, status="unchanged") if done.get(row_id) == row.target else row
                for row_id, row in rows.items()
            }
    else:
        rows, back = goes_on(rows, wanted, live, snapshot=snapshot), model.back
    if snapshot:
        rows = marked(rows, live)
    return [model, unread, Model(rows, back)]


def ended(model: Model) -> bool:
    """Tell whether a batch is not gone on with: nothing is left, or a rollback has ended it."""
    rows = (model.batch or {}).values()
    return model.back is not None or not any(
        row.status == "sent" or (row.listed and row.status not in (*DONE, "failed")) for row in rows
    )


def finds_work(rows: Rows, wanted: Mapping[str, Target], live: Live, *, snapshot: bool) -> bool:
    """Tell whether a batch that has ended is followed by another one."""
    if any(
        not (known := rows.get(row_id)) or not known.listed or known.target != target
        for row_id, target in wanted.items()
    ):
        return True
    listed = {row_id: row for row_id, row in rows.items() if row.listed}
    if not snapshot:
        return any(row.status == "pending" for row in listed.values())
    return any(
        live[row_id] != row.target
        if row.status in DONE
        else live[row_id] in (row.target, row.before, row.written)
        if row.status == "failed"
        else True
        for row_id, row in listed.items()
    )


def goes_on(rows: Rows, wanted: Mapping[str, Target], live: Live, *, snapshot: bool) -> dict[str, Held]:
    """Settle what is in doubt, take the manifest over, and reopen what is to be sent again."""
    after = merged(settled(rows, live) if snapshot else rows, wanted)
    for row_id, row in after.items():
        if row.listed and row.status == "sent":
            after[row_id] = replace(row, status="pending", tried=True)
        elif snapshot and row.listed and row.status in DONE and live[row_id] != row.target:
            after[row_id] = replace(row, status="pending", before=live[row_id])
    return after


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
    return [model, known.with_back(marked(known.back, live, rollback=True))]


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
        ours = right and not rollback and row.before not in (None, row.target)  # by a call that the ledger lost
        status = "succeeded" if ours else "unchanged" if right else "failed" if foreign else "pending"
        after[row_id] = replace(row, before=before, status=status)
    return after
