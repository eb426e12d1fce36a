"""What serves pages: who is let in to what, on how many connections, and errors in words.

A page itself holds nothing of a ledger, so anybody may have it; all it shows, it asks for with the token.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TypeVar, cast

from aiohttp import web

from bulkroute.errors import BulkrouteError
from bulkroute.run.verbs import VERBS
from bulkroute.web.access import HEADERS, Access
from bulkroute.web.bug_log import only_bugs
from bulkroute.web.connections import IDLE_S, Connections
from bulkroute.web.document import Document
from bulkroute.web.feed import News
from bulkroute.web.lookups import busy

T = TypeVar("T")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_DOWNLOADS = 4
"""At once: each may wait in a temporary file."""
LONGEST_REQUEST_BYTES = 4096
NOTHING_ELSE = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
BUTTONS = [name for name, verb in VERBS.items() if verb.button]


class Host:
    """Serves any number of pages for the block of `serving`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._shells: list[Handler] = []
        self._streams = 0
        self._downloads = 0

    def shell(self, page: Document) -> Handler:
        """Return what answers with a page to anybody."""
        body = page.html.encode()
        policy = {"Content-Security-Policy": f"{page.policy}; connect-src 'self'; frame-ancestors 'none'"}

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(body=body, content_type="text/html", charset="utf-8", headers=policy)

        self._shells.append(answer)
        return answer

    @contextlib.asynccontextmanager
    async def serving(
        self, listeners: list[socket.socket], routes: Sequence[web.RouteDef]
    ) -> AsyncIterator[Connections]:
        """Serve at these sockets for the block, and give the connections."""
        app = web.Application(middlewares=[self._guard], client_max_size=LONGEST_REQUEST_BYTES)
        app.add_routes(routes)
        with only_bugs("aiohttp.server", "asyncio"):
            runner = web.AppRunner(
                app,
                access_log=None,
                handler_cancellation=True,  # who has gone leaves its place at once
                shutdown_timeout=2,
                keepalive_timeout=IDLE_S,
                lingering_time=0,
                auto_decompress=False,
            )
            await runner.setup()
            self._connections = Connections(cast("web.Server", runner.server))
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
            if request.match_info.handler not in self._shells:
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

    async def stream(self, request: web.Request, news: News) -> web.StreamResponse:
        """Send news as they come, until the browser goes."""
        if self._streams >= self._connections.most_streams:
            raise busy("too many look at this page")
        self._streams += 1
        try:
            response = web.StreamResponse(headers={**HEADERS, **NOTHING_ELSE, "Content-Type": "text/event-stream"})
            await response.prepare(request)
            async with contextlib.aclosing(news.events()) as events:
                async for event in events:
                    await response.write(event)
                    self.keep(request)
        except ConnectionError:
            pass  # the browser has gone
        finally:
            self._streams -= 1
        return response

    @contextlib.contextmanager
    def downloading(self) -> Iterator[None]:
        """Hold one of the places for downloads. Raises web.HTTPServiceUnavailable if none is free."""
        if self._downloads >= MOST_DOWNLOADS:
            raise busy("other downloads go on already")
        self._downloads += 1
        try:
            yield
        finally:
            self._downloads -= 1

    async def wait(self, request: web.Request, answer: Awaitable[T]) -> T:
        """Return an answer that takes its time; whoever waits for that is not idle."""
        self._connections.wait_for_us(request.transport)
        try:
            return await answer
        finally:
            self.keep(request)

    def keep(self, request: web.Request) -> None:
        """Note that whoever asked took something."""
        self._connections.keep(request.transport)


async def pressed(request: web.Request) -> tuple[str, str | None]:
    """Return the verb of the button that was pressed, and its value. Raises web.HTTPBadRequest for anything else."""
    try:
        asked = json.loads(await request.read())
        verb, value = asked["verb"], asked.get("value")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise web.HTTPBadRequest(text="what is asked for cannot be read\n") from None
    if verb not in BUTTONS or not isinstance(value, str | None):
        raise web.HTTPBadRequest(text=f"the verbs are {', '.join(BUTTONS)}\n")
    return verb, value
