"""A single run that works on a tenant as a fleet does: whoever has it in PostgreSQL works on it, and rates hold over all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bulkroute.engine import Engine
from bulkroute.errors import LedgerBusy
from bulkroute.events import Event, RunEnded
from bulkroute.fleet.ground import Footing
from bulkroute.fleet.hosts import Hosts, Told
from bulkroute.fleet.tenants import FleetTenant
from bulkroute.fleet.views import state_of
from bulkroute.fleet.walk import TenantWork
from bulkroute.progress import Summary
from bulkroute.run.holding import TRY_LOCK_EVERY_S
from bulkroute.settings import Settings


class Joined:
    """What a single run is given, and what it tells other hosts."""

    def __init__(self, footing: Footing, work: TenantWork[Summary]) -> None:
        self.footing = footing
        self._work = work

    def begun(self, engine: Engine) -> None:
        """Take note of the engine."""
        self._work.engine = engine

    def on_event(self, event: Event) -> None:
        """Take note of the end."""
        if isinstance(event, RunEnded):
            self._work.summary = event.summary


@contextlib.asynccontextmanager
async def joining(
    on: str, settings: Settings, ledger: Path, shared: tuple[str, float] | None, on_notice: Callable[[str], None]
) -> AsyncIterator[Joined]:
    """Take a tenant for a run, for the block; `shared`: the name of a rate, and its calls per second.

    Raises LedgerBusy where another process has it, UsageError, StoppedEarly.
    """
    name = settings.tenant or settings.service_name
    tenant = FleetTenant(name, 0, settings, Path(), None, ledger, shared[0] if shared else None)
    work = TenantWork[Summary](tenant, 0)
    told = Told(lambda _name: state_of(work), lambda _name, text: on_notice(text), None)
    async with contextlib.AsyncExitStack() as exits:
        hosts = await exits.enter_async_context(Hosts(on, [tenant], dict([shared]) if shared else {}, told))
        yield Joined(await _enter(hosts, tenant, exits), work)


async def _enter(hosts: Hosts, tenant: FleetTenant, exits: contextlib.AsyncExitStack) -> Footing:
    """Take the tenant, and wait for another process on it as `--wait-for-lock` says. Raises LedgerBusy."""
    clock = asyncio.get_running_loop().time
    give_up_at_s = clock() + tenant.settings.wait_for_lock_s
    while True:
        try:
            return await exits.enter_async_context(hosts.enter(tenant))
        except LedgerBusy:
            if clock() >= give_up_at_s:
                raise
        await asyncio.sleep(TRY_LOCK_EVERY_S)
