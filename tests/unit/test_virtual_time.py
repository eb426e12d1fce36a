"""The virtual loop: jumps where nothing but time is awaited, and never past sockets or threads at work."""

import asyncio
import time

import aiohttp
import pytest
from aiohttp import web
from aiolimiter import AsyncLimiter

from tests import virtual_time
from tests.virtual_time import VirtualDeadlock, VirtualTimeLoop, run_virtual


def test_sleeps_cost_no_real_time_and_wake_in_order() -> None:
    async def scenario() -> tuple[list[float], float]:
        loop = asyncio.get_running_loop()
        woken_s: list[float] = []

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken_s.append(loop.time())

        await asyncio.gather(*(sleep(seconds) for seconds in (86_400, 3, 60)))
        return woken_s, loop.time()

    woken_s, end_s = run_virtual(scenario())
    assert woken_s == pytest.approx([3, 60, 86_400], abs=0.001)
    assert end_s == pytest.approx(86_400, abs=0.001)


def test_polling_the_clock_gets_on() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        while loop.time() < 0.001:
            await asyncio.sleep(0)
        return loop.time()

    assert run_virtual(scenario()) == pytest.approx(0.001, abs=0.0001)


def test_unmodified_client_limiter_and_server() -> None:
    async def scenario() -> tuple[int, float]:
        async def answer(_request: web.BaseRequest) -> web.Response:
            await asyncio.sleep(2)
            return web.Response(text="done")

        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        limiter, answers = AsyncLimiter(1, 3), 0
        async with aiohttp.ClientSession() as session:
            for _ in range(50):
                async with limiter, session.post(url) as reply:
                    answers += await reply.text() == "done"
        await runner.cleanup()
        return answers, asyncio.get_running_loop().time()

    answers, end_s = run_virtual(scenario())
    assert answers == 50
    assert end_s == pytest.approx(49 * 3 + 2, abs=0.1)


def test_a_timeout_of_the_client_is_virtual_too() -> None:
    async def scenario() -> float:
        async def answer(_request: web.BaseRequest) -> web.Response:
            await asyncio.sleep(1000)
            return web.Response()

        runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_read=15)) as session:
            with pytest.raises(TimeoutError):
                await session.post(url)
        end_s = asyncio.get_running_loop().time()
        await runner.cleanup()
        return end_s

    assert run_virtual(scenario()) == pytest.approx(15, abs=1.1)


def test_threads_take_no_virtual_time() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(1):
            await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.05) for _ in range(3)))
        return loop.time()

    assert run_virtual(scenario()) < 0.001


def test_a_failing_job_is_forgotten_too() -> None:
    def fail() -> None:
        raise OSError("disk full")

    async def scenario() -> float:
        with pytest.raises(OSError, match="disk full"):
            await asyncio.to_thread(fail)
        await asyncio.sleep(100)
        return asyncio.get_running_loop().time()

    assert run_virtual(scenario()) == pytest.approx(100, abs=0.001)


def test_a_stall_passes_time_at_once() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        before_s = loop.time()
        loop.stall(0.25)
        return loop.time() - before_s

    assert run_virtual(scenario()) == pytest.approx(0.25)


def test_waiting_for_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_time, "PATIENCE_S", 0.05)

    async def scenario() -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlock, match="no timer is set"):
        run_virtual(scenario())


def test_errors_of_the_scenario_come_through() -> None:
    async def scenario() -> None:
        await asyncio.sleep(5)
        raise LookupError("as it should")

    with pytest.raises(LookupError, match="as it should"):
        run_virtual(scenario())
