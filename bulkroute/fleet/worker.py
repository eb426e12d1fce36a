"""One of several processes that work on a fleet: walks all tenants, and tells the process that began it.

It takes each tenant whose ledger nobody holds, and stands by for the others. It ends in good order once the process that
began it is gone.
"""

import asyncio
import contextlib
import queue
import signal
import threading
from collections.abc import MutableSequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from bulkroute.errors import BulkrouteError
from bulkroute.events import Event, RunEnded
from bulkroute.fleet.closing import TenantEnd
from bulkroute.fleet.ground import Others
from bulkroute.fleet.one_process import OneProcess, Order
from bulkroute.fleet.tenants import FleetTenant
from bulkroute.ledger.lock import holder
from bulkroute.run.loop import run_in_loop

VIEW_EVERY_S = 0.5


class Job(NamedTuple):
    """What a worker is given; pickled, so that no secret is an argument or lies in a file."""

    order: Order
    ended: MutableSequence[int]
    """A number for each tenant in memory that the processes share: 1 once its end stands."""


def work(hears: Connection, tells: Connection, job: Job) -> None:
    """Work on the fleet; the body of a process."""
    # A terminal tells all its processes: who began this one tells it too, and once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run_in_loop(_Worker(hears, tells, job).go())


class _Worker:
    def __init__(self, hears: Connection, tells: Connection, job: Job) -> None:
        self._hears = hears
        self._tells = tells
        self._says: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        # Whoever shows what goes on may be stopped by a terminal; the calls go on.
        self._teller = threading.Thread(target=self._tell, name="teller", daemon=True)
        self._job = job
        self._places = {tenant.name: place for place, tenant in enumerate(job.order.fleet.tenants)}

    async def go(self) -> None:
        """Work until every tenant has its outcome, here or elsewhere; why nothing begins is told as well."""
        self._teller.start()
        try:
            await self._work()
        except BulkrouteError as error:
            self._says.put(("refused", error))
        self._says.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._teller.join)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        self._walk = OneProcess(
            self._job.order,
            self._on_event,
            on_end=self._on_end,
            others=Others(lambda tenant: holder(tenant.ledger) is not None, self._has_ended),
        )
        loop.add_reader(self._hears.fileno(), self._hear)
        loop.add_signal_handler(signal.SIGTERM, self._walk.interrupt, "interrupted by SIGTERM")
        viewer = asyncio.create_task(self._view())
        try:
            await self._walk.go()
        finally:
            viewer.cancel()
            loop.remove_reader(self._hears.fileno())
        self._says.put(("views", self._walk.views()))

    def _on_event(self, tenant: str, event: Event) -> None:
        if isinstance(event, RunEnded):  # its ledger is free after that, and nobody is to begin it again
            self._job.ended[self._places[tenant]] = 1
        self._says.put(("event", (tenant, event)))

    def _has_ended(self, tenant: FleetTenant) -> bool:
        return bool(self._job.ended[self._places[tenant.name]])

    def _on_end(self, end: TenantEnd) -> None:
        self._job.ended[self._places[end.tenant]] = 1
        self._says.put(("end", end))

    async def _view(self) -> None:
        while True:
            await asyncio.sleep(VIEW_EVERY_S)
            if self._says.empty():  # else who is told lags behind
                self._says.put(("views", self._walk.views()))

    def _tell(self) -> None:
        while (said := self._says.get()) is not None:
            with contextlib.suppress(OSError):  # nobody is there to be told; `_hear` ends the work then
                self._tells.send(said)

    def _hear(self) -> None:
        try:
            verb, told = self._hears.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._hears.fileno())
            self._walk.interrupt("the process that began this one is gone")
            return
        if verb == "ended":
            self._walk.ended_elsewhere(told)
        elif verb == "close":
            self._walk.close(told)
        elif verb == "stop":
            self._walk.stop_all(told)
        else:
            self._walk.interrupt(told)
