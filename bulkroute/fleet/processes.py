"""Several processes that work on one fleet, and this one that shows what they do and makes no call itself.

Nothing deals tenants out: each process takes those whose ledger nobody holds. So one that dies costs its own calls in
flight, and another one goes on with its tenants.
"""

import asyncio
import multiprocessing
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from bulkroute.errors import BulkrouteError, StopKind, StoppedEarly
from bulkroute.events import Event, Stopping
from bulkroute.fleet.closing import TenantEnd, ended_without_run
from bulkroute.fleet.one_process import FailedTenants, Order
from bulkroute.fleet.views import TO_COME, TenantView
from bulkroute.fleet.walk import NOBODY_MUST_ACT
from bulkroute.fleet.worker import Job, work
from bulkroute.run.verbs import FLEET_STOPPED

CONTEXT = multiprocessing.get_context("spawn")


class Worker(NamedTuple):
    """One of the processes, and the way to it."""

    process: BaseProcess
    to_it: Connection


class Processes:
    """Works on all tenants in several processes."""

    reading = False

    def __init__(self, count: int, order: Order, on_event: Callable[[str, Event], None]) -> None:
        fleet = self._fleet = order.fleet
        self._on_event = on_event
        self._failed = FailedTenants(order.most_failed, self._close)
        share = order._replace(at_once=-(-order.at_once // count), most_failed=None)  # failed ones are counted here
        self._job = Job(share, CONTEXT.RawArray("b", len(fleet.tenants)))
        self._count = count
        self._workers: dict[Connection, Worker] = {}
        """By the way on which each tells. One way each: a socket's end with something unread in it would break the other."""
        self._views = {
            tenant.name: TenantView(tenant.name, TO_COME, total=order.rows.get(tenant.name, 0))
            for tenant in fleet.tenants
        }
        self._ends: dict[str, TenantEnd] = {}
        self._refused: BulkrouteError | None = None
        """Why a process could not begin."""
        self._all_gone = asyncio.Event()

    async def go(self) -> None:
        """Work until every process has ended. Raises what kept all of them from their first tenant, as `OneProcess` does."""
        loop = asyncio.get_running_loop()
        for number in range(self._count):
            from_it, tells = CONTEXT.Pipe(duplex=False)
            hears, to_it = CONTEXT.Pipe(duplex=False)
            process = CONTEXT.Process(target=work, args=(hears, tells, self._job), name=f"fleet-{number}")
            process.start()
            hears.close()
            tells.close()
            self._workers[from_it] = Worker(process, to_it)
            loop.add_reader(from_it.fileno(), self._hear, from_it)
        await self._all_gone.wait()
        if self._refused is not None and not self._ends:
            raise self._refused

    def _hear(self, pipe: Connection) -> None:
        try:
            what, said = pipe.recv()
        except (EOFError, OSError):
            self._gone(pipe)
            return
        if what == "event":
            tenant, event = said
            if isinstance(event, Stopping) and event.reason == FLEET_STOPPED:
                # The other processes may have no run that could be told, and would go on with what this one leaves.
                self._tell("stop", event.reason)
            self._on_event(tenant, event)
        elif what == "end":
            self._ended(said)
        elif what == "refused":
            self._refused = said
        else:
            self._views |= {view.tenant: view for view in said if view.is_here}

    def _gone(self, pipe: Connection) -> None:
        """Take note that a process has ended."""
        asyncio.get_running_loop().remove_reader(pipe.fileno())
        pipe.close()
        worker = self._workers.pop(pipe)
        worker.to_it.close()
        worker.process.join()
        if not self._workers:
            self._all_gone.set()

    def _ended(self, end: TenantEnd) -> None:
        is_first = end.tenant not in self._ends  # of other hosts' tenants each process tells
        self._ends[end.tenant] = end
        self._tell("ended", end.tenant)
        if is_first:
            self._failed.ended(must_act=end.exit_code not in NOBODY_MUST_ACT)

    def _tell(self, verb: str, text: str) -> None:
        for worker in self._workers.values():
            try:
                worker.to_it.send((verb, text))
            except OSError:
                continue  # it has just died; `_hear` takes note

    def _close(self, reason: str) -> None:
        self._tell("close", reason)

    def interrupt(self, reason: str) -> bool:
        """Stop all tenants in good order, the second time at once."""
        self._tell("interrupt", reason)
        return bool(self._workers)

    def refuse_reading(self) -> None:
        """Leave that to `interrupt`: no manifest is taken in here."""

    def views(self) -> list[TenantView]:
        """Return how far each tenant is."""
        return list(self._views.values())

    def ends(self) -> list[TenantEnd]:
        """Return how each tenant ended; one that no process has brought to its end can be gone on with."""
        died = self._refused or StoppedEarly(
            "the process that worked on it was killed", hint="the same command goes on", stop=StopKind.SIGNAL
        )
        missing = {
            tenant.name: TenantEnd(tenant.name, socket.gethostname(), ended_without_run(tenant, died))
            for tenant in self._fleet.tenants
            if tenant.name not in self._ends
        }
        return [(self._ends | missing)[tenant.name] for tenant in self._fleet.tenants]
