"""While the service is down: one probe at a time, and a single read where only that can tell whose fault it is.

When each is due is decided by `rate.outage`; here they are sent. Never sends anything while the service is up.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from bulkroute.ledger.journal import Journal
from bulkroute.rate.outage import Outage, Read
from bulkroute.rate.tries import Tries
from bulkroute.run.admission import Gate

LOOK_AGAIN_S = 0.5
"""How soon another row is looked for if the calls of all are in flight."""


class Probes:
    """Sends them from `send` on, until that is cancelled."""

    def __init__(
        self,
        outage: Outage,
        draw: Callable[[], Tries | None],
        gate: Gate,
        journal: Journal,
        clock: Callable[[], float],
        try_reading: Callable[[], Awaitable[Read]],
    ) -> None:
        """`draw` returns a row on its way to the gate, if there is one; `clock` is the pacer's; `try_reading` reads once."""
        self._outage = outage
        self._draw = draw
        self._gate = gate
        self._journal = journal
        self._clock = clock
        self._try_reading = try_reading
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        """See at once what is due now: something happened."""
        self._changed.set()

    async def send(self) -> None:
        """Send what is due, until cancelled. Raises LedgerError, and what reading raises."""
        while True:
            self._changed.clear()
            due_s = self._outage.probe_due_s
            if self._outage.wants_read:
                self._outage.read(await self._try_reading(), self._clock())
            elif due_s is None:
                await self._changed.wait()
            elif due_s > (now_s := self._clock()):
                await self._wait(due_s - now_s)
            else:
                await self._probe()

    async def _probe(self) -> None:
        # What is drawn goes by the ledger: it must know of every answer by then.
        await self._journal.flush()
        if self._outage.probe_due_s is None:
            return
        row = self._draw()
        if row is None:
            await self._wait(LOOK_AGAIN_S)
            return
        self._outage.probe(row)
        self._gate.let_through(row.row)

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until something has happened."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
