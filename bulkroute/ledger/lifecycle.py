"""The legal moves of a row's status, and what a crash leaves behind.

             ┌────────────────────────── retargeted, or tried again in a later run ───────────┐
             v                                                                                │
    PENDING ──> SENT ──> SUCCEEDED ───────────────────────────────────────────────────────────┤
       │         ├─────> FAILED ──────────────────────────────────────────────────────────────┤
       │         └─────> PENDING   (backoff, throttled, or withdrawn before its bytes left)   │
       ├───────> UNCHANGED   (the live binding is already the wanted one) ────────────────────┤
       └───────> FAILED      (locked, unknown id, conflict: never sent) ──────────────────────┘

While a rollback is under way its rows move like that, and the rows of the batch that it puts back follow them:

    any status ──> SENT                (its way back is being sent, was cut off, or got no clear answer)
                     ├──> as before    (the call was withdrawn before its bytes left)
    any status ──────┴──> PENDING      (it is put back, as if it had never been sent)

SENT is on disk before the bytes leave. A row found SENT when no run holds the ledger is *in doubt*: its call may
or may not have been applied. Nothing else can be in doubt.
"""

from bulkroute.model import Status

MOVES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.SENT, Status.UNCHANGED, Status.FAILED}),
    Status.SENT: frozenset({Status.SUCCEEDED, Status.FAILED, Status.PENDING}),
    Status.SUCCEEDED: frozenset({Status.PENDING}),
    Status.UNCHANGED: frozenset({Status.PENDING}),
    Status.FAILED: frozenset({Status.PENDING}),
}
"""What a row does by itself: in a run, and in a rollback, whose rows are its own."""

MOVES_WITH_ROLLBACK: dict[Status, frozenset[Status]] = {
    status: frozenset(Status) - {status}
    if status is Status.SENT
    else frozenset({Status.SENT, Status.PENDING}) - {status}
    for status in Status
}
"""What a row of a batch does while the batch is rolled back."""

DONE = frozenset({Status.SUCCEEDED, Status.UNCHANGED})
"""What is not sent again while its target stays the same."""


def sources(target: Status) -> list[Status]:
    """Return every status from which a row may move to `target`."""
    return [status for status in Status if target in MOVES[status]]
