"""The service is down at the times told, in the way told, and back afterwards."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from bulkroute.simulator import Faults, synthetic_routes
from bulkroute.simulator.outages import Outage, outage
from tests.simulator.conftest import ID, Peer, Serve, fire, on_virtual_time, status_of

MANY = synthetic_routes(300, 1)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5s+20s:503", Outage(5, 20, math.inf, "503", "", 1)),
        ("0+1.5m:refused", Outage(0, 90, math.inf, "refused", "", 1)),
        ("1h+500ms/10s:reset", Outage(3600, 0.5, 10, "reset", "", 1)),
        ("5s+60s:503*0.5", Outage(5, 60, math.inf, "503", "", 0.5)),
        ("5s+60s:hang@token", Outage(5, 60, math.inf, "hang", "token", 1)),
        ("5s+60s/2m:500@modify*.25", Outage(5, 60, 120, "500", "modify", 0.25)),
        ("5s+60s:522@read", Outage(5, 60, math.inf, "522", "read", 1)),
    ],
)
def test_the_grammar(text: str, meant: Outage) -> None:
    assert outage(text) == meant


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write BEGIN"),
        ("5s:503", "write BEGIN"),
        ("5s+20s:302", "write BEGIN"),
        ("5s+20s:gone", "no kind of outage"),
        ("5s+20s:503*2", "write BEGIN"),
        ("5s+20s:503@queue", "write BEGIN"),
        ("5s+20s:refused@token", "closed port"),
        ("5s+20s:refused*0.5", "closed port"),
        ("5s+20s/20s:503", "less than its period"),
        ("5s+0s:503", "some time"),
        ("٥s+20s:503", "write BEGIN"),
    ],
)
def test_what_is_no_outage_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Faults(outages=(text,))


def test_when_it_changes_next() -> None:
    once, again = outage("5s+20s:503"), outage("5s+2s/10s:503")
    assert [once.next_change_s(at) for at in (0, 5, 24, 25)] == [5, 25, 25, math.inf]
    assert [again.next_change_s(at) for at in (0, 5, 7, 16)] == [5, 7, 15, 17]
    assert [again.is_on(at) for at in (0, 5, 6.9, 7, 15, 17)] == [False, True, True, False, True, False]


@pytest.mark.parametrize("kind", ["500", "502", "503", "504", "522", "408", "reset"])
def test_it_begins_lasts_and_ends(serve: Serve, kind: str) -> None:
    async def use(peer: Peer) -> None:
        status = 0 if kind == "reset" else int(kind)
        assert await fire(peer, 1.0, 12) == [200] * 3 + [status] * 5 + [200] * 4
        assert peer.simulator.faults_met == {f"outage_{kind}": 5}
        assert peer.simulator.calls_per_endpoint["modifyCalledRoute"] == 12

    on_virtual_time(serve, Faults(outages=(f"2.5s+5s:{kind}",)), use)


def test_nothing_is_changed_meanwhile(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        await fire(peer, 1.0, 3)
        assert peer.simulator.bindings[ID] == (1, 1)

    on_virtual_time(serve, Faults(outages=("0s+9s:503",)), use)


def test_a_hanging_service_never_answers(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        await peer.modify(ID)
        await asyncio.sleep(2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.modify(ID), 100)
        assert (await peer.modify(ID)).status == 200

    on_virtual_time(serve, Faults(outages=("1s+5s:hang",)), use)


def test_a_closed_port_refuses_and_opens_again(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        url = peer.simulator.url
        assert await fire(peer, 1.0, 12) == [200] * 3 + [0] * 5 + [200] * 4
        assert peer.simulator.url == url
        assert peer.simulator.calls_per_endpoint["modifyCalledRoute"] == 7, "a call reached a closed port"

    on_virtual_time(serve, Faults(outages=("2.5s+5s:refused",)), use)


async def test_connections_are_refused_by_the_kernel(serve: Serve) -> None:
    async with serve(MANY, Faults(outages=("0s+1h:refused",), times_from="start")) as peer:
        await connected(peer, is_open=False)
        with pytest.raises(aiohttp.ClientConnectorError):
            await peer.modify(ID)
        peer.simulator.set_faults(Faults())
        await connected(peer, is_open=True)
        assert (await peer.modify(ID)).status == 200


async def connected(peer: Peer, *, is_open: bool) -> None:
    """Connect again and again until the port is open, or is not; gives up after a thousand times."""
    for _ in range(1000):
        try:
            _reader, writer = await asyncio.open_connection("127.0.0.1", int(peer.simulator.url.rpartition(":")[2]))
        except OSError as error:  # a reset where it closed in the middle of connecting
            if not is_open and isinstance(error, ConnectionRefusedError):
                return
        else:
            writer.close()
            if is_open:
                return
        await asyncio.sleep(0.01)
    pytest.fail(f"the port did not become {'open' if is_open else 'closed'}")


async def test_calls_under_way_break_when_the_port_closes(serve: Serve) -> None:
    async with serve(MANY, Faults(latency_ms=60_000, outages=("50ms+1h:refused",))) as peer:
        assert await status_of(peer.modify(ID)) == 0
        assert peer.simulator.bindings[ID] == (1, 101), "it was carried out before"


async def test_a_stopped_simulator_starts_again_though_its_port_was_closed(serve: Serve) -> None:
    async with serve(MANY, Faults(outages=("0s+1h:refused",))) as peer:
        assert await status_of(peer.modify(ID)) == 0
        await peer.simulator.stop()
        peer.simulator.set_faults(Faults())
        await peer.simulator.start()
        assert (await peer.modify(ID)).status == 200


def test_times_count_from_the_first_call_unless_told_otherwise(serve: Serve) -> None:
    async def late(peer: Peer) -> None:
        await asyncio.sleep(100)
        assert await fire(peer, 1.0, 4) == [200, 503, 503, 200]

    async def at_once(peer: Peer) -> None:
        await asyncio.sleep(100)
        assert await fire(peer, 1.0, 4) == [200] * 4

    on_virtual_time(serve, Faults(outages=("0.5s+2s:503",)), late)
    on_virtual_time(serve, Faults(outages=("0.5s+2s:503",), times_from="start"), at_once)


def test_faults_set_later_count_anew(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        await fire(peer, 1.0, 5)
        peer.simulator.set_faults(Faults(outages=("1s+2s:503",), times_from="start"))
        await asyncio.sleep(1.5)
        assert await fire(peer, 1.0, 3) == [503, 503, 200]

    on_virtual_time(serve, Faults(), use)


def test_flapping(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        assert await fire(peer, 1.0, 13) == [200, 503, 503, 200, 200, 503, 503, 200, 200, 503, 503, 200, 200]

    on_virtual_time(serve, Faults(outages=("0.5s+2s/4s:503",)), use)


def test_a_port_may_flap_too(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        assert await fire(peer, 1.0, 9) == [200, 0, 0, 200, 200, 0, 0, 200, 200]

    on_virtual_time(serve, Faults(outages=("0.5s+2s/4s:refused",)), use)


@pytest.mark.slow
def test_a_brown_out_strikes_its_share_by_the_seed(serve: Serve) -> None:
    seen: list[list[int]] = []

    async def use(peer: Peer) -> None:
        seen.append(await fire(peer, 0.01, 200))

    for seed in (1, 1, 2):
        on_virtual_time(serve, Faults(outages=("0s+1h:503*0.3",)), use, seed=seed)
    assert Counter(seen[0])[503] == pytest.approx(60, abs=25)
    assert seen[0] == seen[1] != seen[2]


def test_outages_may_overlap(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        assert Counter(await fire(peer, 0.01, 100)).keys() == {200, 500, 503, 0}

    on_virtual_time(serve, Faults(outages=("0s+1h:503*0.3", "0s+1h:reset*0.3", "0s+1h:500*0.3")), use)


Call = Callable[[Peer], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "modify": lambda peer: peer.modify(ID),
    "token": lambda peer: peer.token(),
    "read": lambda peer: peer.send("query"),
}


@pytest.mark.parametrize("where", CALLS)
def test_one_endpoint_alone(serve: Serve, where: str) -> None:
    async def use(peer: Peer) -> None:
        for name, call in CALLS.items():
            assert (await call(peer)).status == (503 if name == where else 200)

    on_virtual_time(serve, Faults(outages=(f"0s+1h:503@{where}",)), use)
