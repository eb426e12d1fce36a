"""The runs of a fleet told something all together, each at its own control socket."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple

from bulkroute.errors import BulkrouteError
from bulkroute.fleet.standing import TenantLedger
from bulkroute.run import control
from bulkroute.run.verbs import WHOLE_FLEET

AT_ONCE = 32
"""Runs that are asked at the same time."""


class Told(NamedTuple):
    """What came of it at one tenant."""

    tenant: TenantLedger
    answer: dict[str, Any] | None
    """Of its run; None if there is none that answers."""
    error: BulkrouteError | None
    """Why there is no answer."""


async def tell(tenants: Sequence[TenantLedger], verb: str, value: str | None, *, whole: bool) -> list[Told]:
    """Ask each tenant's run, side by side; return what they answer, in the same order.

    `whole`: they are all of the fleet, so that a stop is one of those tenants too that are still to come.
    """
    places, words = asyncio.Semaphore(AT_ONCE), words_of(verb, value, whole=whole)

    async def ask(each: TenantLedger) -> Told:
        async with places:
            return await told(each, control.ask(each.ledger, verb, words))

    return list(await asyncio.gather(*map(ask, tenants)))


def words_of(verb: str, value: str | None, *, whole: bool) -> str | None:
    """Return what is told beside the verb."""
    return WHOLE_FLEET if whole and verb == "stop" else value


async def told(tenant: TenantLedger, answer: Awaitable[dict[str, Any]]) -> Told:
    """Wait for a run's answer, or take note why there is none."""
    try:
        return Told(tenant, await answer, None)
    except BulkrouteError as error:
        return Told(tenant, None, error)
