"""Open connections to one service between two calls: the next call takes the one that has waited longest.

aiohttp has lent them and hears of each once, when it is closed: a way through its pool and back would cost a call more
than parsing its answer. Promises that none is used, or stays open, that has been idle for longer than `KEEPALIVE_S`.
"""

import asyncio
from collections import deque

from aiohttp.connector import Connection

KEEPALIVE_S = 4.0
"""Idle connections are dropped by us before common servers do (5 s and up): a POST on a dead connection is lost."""


class Idle:
    """Connections that wait for their next call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Connection, float]] = deque()
        """Each with the time since when, the longest first."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def keep(self, connection: Connection) -> None:
        """Keep a connection for the next call; one that must not be used again is closed."""
        if self._is_closed or not is_usable(connection):
            connection.close()
            return
        self._waiting.append((connection, self._loop.time()))
        if self._timer is None:
            self._timer = self._loop.call_later(KEEPALIVE_S, self._drop)

    def take(self) -> Connection | None:
        """Return a connection that is open and may be used, which is the caller's then; None if there is none."""
        while self._waiting:
            connection, since_s = self._waiting.popleft()
            if is_usable(connection) and self._loop.time() - since_s <= KEEPALIVE_S:
                return connection
            connection.close()
        return None

    def close(self) -> None:
        """Close all of them, and those that are still to come."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._waiting:
            self._waiting.pop()[0].close()

    def _drop(self) -> None:
        """Close those whose time is over, and look again once that of the next one is."""
        self._timer = None
        now_s = self._loop.time()
        while self._waiting and self._waiting[0][1] + KEEPALIVE_S <= now_s:
            self._waiting.popleft()[0].close()
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][1] + KEEPALIVE_S, self._drop)


def is_usable(connection: Connection) -> bool:
    """Tell whether a connection is open and nothing was said on it that nobody asked for: it would be taken for our answer."""
    protocol = connection.protocol
    return protocol is not None and protocol.is_connected() and not protocol.should_close
