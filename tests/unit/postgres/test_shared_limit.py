"""One rate over several sessions: the bound, the mean, turns, and that nobody starts a call without the database."""

import asyncio
import time

import psycopg
import pytest

from bulkroute.errors import LedgerError
from bulkroute.postgres.database import Database
from bulkroute.postgres.shared_limit import MARGIN_S, SharedLimit
from bulkroute.rate.pacer import Pacer
from tests.pace_real_time import most_within

pytestmark = pytest.mark.slow


async def call(pacer: Pacer, left_s: list[float], until_s: float, connect_s: float = 0.0) -> None:
    while True:
        slot = await pacer.start()
        await asyncio.sleep(connect_s)
        while (waiting := slot.depart(pacer.start)) is not None:
            await waiting
        if pacer.clock() >= until_s:
            return
        left_s.append(pacer.clock())


async def test_all_sessions_together_keep_the_bound_and_hardly_less(url: str) -> None:
    rate_per_s, seconds = 100, 3.0
    left_s: list[float] = []
    async with Database(url) as one, Database(url) as two:
        until_s = asyncio.get_running_loop().time() + seconds
        callers = []
        for database in (one, two):
            limit = await database.limit("partner-a", rate_per_s)
            callers += [call(Pacer(None, limit=limit), left_s, until_s) for _ in range(3)]
        await asyncio.gather(*callers)
    assert most_within(sorted(left_s), 1.0) <= rate_per_s
    assert len(left_s) > 0.8 * rate_per_s * seconds  # the mean is for a machine that nobody else is at


async def test_a_connection_that_takes_its_time_starts_no_call_too_late(url: str) -> None:
    left_s: list[float] = []
    async with Database(url) as one:
        until_s = asyncio.get_running_loop().time() + 2
        limit = await one.limit("partner-a", 20)
        await asyncio.gather(*(call(Pacer(None, limit=limit), left_s, until_s, 4 * MARGIN_S) for _ in range(6)))
    assert len(left_s) > 10
    assert most_within(sorted(left_s), 1.0) <= 20


async def test_slots_of_different_names_have_nothing_to_do_with_each_other_and_are_a_spacing_apart(url: str) -> None:
    async with Database(url) as one:
        session = (await one.limit("a", 10))._session
        a, b = SharedLimit(session, "a", 10), SharedLimit(session, "b", 10)
        first = await a.start()
        await b.start()
        second = await a.start()
        assert second.from_s - first.from_s >= 0.103 - MARGIN_S
        assert a.try_start() is None


async def test_a_slot_given_back_goes_to_who_waits_and_a_late_one_is_dropped(url: str) -> None:
    async with Database(url) as one:
        limit = await one.limit("a", 1)
        slot = await limit.start()
        waiting = asyncio.create_task(limit.start())
        await asyncio.sleep(0)
        slot.give_back()
        if slot.leave():
            assert await waiting is slot
        time.sleep(2 * MARGIN_S)  # as a process that freezes
        assert not slot.leave()
        slot.give_back()
        assert limit.try_start() is None
        waiting.cancel()


async def test_who_is_cancelled_has_taken_nothing(url: str) -> None:
    async with Database(url) as one:
        limit = await one.limit("a", 50)
        first = asyncio.create_task(limit.start())
        second = asyncio.create_task(limit.start())
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).leave()


async def test_without_the_database_no_call_starts(url: str) -> None:
    async with Database(url) as one:
        limit = await one.limit("a", 50)
        pacer = Pacer(None, limit=limit)
        await pacer.start()
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        with pytest.raises(LedgerError, match="out of reach"):
            await asyncio.gather(*(pacer.start() for _ in range(100)))
        again = await one.limit("a", 50)  # by a session of its own again, for who goes on
        assert (await again.start()).leave()
