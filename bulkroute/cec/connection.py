"""A POST and its answer on a pooled connection, a floor below aiohttp's ClientSession.

aiohttp still finds, opens and secures the connections, through a proxy too, and parses all answers that are not plain
(`receiver`); between calls they are kept in `idle`. Left out is what a session does around each call and nothing here
needs: cookies, redirects, merged headers, traces, a task for the body, objects for request and response. With them a
call takes 3.4 times the instructions (381,000 against 113,000).
The parts used are those that ClientSession itself uses; a minor version may change them, so aiohttp's is pinned.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from bulkroute.cec.answers import Reply
from bulkroute.cec.expiry import Expiry
from bulkroute.cec.idle import Idle, is_usable
from bulkroute.cec.receiver import Receiver

ANSWER_LIMIT_BYTES = 1 << 20
MOST_INTERIM = 16
"""Answers of 1xx before the one that counts."""

Depart = Callable[[], Awaitable[None] | None]
"""Called just before the first byte leaves, on a connection that is ready: None lets it leave now.

Else it returns what is to be awaited before it is called again.
"""


def at_once() -> None:
    """Let a call leave that no rate limits."""


def bounds(timeout_s: float) -> aiohttp.ClientTimeout:
    """Return how long a call may take: half of it to connect, so that "nobody there" and "no answer" can be told apart."""
    return aiohttp.ClientTimeout(total=timeout_s, connect=timeout_s / 2)


class Exchange:
    """POSTs to one service over the connections of a session. Never retries, never follows a redirect."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        connector: aiohttp.TCPConnector,
        root: URL,
        proxy: URL | None,
        timeout_s: float,
    ) -> None:
        """Take the session that owns `connector`, the service's root, and the proxy on the way to it."""
        self._loop = asyncio.get_running_loop()
        self._connector = connector
        # Never sent itself: it tells the connector where to.
        self._request = aiohttp.ClientRequest("POST", root, loop=self._loop, session=session, proxy=proxy)
        self._host = root.host_port_subcomponent
        # https goes through a tunnel, which the connector digs; plain http is handed to the proxy itself.
        self._handed_to = proxy if root.scheme == "http" else None
        self._timeout_s = timeout_s
        self._timeout = bounds(timeout_s)
        self._expiry = Expiry(self._loop, aiohttp.SocketTimeoutError)
        self._idle = Idle(self._loop)
        self._headers: Mapping[str, str] | None = None
        self._heads: dict[str, bytes] = {}

    def close(self) -> None:
        """Close the connections on which nothing is asked; before the session, which owns them."""
        self._idle.close()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], depart: Depart) -> Reply:
        """Send `body` once and return the answer. Headers that are the same object as before cost nothing.

        Raises what `depart` raises, with nothing sent, and what aiohttp's session raises: ConnectionTimeoutError where
        no connection came about in time, another TimeoutError where no whole answer did, ValueError for headers that
        would not be the ones they seem.
        """
        if headers is not self._headers:
            self._headers = headers
            self._heads.clear()
        head = self._heads.get(path)
        if head is None:
            head = self._heads[path] = self._write_head(path, headers)
        request = b"%b%d\r\n\r\n%b" % (head, len(body), body)
        deadline_s = self._loop.time() + self._timeout_s
        connection = self._idle.take() or await self._connect(deadline_s)
        try:
            while (waiting := depart()) is not None:
                await waiting
                # Waiting for a slot does not count; and the service may have hung up meanwhile.
                deadline_s = self._loop.time() + self._timeout_s
                if not is_usable(connection):
                    connection.close()
                    connection = self._idle.take() or await self._connect(deadline_s)
            reply = await self._talk(connection, request, deadline_s)
        except BaseException:
            connection.close()
            raise
        if reply.keeps_connection:
            self._idle.keep(connection)
        else:
            connection.close()
            self._connector.clear_dns_cache()
        return reply

    def _write_head(self, path: str, headers: Mapping[str, str]) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if lines.count("\r") != len(headers) or lines.count("\n") != len(headers) or "\0" in lines:
            raise ValueError("a header holds a line break")
        target = path
        if self._handed_to is not None:
            target = f"http://{self._host}{path}"
            if login := aiohttp.BasicAuth.from_url(self._handed_to):
                lines += f"Proxy-Authorization: {login.encode()}\r\n"
        return f"POST {target} HTTP/1.1\r\nHost: {self._host}\r\n{lines}Content-Length: ".encode()

    async def _connect(self, deadline_s: float) -> Connection:
        """Return a new connection, or one that aiohttp has kept."""
        while self._loop.time() < deadline_s:
            try:
                connection = await self._connector.connect(self._request, traces=[], timeout=self._timeout)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError from error
            if is_usable(connection):
                return connection
            connection.close()
        raise aiohttp.ConnectionTimeoutError

    async def _talk(self, connection: Connection, request: bytes, deadline_s: float) -> Reply:
        protocol, transport = connection.protocol, connection.transport
        if not isinstance(protocol, Receiver) or transport is None:
            raise aiohttp.ServerDisconnectedError
        answered = protocol.expect()
        self._expiry.begin(protocol, deadline_s)
        try:
            transport.write(request)
            if (plain := await answered) is not None:
                return plain
            for _ in range(MOST_INTERIM + 1):
                message, content = await protocol.read()
                if message.code >= 200 or message.code == 101:
                    break  # else 100 Continue and its like: the answer is to follow
            else:
                raise aiohttp.http.HttpProcessingError(
                    message=f"more than {MOST_INTERIM} interim answers (1xx), no other"
                )
        except aiohttp.http.HttpProcessingError as error:
            raise aiohttp.ClientResponseError(
                self._request.request_info, (), status=error.code, message=error.message
            ) from error
        finally:
            self._expiry.end(protocol)
        if content.is_eof():
            said, whole = content.read_nowait()[:ANSWER_LIMIT_BYTES], content.total_bytes <= ANSWER_LIMIT_BYTES
        else:
            async with asyncio.timeout_at(deadline_s):
                said, whole = await read(content)
        return Reply.of(message.code, said, message.headers, whole=whole)


async def read(content: aiohttp.StreamReader) -> tuple[bytes, bool]:
    """Return the body, or its first ANSWER_LIMIT_BYTES and False."""
    parts: list[bytes] = []
    size = 0
    while part := await content.readany():
        parts.append(part)
        size += len(part)
        if size > ANSWER_LIMIT_BYTES:
            return b"".join(parts)[:ANSWER_LIMIT_BYTES], False
    return b"".join(parts), True
