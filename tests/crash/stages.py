"""What the model says of a command: its stages, the states in which SIGKILL may leave the ledger before the first call.

Calls then take the pending rows of the last stage through `sent` to `succeeded`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.crash.model import DONE, Batch, Held, Live, Model, Rows
from tests.harness import Target


def stages_of_run(
    model: Model, wanted: Mapping[str, Target], live: Live, *, fresh: bool, snapshot: bool, on_drift: str = "send"
) -> list[Model] | None:
    """Return the states of a run before its first call, the last one with the rows that must be sent as pending.

    All that is prepared is one transaction. In between only a run whose live bindings cannot be read leaves anything: the
    first batch, with nothing decided. None if rows drifted, and nothing may be sent then.
    """
    latest, old = model.latest, model.batch or {}
    begun = Model((*model.without_rollbacks().batches, Batch(merged({}, wanted))), len(model.batches) + 1)
    if fresh or not latest:
        unread, after = begun, begun
        was_done: set[str] = set()
    else:
        unread = model
        if has_ended(model) and finds_work(old, wanted, live, snapshot=snapshot, keep=on_drift == "keep"):
            after = begun
            was_done = {
                row_id for row_id, row in old.items() if wanted.get(row_id) == row.target and drifts(row, live[row_id])
            }
            if not snapshot:
                after = begun.worked(
                    {
                        row_id: replace(row, status="unchanged")
                        if row_id in old and old[row_id].target == row.target and old[row_id].status in DONE
                        else row
                        for row_id, row in begun.rows.items()
                    }
                )
        else:
            after = Model((model if has_ended(model) else model.without_rollbacks()).batches, latest)
            after = after.worked(goes_on(old, wanted, live, snapshot=snapshot))
            was_done = {row_id for row_id, row in after.rows.items() if row.listed and is_or_was_done(row)}
    if snapshot:
        drifted = {row_id for row_id in was_done if live[row_id] != after.rows[row_id].target}
        if drifted and on_drift == "stop":
            return None
        after = after.worked(
            {
                row_id: (row.reopened(before=live[row_id]) if on_drift == "send" else row.refused("drifted"))
                if row_id in drifted
                else row.reopened()
                if row.error == "drifted" and row.listed and live[row_id] == row.target
                else row
                for row_id, row in after.rows.items()
            }
        )
        after = after.worked(marked(after.rows, live))
    return [model, unread, after]


def is_or_was_done(row: Held) -> bool:
    return row.status in DONE or row.error == "drifted"


def drifts(row: Held, now: Target) -> bool:
    """Tell whether a row of a batch that has ended, if it is not as wanted, is so by another hand."""
    return is_or_was_done(row) or (row.error == "conflict" and now not in (row.before, row.written))


def has_ended(model: Model) -> bool:
    """Tell whether the latest batch is not gone on with: nothing is left, or a rollback has ended it."""
    return len(model.batches) > model.latest or not any(
        row.status == "sent" or (row.listed and row.status not in (*DONE, "failed"))
        for row in (model.batch or {}).values()
    )


def finds_work(rows: Rows, wanted: Mapping[str, Target], live: Live, *, snapshot: bool, keep: bool) -> bool:
    """Tell whether a batch that has ended is followed by another one."""
    if any(
        not (known := rows.get(row_id)) or not known.listed or known.target != target
        for row_id, target in wanted.items()
    ):
        return True
    listed = {row_id: row for row_id, row in rows.items() if row.listed}
    if not snapshot:
        return any(row.status == "pending" for row in listed.values())
    return any(is_work(row, live[row_id], keep=keep) for row_id, row in listed.items())


def is_work(row: Held, now: Target, *, keep: bool) -> bool:
    """Tell whether a row of a batch that has ended is to be looked at again."""
    if row.status in DONE:
        return now != row.target
    if row.error == "conflict":
        return now in (row.target, row.before, row.written)
    return not (row.error == "drifted" and keep) or now == row.target


def goes_on(rows: Rows, wanted: Mapping[str, Target], live: Live, *, snapshot: bool) -> dict[str, Held]:
    """Settle what is in doubt, take the manifest over, and reopen what is to be sent again."""
    after = merged(settled(rows, live) if snapshot else rows, wanted)
    for row_id, row in after.items():
        if row.listed and row.status == "sent":
            after[row_id] = row.reopened(tried=True)
    return after


def stages_of_rollback(
    model: Model, live: Live, parent: int, *, later: bool = False, only: frozenset[str] | None = None
) -> list[Model]:
    """Return the states of a rollback before its first call, likewise."""
    number = next(
        (
            number
            for number, batch in reversed(list(enumerate(model.batches, 1)))
            if (batch.parent, batch.later, batch.only, batch.closed) == (parent, later, only, False)
        ),
        len(model.batches) + 1,
    )
    rows = dict(model.batches[number - 1].rows) if number <= len(model.batches) else {}
    undone = {row_id for row_id, row in touched(model, parent, later=later, only=only) if row.before is not None}
    rows |= {row_id: way_back(model, live, parent, row_id, number, later=later) for row_id in undone - rows.keys()}
    others = [replace(batch, closed=batch.parent is not None) for batch in model.batches]
    others[number - 1 :] = [Batch(rows, parent, later, only), *others[number:]]
    opened = Model(tuple(others), number)
    known = opened.worked(settled(rows, live))
    return [model, known.worked(marked(known.rows, live, rollback=True))]


def touched(model: Model, parent: int, *, later: bool, only: frozenset[str] | None) -> Iterator[tuple[str, Held]]:
    """Yield the rows that a rollback is about, the oldest first."""
    for _number, rows in model.forward(parent, None if later else parent + 1):
        for row_id, row in rows.items():
            if row.touched and (only is None or row_id in only):
                yield row_id, row


def left_behind(model: Model, parent: int, *, later: bool, only: frozenset[str] | None) -> int:
    """Return how many routes may have been changed without it being known from what."""
    return len({row_id for row_id, row in touched(model, parent, later=later, only=only) if row.before is None})


def way_back(model: Model, live: Live, parent: int, row_id: str, number: int, *, later: bool) -> Held:
    """Return the row of a rollback: back to the oldest binding on record, from what was written last, by rollbacks too."""
    oldest = next(row for id_, row in touched(model, parent, later=later, only=None) if id_ == row_id and row.before)
    if not later:
        return Held(
            oldest.before or live[row_id], before=oldest.written if oldest.written == live[row_id] else oldest.target
        )
    rows = [batch.rows for other, batch in enumerate(model.batches, 1) if other >= parent and other != number]
    last = [each[row_id] for each in rows if row_id in each and each[row_id].touched][-1]
    ours = live[row_id] == last.written or (last.status != "succeeded" and live[row_id] == last.before)
    return Held(oldest.before or live[row_id], before=live[row_id] if ours else last.target)


def settled(rows: Rows, live: Live) -> dict[str, Held]:
    """Hold rows in doubt, and rows in conflict, against their live bindings."""
    after = dict(rows)
    for row_id, row in rows.items():
        now = live[row_id]
        if row.status == "sent":
            ours = now in (row.before, row.written) or row.before is None
            settled_ = replace(row, tried=True)
            after[row_id] = (
                replace(settled_, status="succeeded", error=None)
                if now == row.target
                else settled_.reopened()
                if ours
                else settled_.refused("conflict")
            )
        elif row.error == "conflict" and now in (row.target, row.before, row.written):
            after[row_id] = row.reopened()
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
        is_new = not (rollback or row.tried or row.written)  # never called by this batch
        overwritten = not own if row.before is None else is_new and now != row.target
        known = replace(row, before=now if overwritten else row.before)
        ours = not rollback and row.before not in (None, row.target)  # by a call that the ledger lost
        if now == row.target:
            after[row_id] = replace(known, status="succeeded" if ours else "unchanged")
        elif rollback and now != known.before:
            after[row_id] = known.refused("conflict")
        else:
            after[row_id] = known
    return after
