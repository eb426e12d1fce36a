"""What may become of a row's status, and what a crash leaves behind. Crash tests hold every write against this picture.

             ┌────────────────────────── retargeted, or tried again in a later run ───────────┐
             v                                                                                │
    PENDING ──> SENT ──> SUCCEEDED ───────────────────────────────────────────────────────────┤
       │         ├─────> FAILED ──────────────────────────────────────────────────────────────┤
       │         └─────> PENDING   (backoff, throttled, or withdrawn before its bytes left)   │
       ├───────> UNCHANGED   (the live binding is already the wanted one) ────────────────────┤
       ├───────> SUCCEEDED   (likewise, by a call that an older copy of the ledger lost) ─────┤
       └───────> FAILED or SKIPPED   (locked, unknown id, conflict: never sent) ──────────────┘

    SUCCEEDED, UNCHANGED ──> PENDING or FAILED   (drifted: live bindings say that another hand changed it since)

While a rollback is under way its rows move like that, and the rows of the batch that it puts back follow them:

    any status ──> SENT                (its way back is being sent, was cut off, or got no clear answer)
                     ├──> as before    (the call was withdrawn before its bytes left)
    any status ──────┴──> PENDING      (it is put back, as if it had never been sent)

SENT is on disk before the bytes leave. A row found SENT when no run holds the ledger is *in doubt*: its call may
or may not have been applied. Nothing else can be in doubt.
"""

from bulkroute.model import Status

DONE = frozenset({Status.SUCCEEDED, Status.UNCHANGED, Status.SKIPPED})
"""What is not sent again while its target stays the same."""
