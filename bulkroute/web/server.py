"""The live page's server: one ledger, read-only; the run is reached through its control socket alone.

Nothing it does, and nothing done to it, can touch the run but a control verb, and those are served only where asked for.
The page itself holds nothing of the ledger, so anybody may have it; all it shows, it asks for with the token.
"""

import asyncio
import contextlib
import csv
import json
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from aiohttp import web

from bulkroute.errors import BulkrouteError
from bulkroute.ledger.chart_queries import FailedRow, Search
from bulkroute.ledger.export import defused
from bulkroute.ledger.reader import LedgerReader
from bulkroute.run import control
from bulkroute.run.verbs import VERBS
from bulkroute.web.access import HEADERS, Access
from bulkroute.web.bug_log import only_bugs
from bulkroute.web.connections import IDLE_S, Connections
from bulkroute.web.feed import Feed
from bulkroute.web.lookups import Lookups, busy
from bulkroute.web.page_data import packed
from bulkroute.web.report import asset, document

T = TypeVar("T")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_ROWS = 1000
"""Rows in one answer of the failed rows' table."""
LONGEST_TEXT = 200
"""Characters of a search."""
MOST_DOWNLOADS = 4
"""At once: each may wait in a temporary file."""
CHUNK_CHARACTERS = 65_536
IN_MEMORY_BYTES = 1_048_576
"""Of a download; a larger one waits in a temporary file."""
LONGEST_REQUEST_BYTES = 4096
BUTTONS = [name for name, verb in VERBS.items() if verb.button]
NOTHING_ELSE = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}


