"""The moves of a row's status as `bulkroute.ledger.lifecycle` draws them: crash tests hold every write against them."""

from bulkroute.model import Status

MOVES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.SENT, Status.SUCCEEDED, Status.UNCHANGED, Status.SKIPPED, Status.FAILED}),
    Status.SENT: frozenset({Status.SUCCEEDED, Status.FAILED, Status.PENDING}),
    Status.SUCCEEDED: frozenset({Status.PENDING, Status.FAILED}),
    Status.UNCHANGED: frozenset({Status.PENDING, Status.FAILED}),
    Status.SKIPPED: frozenset({Status.PENDING}),
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
