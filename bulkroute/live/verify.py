"""The check of a ledger against live bindings: is every row that it calls done as it says? Changes nothing."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from bulkroute.ledger.compare import Difference
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.reader import BatchReader
from bulkroute.live.called_routes import LiveReader
from bulkroute.rate.backoff import doubling

FRESH_S = 30.0
"""Rows that got their outcome less than this ago may be listed late: differences are read again."""

READ_AGAIN = 4
"""How often differences of fresh rows are read again, after the backoff and then after twice as long each time."""


class Verified(NamedTuple):
    """What came of a check."""

    ledger: str
    """The ledger's path."""
    batch: int
    """The batch's number."""
    checked: int
    """Rows that the ledger calls done."""
    differences: list[Difference]
    """Rows among them whose live binding is another one: `id`, `was`, `wanted` and `is`."""
    settled: bool
    """False if the service's list of called routes never came to rest."""


async def verify(batch: BatchReader, reader: LiveReader, backoff_s: float, tell: Callable[[str], None]) -> Verified:
    """Hold the rows called done against live bindings. `backoff_s`: before the first reading again. Raises LedgerError, and what reading raises."""
    waits = doubling(backoff_s, READ_AGAIN)
    while True:
        with LiveBindings() as live:
            await reader.read(live)
            found = batch.differences(live)
        fresh = time.time() - batch.last_finish() < FRESH_S
        wait_s = next(waits, None)
        if not found or not fresh or wait_s is None:
            return Verified(str(batch.path), batch.number, batch.count_done(), found, live.settled)
        tell(f"{len(found):,} differences; the list may lag behind, it is read again in {wait_s:g} s")
        await asyncio.sleep(wait_s)