class Server:
    """Serves one ledger's page."""

    def __init__(self, ledger: Path, feed: Feed, access: Access, *, may_control: bool) -> None:
        self._ledger = ledger
        self._feed = feed
        self._access = access
        self._may_control = may_control
        page = document(
            ("link.js", "live.js"),
            title="bulkroute",
            live=asset("live.html"),
            controls=asset("controls.html") if may_control else "",
        )
        self._page = page.html.encode()
        self._policy = {"Content-Security-Policy": f"{page.policy}; connect-src 'self'; frame-ancestors 'none'"}
        self._streams = 0
        self._downloads = 0

    @contextlib.asynccontextmanager
    async def serving(self, listeners: list[socket.socket]) -> AsyncIterator[Connections]:
        """Serve at these sockets for the block, and give the connections."""
        with only_bugs("aiohttp.server", "asyncio"):
            runner = web.AppRunner(
                self._application(),
                access_log=None,
                handler_cancellation=True,  # who has gone leaves its place at once
                shutdown_timeout=2,
                keepalive_timeout=IDLE_S,
                lingering_time=0,
                auto_decompress=False,
            )
            await runner.setup()
            self._connections = Connections(cast("web.Server", runner.server))
            self._lookups = Lookups(self._ledger)
            tasks = [asyncio.create_task(self._connections.accept_at(each)) for each in listeners]
            tasks.append(asyncio.create_task(self._connections.close_idle()))
            try:
                yield self._connections
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for listener in listeners:
                    listener.close()
                await runner.cleanup()
                self._lookups.close()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=LONGEST_REQUEST_BYTES)
        app.add_routes(
            [
                web.get("/", self._shell),
                web.get("/events", self._events),
                web.get("/failed", self._failed),
                web.get("/failed.txt", self._ids),
                web.get("/failed.csv", self._manifest),
            ]
        )
        if self._may_control:
            app.router.add_post("/control", self._control)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check who asks, answer errors in words, and put the protecting headers on every answer.

        A stranger gets one answer a connection, however many it asks for at once.
        """
        is_let_in = False
        try:
            self._access.require_name(request)
            if request.method != "GET":
                self._access.require_own_origin(request)
            if request.path != "/":
                self._access.require_token(request)
                is_let_in = self._connections.let_in(request.transport)
                if not is_let_in:
                    raise busy("too many look at this page")
            response = await handler(request)
        except web.HTTPException as error:
            kept = {name: error.headers[name] for name in ("WWW-Authenticate", "Retry-After") if name in error.headers}
            response = web.Response(status=error.status, text=error.text, headers=kept)
        except BulkrouteError as error:
            response = web.Response(status=503, text=f"{error}\n")
        if not response.prepared:
            for name, value in (HEADERS | NOTHING_ELSE).items():
                response.headers.setdefault(name, value)
            if not is_let_in:
                response.force_close()
        return response

    async def _shell(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._page, content_type="text/html", charset="utf-8", headers=self._policy)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= self._connections.most_streams:
            raise busy("too many look at this page")
        self._streams += 1
        try:
            response = web.StreamResponse(headers={**HEADERS, **NOTHING_ELSE, "Content-Type": "text/event-stream"})
            await response.prepare(request)
            async with contextlib.aclosing(self._feed.events()) as events:
                async for event in events:
                    await response.write(event)
                    self._connections.keep(request.transport)
        except ConnectionError:
            pass  # the browser has gone
        finally:
            self._streams -= 1
        return response

    async def _failed(self, request: web.Request) -> web.Response:
        search, offset = _search(request), _number(request, "offset", 0)
        limit = min(MOST_ROWS, _number(request, "limit", 100))

        def find(ledger: LedgerReader) -> dict[str, Any]:
            batch = ledger.require_batch(self._feed.which)
            return packed(batch.failed_rows(search, limit=limit, offset=offset), batch.count_failed(search))

        return web.json_response(await self._ask(request, find))

    async def _ask(self, request: web.Request, question: Callable[[LedgerReader], T]) -> T:
        """Ask the ledger; whoever waits for that is not idle."""
        self._connections.wait_for_us(request.transport)
        try:
            return await self._lookups.ask(question)
        finally:
            self._connections.keep(request.transport)

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
        if self._downloads >= MOST_DOWNLOADS:
            raise busy("other downloads go on already")
        self._downloads += 1
        try:
            with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, "w+", encoding="utf-8", newline="") as spool:
                spool.write(head)
                search = _search(request)
                await self._ask(request, lambda ledger: self._write_failed(ledger, search, spool, line))
                spool.seek(0)
                response = web.StreamResponse(
                    headers={**HEADERS, **NOTHING_ELSE, "Content-Type": f"{kind}; charset=utf-8"}
                )
                with contextlib.suppress(ConnectionError):  # the browser has gone
                    await response.prepare(request)  # not before: errors of the ledger are answers too
                    while text := await asyncio.to_thread(spool.read, CHUNK_CHARACTERS):
                        await response.write(text.encode())
                        self._connections.keep(request.transport)
        finally:
            self._downloads -= 1
        return response

    def _write_failed(
        self, ledger: LedgerReader, search: Search, file: IO[str], line: Callable[[FailedRow], list[object]]
    ) -> None:
        rows = ledger.require_batch(self._feed.which).failed_rows(search)
        csv.writer(file, lineterminator="\n").writerows(map(line, rows))

    async def _control(self, request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.read())
            verb, value = asked["verb"], asked.get("value")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise web.HTTPBadRequest(text="what is asked for cannot be read\n") from None
        if verb not in BUTTONS or not isinstance(value, str | None):
            raise web.HTTPBadRequest(text=f"the verbs are {', '.join(BUTTONS)}\n")
        try:
            answer = await control.ask(self._ledger, verb, value)
        except BulkrouteError as error:
            raise web.HTTPConflict(text=f"{error}\n") from error
        if not answer["ok"]:
            raise web.HTTPConflict(text=f"{answer['error']}\n")
        return web.json_response(answer)


def _search(request: web.Request) -> Search:
    return Search(kind=request.query.get("kind", "")[:LONGEST_TEXT], text=request.query.get("text", "")[:LONGEST_TEXT])


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise web.HTTPBadRequest(text=f"{name} is not a number\n")
    return int(text)
