"""The legal moves of a row's status, and what a crash leaves behind.

             ┌────────────────────────── retargeted, rolled back, tried again in a later run ─┐
             v                                                                                │
    PENDING ──> SENT ──> SUCCEEDED ───────────────────────────────────────────────────────────┤
       │         ├─────> FAILED ──────────────────────────────────────────────────────────────┤
       │         └─────> PENDING   (backoff, throttled, or withdrawn before its bytes left)   │
       ├───────> UNCHANGED   (the live binding is already the wanted one) ────────────────────┤
       └───────> FAILED      (locked, unknown id, conflict: never sent) ──────────────────────┘

    any status ──> SENT      (the row's rollback is under way, was cut off, or got no clear answer)

SENT is on disk before the bytes leave. A row found SENT when no run holds the ledger is *in doubt*: its call may
or may not have been applied. Nothing else can be in doubt.
"""

from bulkroute.model import Status

MOVES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.SENT, Status.UNCHANGED, Status.FAILED}),
    Status.SENT: frozenset({Status.SUCCEEDED, Status.FAILED, Status.PENDING}),
    Status.SUCCEEDED: frozenset({Status.PENDING}),
    Status.UNCHANGED: frozenset({Status.PENDING}),
    Status.FAILED: frozenset({Status.PENDING, Status.UNCHANGED}),
}

DONE = frozenset({Status.SUCCEEDED, Status.UNCHANGED})
"""What is not sent again while its target stays the same."""


def sources(target: Status) -> list[Status]:
    """Return every status from which a row may move to `target`."""
    return [status for status in Status if target in MOVES[status]]
