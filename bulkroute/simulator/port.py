"""The port: opened, closed so that connections are refused, and opened again under the same number."""

import asyncio
import socket

from aiohttp import web

from .wire import reset

_STOP_S = 5.0
_BACKLOG = 1024


class Port:
    """Where the service listens. While it is closed, bound sockets that do not listen keep its number from others."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._host = ""
        self._number = 0
        self._listening: asyncio.Server | None = None
        self._held: list[socket.socket] = []

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._listening is not None

    async def open(self, host: str, number: int) -> int:
        """Listen; returns the number, which is a free one for 0. OSError if it is taken."""
        self._listening = await asyncio.get_running_loop().create_server(self._server, host, number, backlog=_BACKLOG)
        self._host = host
        self._number = int(self._listening.sockets[0].getsockname()[1])
        self._let_go()
        return self._number

    async def reopen(self) -> None:
        """Listen again where it listened before."""
        if not self.is_open:
            await self.open(self._host, self._number)

    async def close(self) -> None:
        """Stop listening and drop every connection, as a process that dies."""
        listening, self._listening = self._listening, None
        if listening is None:
            return
        names = [(one.family, one.getsockname()) for one in listening.sockets]
        listening.close()
        for connection in self._server.connections:
            if connection.transport is not None:
                reset(connection.transport)
        await asyncio.sleep(0)  # uvloop closes a listening socket a turn later
        self._held = [_held(family, name) for family, name in names]

    async def shut(self) -> None:
        """Close for good; calls under way are ended."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        for connection in self._server.connections:
            connection.force_close()
        await self._server.shutdown(_STOP_S)
        if listening is not None:
            await listening.wait_closed()
        self._let_go()

    def _let_go(self) -> None:
        for one in self._held:
            one.close()
        self._held = []


def _held(family: int, name: tuple[object, ...]) -> socket.socket:
    held = socket.socket(family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    held.bind(name)
    return held
