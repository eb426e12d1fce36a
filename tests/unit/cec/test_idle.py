"""Connections between two calls: used again in turn, never once they are old, closed or spoken on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from bulkroute.cec.idle import KEEPALIVE_S, Idle
from bulkroute.cec.receiver import Connector, Receiver
from tests.unit.cec.test_receiver import Line
from tests.virtual_time import VirtualTimeLoop, run_virtual

Open = Callable[[], Connection]


@asynccontextmanager
async def pool() -> AsyncIterator[tuple[Idle, Open]]:
    """Give an empty one, and what opens connections that nobody is at the other end of."""
    loop = asyncio.get_running_loop()
    idle = Idle(loop)
    async with aiohttp.ClientSession(connector=Connector()) as session:
        connector = session.connector
        assert isinstance(connector, Connector)
        key = aiohttp.ClientRequest("POST", URL("http://localhost"), loop=loop).connection_key

        def make() -> Connection:
            protocol = Receiver(loop)
            protocol.connection_made(Line())
            return Connection(connector, key, protocol, loop)

        yield idle, make
        idle.close()


def test_the_one_that_waited_longest_is_used_next() -> None:
    async def scenario() -> None:
        async with pool() as (idle, make):
            first, second = make(), make()
            idle.keep(first)
            idle.keep(second)
            assert idle.take() is first
            idle.keep(first)
            assert [idle.take(), idle.take(), idle.take()] == [second, first, None]
            first.close()
            second.close()

    run_virtual(scenario())


def test_each_is_closed_once_it_was_idle_for_too_long() -> None:
    async def scenario() -> None:
        async with pool() as (idle, make):
            early, late = make(), make()
            idle.keep(early)
            await asyncio.sleep(KEEPALIVE_S / 2)
            idle.keep(late)
            await asyncio.sleep(KEEPALIVE_S / 2 + 0.01)
            assert (early.closed, late.closed) == (True, False)
            await asyncio.sleep(KEEPALIVE_S / 2)
            assert late.closed
            idle.keep(again := make())
            assert idle.take() is again, "and the timer was set anew"
            again.close()

    run_virtual(scenario())


def test_an_old_one_is_not_used_though_the_loop_had_no_time_to_close_it() -> None:
    async def scenario() -> None:
        async with pool() as (idle, make):
            idle.keep(old := make())
            cast("VirtualTimeLoop", asyncio.get_running_loop()).stall(KEEPALIVE_S + 0.01)
            assert idle.take() is None
            assert old.closed

    run_virtual(scenario())


def test_what_was_spoken_on_or_closed_is_not_used() -> None:
    async def scenario() -> None:
        async with pool() as (idle, make):
            spoken_on, hung_up, good = make(), make(), make()
            for each in (spoken_on, hung_up, good):
                idle.keep(each)
            assert spoken_on.protocol is not None
            assert hung_up.transport is not None
            spoken_on.protocol.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            hung_up.transport.close()
            assert idle.take() is good
            good.close()
            assert (spoken_on.closed, hung_up.closed) == (True, True)

    run_virtual(scenario())


def test_one_that_must_not_be_used_again_is_closed_at_once() -> None:
    async def scenario() -> None:
        async with pool() as (idle, make):
            done = make()
            assert done.protocol is not None
            done.protocol.force_close()
            idle.keep(done)
            assert done.closed

    run_virtual(scenario())


def test_once_it_is_closed_nothing_is_kept() -> None:
    async def scenario() -> None:
        async with pool() as (idle, make):
            before, after = make(), make()
            idle.keep(before)
            idle.close()
            idle.keep(after)
            assert (before.closed, after.closed, idle.take()) == (True, True, None)

    run_virtual(scenario())
