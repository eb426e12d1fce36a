"""The line that rows go along: gate, delivery and pool, wired for one run.

Decides nothing: which rows go, and when it ends, is for `run`.
"""

import asyncio
from collections.abc import Callable

from bulkroute.cec.client import Client
from bulkroute.cec.token import TokenSource
from bulkroute.delivery import Delivery
from bulkroute.gate import Gate
from bulkroute.ledger.journal import Journal
from bulkroute.pool import Pool
from bulkroute.rate.pacer import Pacer
from bulkroute.rate.throttle import Throttle
from bulkroute.settings import Settings


class Sending:
    """The three, and the two loops of the gate, which run from `start` to `end`."""

    def __init__(
        self,
        settings: Settings,
        *,
        client: Client,
        tokens: TokenSource,
        pacer: Pacer,
        journal: Journal,
        throttle: Throttle,
        stop: Callable[[str], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """`stop` ends the run for the reason it is given; `failed` gets what a row, or a loop of the gate, raised."""
        self.gate = Gate(settings.concurrency, pacer, journal, tokens)
        self.delivery = Delivery(
            gate=self.gate,
            client=client,
            tokens=tokens,
            journal=journal,
            throttle=throttle,
            settings=settings,
            clock=pacer.clock,
            stop=stop,
        )
        self.pool = Pool(self.gate, self.delivery.deliver, failed, settings.max_rows)
        self._failed = failed
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Open the gate."""
        self._loops = [
            asyncio.create_task(self.gate.stage(), name="gate: stage"),
            asyncio.create_task(self.gate.start(), name="gate: start"),
        ]
        for loop in self._loops:
            loop.add_done_callback(self._loop_ended)

    async def end(self) -> None:
        """Cut off what is left, and wait for the end of that."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, *self.pool.cancel(), return_exceptions=True)

    def _loop_ended(self, loop: asyncio.Task[None]) -> None:
        if not loop.cancelled() and (error := loop.exception()) is not None:
            self._failed(error)
