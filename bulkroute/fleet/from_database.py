"""A fleet on several hosts seen and steered from any of them, by way of PostgreSQL, and a ledger freed of its copy there."""

import asyncio
from collections.abc import Sequence

from bulkroute.errors import LedgerBusy
from bulkroute.fleet.standing import TenantLedger
from bulkroute.fleet.steering import Told, told, words_of
from bulkroute.fleet.tenants import FleetTenant
from bulkroute.fleet.views import BROKE_OFF, ENDED, TO_COME, TenantView
from bulkroute.ledger.batches import Tenant
from bulkroute.postgres.database import Database, tenant_number
from bulkroute.postgres.stored import Seen


async def views(url: str, tenants: Sequence[FleetTenant]) -> list[TenantView]:
    """Return how the tenants stand, as the host that works on each has said last. Raises UsageError, StoppedEarly."""
    numbers = {tenant.name: tenant_number(Tenant.of(tenant.settings), tenant.name) for tenant in tenants}
    async with Database(url) as database:
        found = await database.overview(list(numbers.values()))
    return [_view(tenant, found.get(numbers[tenant.name])) for tenant in tenants]


def _view(tenant: FleetTenant, seen: Seen | None) -> TenantView:
    if seen is None:
        return TenantView(tenant.name, TO_COME, ledger=str(tenant.ledger))
    told = {name: value for name, value in ((seen.state or {}).get("view") or {}).items() if name in TenantView._fields}
    shown = TenantView(**{"tenant": tenant.name, "state": TO_COME, **told})._replace(host=seen.host)
    if seen.is_held:
        return shown
    if seen.ended_at is None or seen.ended_at < seen.began_at:
        return shown._replace(state=BROKE_OFF, started_per_s=0, eta_s=None)
    return shown._replace(state=ENDED, exit_code=seen.exit_code, started_per_s=0, eta_s=None)


async def tell(url: str, tenants: Sequence[FleetTenant], verb: str, value: str | None, *, whole: bool) -> list[Told]:
    """Ask the run of each tenant, on whatever host; `whole`: as of `steering.tell`. Raises UsageError, StoppedEarly."""
    words = words_of(verb, value, whole=whole)
    async with Database(url) as database:

        async def ask(tenant: FleetTenant) -> Told:
            answer = database.ask(Tenant.of(tenant.settings), tenant.name, verb, words)
            return await told(TenantLedger(tenant.name, tenant.ledger), answer)

        return list(await asyncio.gather(*map(ask, tenants)))


async def detach(url: str, tenant: FleetTenant) -> None:
    """Bring a tenant's ledger up to date here, and end its copy. Raises LedgerBusy, LedgerError, UsageError, StoppedEarly."""
    async with Database(url) as database:
        claim = await database.claim(Tenant.of(tenant.settings), tenant.name)
        if claim is None:
            raise LedgerBusy("another process works on it", where=tenant.name, hint="wait until it has ended")
        await claim.bring_up(tenant.ledger)
        await claim.detach(tenant.ledger)
