"""The connections of the live page, bounded: whoever was not let in never takes the place of who was.

A connection is a stranger's until a request on it was let in. Strangers have few places: who comes last takes that of
the first. So any number that say nothing, or little, or read nothing, cost a fixed number of descriptors, and nobody
who has the token waits for them. Nothing is logged, whatever they do.
"""

import asyncio
import errno
import math
import resource
import socket
from collections.abc import Callable

FIRST_REQUEST_S = 20.0
"""So long may a stranger stay."""
IDLE_S = 60.0
"""So long may anybody else ask nothing, or not take what was sent."""
MOST = 512
"""Connections at once, if the process may have so many descriptors."""
KEPT_DESCRIPTORS = 64
"""Of the limit, for all the rest that the process has open."""
FEWEST = 12
NO_DESCRIPTOR_PAUSE_S = 0.2
BACKLOG = 128
SEND_BUFFER_BYTES = 131_072
"""So much may wait in the kernel for a visitor who takes nothing."""
NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Connections:
    """Accepts visitors at any number of listening sockets."""

    def __init__(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        """`protocol` makes what talks to one visitor."""
        self._protocol = protocol
        self._strangers: dict[asyncio.BaseTransport, float] = {}
        self._let_in: dict[asyncio.BaseTransport, float] = {}
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MOST if allowed == resource.RLIM_INFINITY else max(FEWEST, min(MOST, allowed - KEPT_DESCRIPTORS))
        self._most_strangers = most // 4
        self._most_let_in = most - self._most_strangers
        self.most_streams = self._most_let_in // 2
        """Of them, that may last: the others are for what a page asks beside."""
        self.came = asyncio.Event()
        """Set once somebody was let in."""

    async def accept_at(self, listener: socket.socket) -> None:
        """Accept until cancelled. One after the other, so that each is read before the next ones can push it out."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                visitor, _ = await loop.sock_accept(listener)
            except OSError:  # no descriptor is left, or it has gone again
                self._make_room(0)
                await asyncio.sleep(NO_DESCRIPTOR_PAUSE_S)
                continue
            self._make_room(self._most_strangers - 1)
            transport, _ = await loop.connect_accepted_socket(self._protocol, visitor)
            self._strangers[transport] = loop.time() + FIRST_REQUEST_S

    def let_in(self, transport: asyncio.BaseTransport | None) -> bool:
        """Count a connection among those that are kept; tell whether there is room for it."""
        if transport is None:
            return False
        if transport not in self._let_in:
            self._forget_closed(self._let_in)
            if len(self._let_in) >= self._most_let_in:
                return False
            self._strangers.pop(transport, None)
        self.keep(transport)
        self.came.set()
        return True

    def keep(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that a connection is of use: it asked for something, or took what was sent."""
        if transport is not None:
            self._let_in[transport] = asyncio.get_running_loop().time() + IDLE_S

    def wait_for_us(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that an answer is being made for a connection: no time runs against it until `keep`."""
        if transport is not None:
            self._let_in[transport] = math.inf

    async def close_idle(self) -> None:
        """Close, until cancelled, whose time is over."""
        while True:
            await asyncio.sleep(1)
            now_s = asyncio.get_running_loop().time()
            for known in (self._strangers, self._let_in):
                self._forget_closed(known)
                for transport in [each for each, until_s in known.items() if until_s < now_s]:
                    _abort(transport)

    def _make_room(self, most: int) -> None:
        """Close the strangers that came first, so that at most so many are left."""
        if len(self._strangers) > most:
            self._forget_closed(self._strangers)
        for transport in list(self._strangers)[: max(0, len(self._strangers) - most)]:
            del self._strangers[transport]
            _abort(transport)

    def _forget_closed(self, known: dict[asyncio.BaseTransport, float]) -> None:
        for transport in [each for each in known if each.get_extra_info("socket").fileno() < 0]:
            del known[transport]


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at every address of `host`, at one port; 0 takes a free one. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    missing: OSError | None = None
    for family, _, _, _, (address, *_) in dict.fromkeys(found):
        taken = listeners[0].getsockname()[1] if listeners else port
        try:
            listener = socket.create_server((str(address), taken), family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno in NO_SUCH_ADDRESS:  # of the two that localhost has, say
                missing = error
                continue
            for listener in listeners:
                listener.close()
            raise
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # of its connections
        listeners.append(listener)
    if missing is not None and not listeners:
        raise missing
    return listeners


def _abort(transport: asyncio.BaseTransport) -> None:
    """Close a connection at once: what was not sent yet is thrown away."""
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
