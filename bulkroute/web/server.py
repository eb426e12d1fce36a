"""The live page's server: one ledger, read-only."""

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from bulkroute.web.access import Access
from bulkroute.web.connections import Connections
from bulkroute.web.feed import Feed
from bulkroute.web.host import Host
from bulkroute.web.ledger_page import LedgerPage, live_document


class Server:
    """Serves one ledger's page."""

    def __init__(self, ledger: Path, feed: Feed, access: Access, *, may_control: bool) -> None:
        self._host = Host(access)
        self._ledger = ledger
        self._feed = feed
        self._may_control = may_control

    @contextlib.asynccontextmanager
    async def serving(self, listeners: list[socket.socket]) -> AsyncIterator[Connections]:
        """Serve at these sockets for the block, and give the connections."""
        page = LedgerPage(self._host, self._ledger, self._feed)
        routes = [web.get("/", self._host.shell(live_document(may_control=self._may_control)))]
        routes += [web.get(f"/{name}", answer) for name, answer in page.answers.items()]
        if self._may_control:
            routes.append(web.post("/control", page.control))
        with contextlib.closing(page):
            async with self._host.serving(listeners, routes) as connections:
                yield connections
