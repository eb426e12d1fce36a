"""The live page of a fleet, and below it the page of each tenant: one server, one token, read-only.

A tenant's page is that of `bulkroute watch`; what it needs is opened when somebody asks, and only the latest few stay open.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from aiohttp import web

from bulkroute.errors import NotRunning
from bulkroute.fleet.feed import FleetFeed
from bulkroute.fleet.page import LEAD_BACK, fleet_document
from bulkroute.fleet.standing import TenantLedger
from bulkroute.fleet.steering import Told
from bulkroute.web.access import Access
from bulkroute.web.connections import Connections
from bulkroute.web.document import asset
from bulkroute.web.feed import Feed
from bulkroute.web.host import Host, pressed
from bulkroute.web.ledger_page import LedgerPage, live_document

MOST_KEPT = 8
"""Tenants' pages that stay open although nobody looks at them."""

BUTTONS = ("pause", "resume", "stop")
"""What all tenants can be told at once."""


TellAll = Callable[[str, str | None], Awaitable[Sequence[Told]]]


class _Open:
    """A tenant's page that is open, and how many look at it."""

    def __init__(self, host: Host, tenant: TenantLedger) -> None:
        self.feed = Feed(tenant.ledger)
        self.page = LedgerPage(host, tenant.ledger, self.feed)
        self.looking = 0

    async def close(self) -> None:
        self.page.close()
        await self.feed.__aexit__()


class FleetServer:
    """Serves a fleet's page and those of its tenants."""

    def __init__(
        self, tenants: Sequence[TenantLedger], feed: FleetFeed, access: Access, tell_all: TellAll | None
    ) -> None:
        """`tell_all` tells all runs a verb and its value; None: there are no buttons."""
        self._host = Host(access)
        self._tenants = {each.tenant: each for each in tenants}
        self._feed = feed
        self._tell_all = tell_all
        self._open: dict[str, _Open] = {}
        """The tenants' pages, the one asked last at the end."""

    @contextlib.asynccontextmanager
    async def serving(self, listeners: list[socket.socket]) -> AsyncIterator[Connections]:
        """Serve at these sockets for the block, and give the connections."""
        controls = asset("fleet_controls.html") if self._tell_all else ""
        own = fleet_document(
            ("link.js", "fresh.js", "buttons.js", "fleet_live.js"),
            title="bulkroute fleet",
            live=asset("live.html"),
            controls=controls,
        )
        of_tenant = live_document(may_control=self._tell_all is not None, lead_back=LEAD_BACK.format("../../"))
        routes = [
            web.get("/", self._host.shell(own)),
            web.get("/events", self._events),
            # The same for each name: what tenants there are is for those with the token.
            web.get("/t/{tenant}/", self._host.shell(of_tenant)),
            web.get("/t/{tenant}/{what}", self._answer),
        ]
        if self._tell_all:
            routes.append(web.post("/control", partial(_control, self._tell_all)))
            routes.append(web.post("/t/{tenant}/control", self._control_tenant))
        async with self._host.serving(listeners, routes) as connections:
            try:
                yield connections
            finally:
                for each in self._open.values():
                    await each.close()

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._host.stream(request, self._feed)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        async with self._page(request) as page:
            if (answer := page.answers.get(request.match_info["what"])) is None:
                raise web.HTTPNotFound
            return await answer(request)

    async def _control_tenant(self, request: web.Request) -> web.StreamResponse:
        async with self._page(request) as page:
            return await page.control(request)

    @contextlib.asynccontextmanager
    async def _page(self, request: web.Request) -> AsyncIterator[LedgerPage]:
        """Give the page of the tenant that is asked about, while somebody is asking. Raises web.HTTPNotFound."""
        if (tenant := self._tenants.get(name := request.match_info["tenant"])) is None:
            raise web.HTTPNotFound(text="the fleet has no such tenant\n")
        found = self._open.pop(name, None)
        if found is None:
            found = _Open(self._host, tenant)
            await found.feed.__aenter__()
        self._open[name] = found
        found.looking += 1
        try:
            yield found.page
        finally:
            found.looking -= 1
            await asyncio.shield(self._close_some())

    async def _close_some(self) -> None:
        """Close the pages that nobody has asked for lately."""
        idle = [name for name, each in self._open.items() if not each.looking]
        for name in idle[: max(0, len(self._open) - MOST_KEPT)]:
            await self._open.pop(name).close()


async def _control(tell_all: TellAll, request: web.Request) -> web.Response:
    """Do what a button of the fleet's page asks for."""
    verb, value = await pressed(request)
    if verb not in BUTTONS:
        raise web.HTTPBadRequest(text=f"all tenants can be told: {', '.join(BUTTONS)}\n")
    told = await tell_all(verb, value)
    obeyed = [each for each in told if each.answer is not None and each.answer["ok"]]
    if not obeyed:
        raise web.HTTPConflict(text="no tenant has a run that answers\n")
    refused = [each.tenant.tenant for each in told if each not in obeyed and not isinstance(each.error, NotRunning)]
    return web.json_response({"told": len(obeyed), "refused": refused})
