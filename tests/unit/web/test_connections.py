"""Which connections are closed, and when."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bulkroute.web import connections
from bulkroute.web.connections import Connections, listen


class Silent(asyncio.Protocol):
    """Keeps what it is connected by, and says nothing."""

    made: list[asyncio.BaseTransport]

    def __init__(self, made: list[asyncio.BaseTransport]) -> None:
        self.made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.append(transport)


class Door:
    """Connections of few places, and visitors to them."""

    def __init__(self) -> None:
        self.made: list[asyncio.BaseTransport] = []
        self.connections = Connections(lambda: Silent(self.made))
        self.listener = listen("127.0.0.1", 0)[0]
        self.writers: list[asyncio.StreamWriter] = []

    async def visit(self) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
        known = len(self.made)
        reader, writer = await asyncio.open_connection(*self.listener.getsockname())
        self.writers.append(writer)
        while len(self.made) == known:
            await asyncio.sleep(0)
        return reader, self.made[-1]


@pytest_asyncio.fixture
async def door(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    for limit in ("MOST", "FEWEST"):
        monkeypatch.setattr(connections, limit, 8)
    door = Door()
    accepting = asyncio.create_task(door.connections.accept_at(door.listener))
    closing = asyncio.create_task(door.connections.close_idle())
    try:
        yield door
    finally:
        accepting.cancel()
        closing.cancel()
        for writer in door.writers:
            writer.close()
        for transport in door.made:
            transport.close()
        door.listener.close()


async def test_the_first_stranger_makes_room_for_the_last_and_who_was_let_in_stays(door: Door) -> None:
    first, known = await door.visit()
    assert not door.connections.came.is_set()
    assert door.connections.let_in(known)
    assert door.connections.came.is_set()
    second, _ = await door.visit()
    third, _ = await door.visit()
    await door.visit()
    assert await second.read(1) == b""
    assert not third.at_eof()
    assert not known.is_closing()
    assert not first.at_eof()


async def test_no_more_are_let_in_than_there_are_places_and_who_leaves_frees_one(door: Door) -> None:
    for _ in range(6):
        _, transport = await door.visit()
        assert door.connections.let_in(transport)
        assert door.connections.let_in(transport), "again, it takes no other place"
    _, late = await door.visit()
    assert not door.connections.let_in(late)
    door.made[2].close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert door.connections.let_in(late)


@pytest.mark.slow
async def test_strangers_and_idle_visitors_are_closed_when_their_time_is_over(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, transport = await door.visit()
    door.connections.let_in(transport)
    monkeypatch.setattr(connections, "FIRST_REQUEST_S", 0.1)
    stranger, _ = await door.visit()
    monkeypatch.setattr(connections, "IDLE_S", 0.1)
    idle, transport = await door.visit()
    door.connections.let_in(transport)
    waits, transport = await door.visit()
    door.connections.let_in(transport)
    door.connections.wait_for_us(transport)
    for reader in (stranger, idle):
        assert await reader.read(1) == b""
    assert not stays.at_eof()
    assert not waits.at_eof(), "it is the answer that takes its time"
    door.connections.keep(transport)
    assert await waits.read(1) == b""


def test_it_listens_at_every_address_of_a_name_at_one_port() -> None:
    listeners = listen("localhost", 0)
    try:
        assert len({listener.getsockname()[1] for listener in listeners}) == 1
        with pytest.raises(OSError, match="in use"):
            listen("127.0.0.1", listeners[0].getsockname()[1])
    finally:
        for listener in listeners:
            listener.close()
    with pytest.raises(OSError, match="assign"):
        listen("192.0.2.1", 0)
    assert isinstance(listeners[0], socket.socket)
