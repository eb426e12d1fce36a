"""News of all tenants for whoever watches the fleet's page: one reading for all, and only the lines that changed go out."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bulkroute.fleet.page import LINE, head_of, lines_of, live_page
from bulkroute.fleet.standing import TenantLedger
from bulkroute.fleet.views import TenantView
from bulkroute.web.feed import TICK_S, News

FLEET_SHARE = 0.1
"""Of the time, at most, goes to reading: a page of 200 tenants that run may cost a tenth of a core here."""


class FleetFeed(News):
    """Watches the tenants of a fleet, whichever process works on them, on whatever host."""

    def __init__(
        self,
        look: Callable[[], Awaitable[list[TenantView]]],
        ledgers: Sequence[TenantLedger],
        name: str,
        tick_s: float = TICK_S,
    ) -> None:
        """`look` tells how they stand; `ledgers`: where they are, or would be, here; `name`: of the fleet file."""
        super().__init__(tick_s, FLEET_SHARE)
        self._look = look
        self._ledgers = {each.tenant: each.ledger for each in ledgers}
        self._name = name

    async def read_news(self) -> dict[str, Any]:
        """Return the totals, and a line for each tenant."""
        started_s = time.process_time()
        views = await self._look()
        lines = {f"{LINE}{line['tenant']}": line for line in lines_of(views, self._href)}
        news = {**head_of(self._name, views), **lines}
        self._costs_s.append(time.process_time() - started_s)
        return news

    def _href(self, view: TenantView) -> str | None:
        """Return where a tenant's own page is: there is none before it is begun, nor where another host has the ledger."""
        return live_page(view) if self._ledgers[view.tenant].exists() else None
