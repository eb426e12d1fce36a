"""What brings rows to their outcome, put together: workers, gate, deliveries and probes, and what an outage does to them."""

import asyncio
from collections.abc import Callable

from bulkroute.cec.service import Feedback, Service
from bulkroute.errors import StoppedEarly
from bulkroute.ledger.journal import Journal
from bulkroute.live.read_calls import Asker
from bulkroute.rate.outage import Change, Turn
from bulkroute.run.admission import Gate
from bulkroute.run.delivery import Delivery
from bulkroute.run.downtime import Downtime
from bulkroute.run.pauses import Pauses
from bulkroute.run.probes import Probes
from bulkroute.run.workers import Pool


class Sending:
    """All of it, with the loops of the gate and of the probes, which run from `start` to `end`."""

    def __init__(
        self,
        service: Service,
        journal: Journal,
        feedback: Feedback,
        pauses: Pauses,
        asker: Asker,
        on_error: Callable[[BaseException], None],
    ) -> None:
        """`asker` makes the single reads; `on_error` gets what a row, or one of the loops, raised."""
        settings, clock = service.settings, service.pacer.clock
        self._max_outage_wait_s = settings.max_outage_wait_s
        self._journal = journal
        self._feedback = feedback
        self._on_error = on_error
        self._loops: list[asyncio.Task[None]] = []
        downtime = Downtime(settings, pauses, clock, "rows", alive=asker.has_answered, act=self._act)
        self._outage = downtime.outage
        self.gate = Gate(settings.concurrency, service.pacer, journal, service.tokens)
        self.delivery = Delivery(service, self.gate, journal, feedback, downtime.outage)
        self.pool = Pool(self.gate, self.delivery, on_error, settings.max_rows)
        self._probes = Probes(downtime.outage, self.pool.draw, self.gate, journal, clock, asker.try_once)
        self.delivery.on_down = self._probes.look_again

    def start(self) -> None:
        """Open the gate."""
        self._loops = [
            asyncio.create_task(self.gate.stage(), name="gate: stage"),
            asyncio.create_task(self.gate.start(), name="gate: start"),
            asyncio.create_task(self._probes.send(), name="probes"),
        ]
        for loop in self._loops:
            loop.add_done_callback(self._loop_ended)

    async def end(self) -> None:
        """Cut off what is left, and wait for the end of that."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, *self.pool.cancel(), return_exceptions=True)

    def probe_at_once(self) -> None:
        """While the service is down, send a probe at once, for an operator."""
        self._outage.probe_at_once()
        self._probes.look_again()

    def _act(self, change: Change) -> None:
        """Act on what became known of the service."""
        if change.turn is Turn.DOWN:
            self.gate.shut()
        else:
            self._journal.give_back(change.given_back)
            if change.turn is Turn.BACK and self.gate.is_shut:
                self._feedback.ease_in()
            self.gate.reopen()
        if change.turn is Turn.GAVE_UP:
            self._on_error(StoppedEarly.given_up("service", self._max_outage_wait_s, change.words))
        self.delivery.rouse_decided()
        self._probes.look_again()

    def _loop_ended(self, loop: asyncio.Task[None]) -> None:
        if not loop.cancelled() and (error := loop.exception()) is not None:
            self._on_error(error)
