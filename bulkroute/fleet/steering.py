"""The runs of a fleet told something all together, each at its own control socket."""

import asyncio
from collections.abc import Sequence
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
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(each: TenantLedger) -> Told:
        async with places:
            try:
                answer = await control.ask(each.ledger, verb, WHOLE_FLEET if whole and verb == "stop" else value)
            except BulkrouteError as error:
                return Told(each, None, error)
            return Told(each, answer, None)

    return list(await asyncio.gather(*map(ask, tenants)))
