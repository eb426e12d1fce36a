"""The live page's server: one ledger, read-only; the run is reached through its control socket alone.

Nothing it does, and nothing done to it, can touch the run but a control verb, and those are served only where asked for.
"""

import asyncio
import contextlib
import csv
import json
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from string import Template
from typing import IO, Any

from aiohttp import web

from bulkroute.errors import BulkrouteError
from bulkroute.ledger.batches import Which
from bulkroute.ledger.chart_queries import FailedRow, Search
from bulkroute.ledger.export import defused
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.reader import LedgerReader
from bulkroute.run import control
from bulkroute.run.verbs import VERBS
from bulkroute.web.access import HEADERS, Access
from bulkroute.web.feed import Feed
from bulkroute.web.page_data import packed
from bulkroute.web.report import SCRIPTS, STYLES, asset

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_ROWS = 1000
"""Rows in one answer of the failed rows' table."""
LONGEST_TEXT = 200
"""Characters of a search."""
CHUNK_CHARACTERS = 65_536
IN_MEMORY_BYTES = 1_048_576
"""Of a download; a larger one waits in a temporary file."""
LONGEST_REQUEST_BYTES = 4096
BUTTONS = [name for name, verb in VERBS.items() if verb.button]
ASSETS = (*STYLES, *SCRIPTS, "live.js", "vendor/uplot/LICENSE")


class Server:
    """Serves one ledger's page."""

    def __init__(self, ledger: Path, feed: Feed, access: Access, *, may_control: bool) -> None:
        self._ledger = ledger
        self._feed = feed
        self._access = access
        self._may_control = may_control

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application(middlewares=[self._guard], client_max_size=LONGEST_REQUEST_BYTES)
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/events", self._events),
                web.get("/failed", self._failed),
                web.get("/failed.txt", self._ids),
                web.get("/failed.csv", self._manifest),
                *(web.get(f"/{name}", self._asset) for name in ASSETS),
            ]
        )
        if self._may_control:
            app.router.add_post("/control", self._control)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check who asks, answer errors in words, and put the protecting headers on every answer."""
        try:
            linked = self._access.admit(request)
            response = await handler(request)
            if linked and not response.prepared:
                self._access.keep(response)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=error.text)
        except BulkrouteError as error:
            response = web.Response(status=503, text=f"{error}\n")
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    async def _page(self, _request: web.Request) -> web.Response:
        head = "\n".join(f'<link rel="stylesheet" href="/{name}">' for name in STYLES)
        tail = "\n".join(f'<script src="/{name}"></script>' for name in (*SCRIPTS, "live.js"))
        page = Template(asset("page.html")).substitute(
            title="bulkroute",
            lead="",
            head=head,
            tail=tail,
            live=asset("live.html"),
            controls=asset("controls.html") if self._may_control else "",
        )
        return web.Response(text=page, content_type="text/html")

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.path.removeprefix("/")
        kind = {"css": "text/css", "js": "text/javascript"}.get(name.rpartition(".")[2], "text/plain")
        return web.Response(text=asset(name), content_type=kind)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        with contextlib.suppress(ConnectionError):  # the browser has gone
            async with contextlib.aclosing(self._feed.events()) as events:
                async for event in events:
                    await response.write(event)
        return response

    async def _failed(self, request: web.Request) -> web.Response:
        search, offset = _search(request), _number(request, "offset", 0)
        limit = min(MOST_ROWS, _number(request, "limit", 100))

        def find(ledger: LedgerReader) -> dict[str, Any]:
            batch = ledger.require_batch(self._feed.which)
            return packed(batch.failed_rows(search, limit=limit, offset=offset), batch.count_failed(search))

        return web.json_response(await self._feed.read(find))

    async def _ids(self, request: web.Request) -> web.StreamResponse:
        return await self._download(request, "text/plain", "", lambda row: [row.id])

    async def _manifest(self, request: web.Request) -> web.StreamResponse:
        def line(row: FailedRow) -> list[object]:
            number = defused(row.access_code), defused(row.ext_code), row.media_type
            return [row.id, row.devicetype, row.device_id, *number, defused(row.target)]

        head = "id,devicetype,deviceId,accessCode,extCode,mediaType,target\n"
        return await self._download(request, "text/csv", head, line)

    async def _download(
        self, request: web.Request, kind: str, head: str, line: Callable[[FailedRow], list[object]]
    ) -> web.StreamResponse:
        """Send all failed rows that a search finds; written down first, since a browser may take its time.

        Reading the ledger for so long would keep the run from shortening its write-ahead log.
        """
        disposition = {"Content-Disposition": 'attachment; filename="failed.csv"'} if head else {}
        response = web.StreamResponse(headers={**HEADERS, **disposition, "Content-Type": f"{kind}; charset=utf-8"})
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, "w+", encoding="utf-8", newline="") as spool:
            spool.write(head)
            await asyncio.to_thread(_write_failed, self._ledger, self._feed.which, _search(request), spool, line)
            spool.seek(0)
            await response.prepare(request)  # not before: errors of the ledger are answers too
            while text := await asyncio.to_thread(spool.read, CHUNK_CHARACTERS):
                await response.write(text.encode())
        return response

    async def _control(self, request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.text())
            verb, value = asked["verb"], asked.get("value")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise web.HTTPBadRequest(text="what is asked for cannot be read\n") from None
        if verb not in BUTTONS or not isinstance(value, str | None):
            raise web.HTTPBadRequest(text=f"the verbs are {', '.join(BUTTONS)}\n")
        try:
            answer = await control.ask(self._ledger, verb, value)
        except BulkrouteError as error:
            return web.json_response({"error": str(error)}, status=409)
        return web.json_response(answer, status=200 if answer["ok"] else 409)


def _write_failed(
    ledger: Path, which: Which | int, search: Search, file: IO[str], line: Callable[[FailedRow], list[object]]
) -> None:
    """Write the failed rows that a search finds, over a connection of its own. Raises LedgerError, UsageError."""
    with Ledger(ledger).read() as reader:
        rows = reader.require_batch(which).failed_rows(search)
        csv.writer(file, lineterminator="\n").writerows(map(line, rows))


def _search(request: web.Request) -> Search:
    return Search(kind=request.query.get("kind", "")[:LONGEST_TEXT], text=request.query.get("text", "")[:LONGEST_TEXT])


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise web.HTTPBadRequest(text=f"{name} is not a number\n")
    return int(text)
