"""News of all tenants for whoever watches the fleet's page: one reading for all, and only the lines that changed go out."""

import time
from typing import Any

from bulkroute.fleet.page import LINE, head_of, lines_of, live_page
from bulkroute.fleet.standing import Standing
from bulkroute.web.feed import TICK_S, News

FLEET_SHARE = 0.1
"""Of the time, at most, goes to reading: a page of 200 tenants that run may cost a tenth of a core here."""


class FleetFeed(News):
    """Watches the tenants of a fleet, whichever process works on them."""

    def __init__(self, standing: Standing, name: str, tick_s: float = TICK_S) -> None:
        """`name`: of the fleet file, for people."""
        super().__init__(tick_s, FLEET_SHARE)
        self._standing = standing
        self._name = name

    async def read_news(self) -> dict[str, Any]:
        """Return the totals, and a line for each tenant."""
        started_s = time.process_time()
        views = await self._standing.read()
        lines = {f"{LINE}{line['tenant']}": line for line in lines_of(views, live_page)}
        news = {**head_of(self._name, views), **lines}
        self._costs_s.append(time.process_time() - started_s)
        return news
