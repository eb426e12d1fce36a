"""How a ledger is taken hold of, which no other run may write then."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from bulkroute.errors import LedgerBusy, LedgerError
from bulkroute.ledger import fetched
from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.copied import LedgerCopy
from bulkroute.ledger.ledger import HeldLedger, Ledger
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.remarks import Remark, RemarkKind
from bulkroute.live.verify import Verified
from bulkroute.run import neighbours
from bulkroute.settings import Settings

TRY_LOCK_EVERY_S = 0.5
"""How often a ledger is tried that another run holds."""


async def hold(
    ledger: Ledger,
    settings: Settings,
    exits: contextlib.ExitStack,
    on_notice: Callable[[str], None],
    *,
    to_write: bool,
) -> HeldLedger:
    """Hold a ledger as long as `exits`, and wait for another run on it if that was asked for; say who else is at work.

    Raises LedgerBusy, and LedgerError: `to_write` one that has a copy, that must be ours.
    """
    clock = asyncio.get_running_loop().time
    give_up_at_s = clock() + settings.wait_for_lock_s
    told = False
    while True:
        try:
            held = exits.enter_context(ledger.hold())
            break
        except LedgerBusy as busy:
            left_s = give_up_at_s - clock()
            if left_s <= 0:
                raise
            if not told:
                on_notice(f"{busy.where}: {busy.what}; waiting up to {left_s:.0f} s for it to end")
        told = True
        await asyncio.sleep(min(left_s, TRY_LOCK_EVERY_S))
    if to_write and ledger.copy is None:
        fetched.require_free(ledger.path)
    for doubt in filter(None, (ledger.doubt_of_owner(), ledger.doubt_of_place())):
        on_notice(f"warning: {doubt}")
    if not settings.is_rehearsal:
        exits.enter_context(neighbours.announced(Tenant.of(settings), ledger.path, on_notice))
    return held


def existing(ledger: str | Path, copy: LedgerCopy | None = None) -> Ledger:
    """Return a ledger that is there, so that nothing is made if there is none, not even a lock. Raises LedgerError."""
    found = Ledger(Path(ledger), copy)
    with found.read():
        return found


def keep_check(batch: BatchReader, verified: Verified) -> None:
    """Keep what a check found, for the pages; not while a run holds the ledger, nor where it cannot be written."""
    remark = Remark.now(RemarkKind.CHECK, verified.sentence, is_good=not verified.differences)
    with contextlib.suppress(LedgerBusy, LedgerError), Ledger(batch.path).hold() as held, held.write() as writer:
        writer.keep_check(batch, remark)
