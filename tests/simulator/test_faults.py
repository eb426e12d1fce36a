"""Each fault does what it says, to whom the seed says."""

import asyncio
import gzip
import socket
from collections import Counter
from typing import Any

import aiohttp
import pytest

from bulkroute.simulator import Faults, Route, Simulator, synthetic_routes
from tests.simulator.conftest import Peer, Serve

ID = "1125397061153369092"
ONE = [Route(ID)]
OLD, NEW = (1, 1), (1, 101)
MANY = synthetic_routes(400, 1)


def only(knob: str) -> Faults:
    knobs: dict[str, Any] = {knob: 1.0}
    return Faults(**knobs)


async def statuses(peer: Peer, ids: list[str]) -> list[int]:
    return [(await peer.modify(route_id)).status for route_id in ids]


@pytest.mark.parametrize(
    ("knob", "status"), [("fail_500", 500), ("fail_502", 502), ("fail_503", 503), ("fail_504", 504), ("redirect", 302)]
)
async def test_error_answers_change_nothing(serve: Serve, knob: str, status: int) -> None:
    async with serve(ONE, only(knob)) as peer:
        answer = await peer.modify(ID)
        assert answer.status == status
        assert peer.simulator.bindings[ID] == OLD
        assert peer.simulator.faults_met == {knob: 1}
        assert "Retry-After" not in answer.headers
        assert ("Location" in answer.headers) == (knob == "redirect")


async def test_a_500_tells_code_and_description(serve: Serve) -> None:
    async with serve(ONE, Faults(fail_500_ids=1)) as peer:
        answer = await peer.modify(ID)
        assert answer.status == 500
        assert answer.json == {"returnCode": "20001", "description": "business failure: check the parameter values"}


@pytest.mark.parametrize(("knob", "binding"), [("reset_before", OLD), ("reset_after", NEW)])
async def test_a_reset_reaches_the_client_as_one(serve: Serve, knob: str, binding: tuple[int, int]) -> None:
    async with serve(ONE, only(knob)) as peer:
        with pytest.raises(aiohttp.ClientOSError, match="reset"):
            await peer.modify(ID)
        assert peer.simulator.bindings[ID] == binding
        assert peer.simulator.calls[0][2:] == (ID, 0, knob)


@pytest.mark.parametrize(("knob", "binding"), [("hang_before", OLD), ("hang_after", NEW)])
async def test_a_hanging_call_is_over_when_the_client_goes(serve: Serve, knob: str, binding: tuple[int, int]) -> None:
    async with serve(ONE, only(knob)) as peer:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.modify(ID), 0.05)
        assert peer.simulator.bindings[ID] == binding
        assert peer.simulator.violations == []
        assert peer.simulator.max_in_flight == 1


@pytest.mark.parametrize("knob", ["half_answer", "wrong_length"])
async def test_a_cut_answer_is_a_payload_error(serve: Serve, knob: str) -> None:
    async with serve(ONE, only(knob)) as peer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await peer.modify(ID)
        assert peer.simulator.bindings[ID] == NEW


async def test_half_an_answer_is_half_of_it(serve: Serve) -> None:
    async with serve(ONE, Faults(half_answer=1)) as peer:
        head, _, body = (await raw_answer(peer.simulator)).partition(b"\r\n\r\n")
        assert b"Content-Length: 54" in head
        assert body == b'{"returnCode":"0","descripti'[:27]


async def test_a_closed_connection_announces_nothing(serve: Serve) -> None:
    async with serve(ONE, Faults(close_after=1)) as peer:
        answer = await raw_answer(peer.simulator)
        assert answer.endswith(b'"data update success"}')
        assert b"onnection:" not in answer


BODY = b'{"id":"%s","devicetype":1,"deviceId":101}' % ID.encode()
REQUEST = (
    b"POST /apiaccess/rest/cc-management/v1/calledRoute/modifyCalledRoute HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/json\r\nAuthorization: Bearer door\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


async def raw_answer(simulator: Simulator) -> bytes:
    """Return everything that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.url.rpartition(":")[2]))
    writer.write(REQUEST)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_client_that_asks_for_close_gets_it(serve: Serve) -> None:
    async with serve(ONE) as peer:
        answer = await peer.modify(ID, Connection="close")
        assert answer.headers["Connection"] == "close"


@pytest.mark.slow
async def test_damaged_answers_come_after_the_change(serve: Serve) -> None:
    async with serve(ONE, Faults(garbage=1)) as peer:
        answer = await peer.modify(ID)
        assert answer.status == 200
        with pytest.raises(ValueError):
            _ = answer.json
        peer.simulator.set_faults(Faults(no_return_code=1))
        assert (await peer.modify(ID)).json == {"description": "data update success"}
        peer.simulator.set_faults(Faults(numeric_return_code=1))
        assert (await peer.modify(ID)).json["returnCode"] == 0
        peer.simulator.set_faults(Faults(big_answer=1))
        answer = await peer.modify(ID)
        assert (len(answer.body), answer.json["returnCode"]) == (8_000_000, "0")
        peer.simulator.set_faults(Faults(gzip_bomb=1))
        answer = await peer.modify(ID)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.body) < 100_000
        assert len(gzip.decompress(answer.body)) == 64 * 2**20
        peer.simulator.set_faults(Faults(drip=1, drip_s=0.0001))
        assert (await peer.modify(ID)).json["returnCode"] == "0"
        assert peer.simulator.faults_met["drip"] == 1
        assert peer.simulator.bindings[ID] == NEW


async def test_business_failures_stick_to_their_ids(serve: Serve) -> None:
    async with serve(MANY, Faults(business_ids=0.25, fail_500_ids=0.25, not_applied_ids=0.25), seed=5) as peer:
        ids = [route.id for route in MANY]
        first = [(await peer.modify(route_id)).body for route_id in ids]
        assert [(await peer.modify(route_id)).body for route_id in ids] == first
        met = peer.simulator.faults_met
        assert all(140 <= met[knob] <= 260 for knob in ("business_ids", "fail_500_ids", "not_applied_ids"))
        changed = sum(peer.simulator.bindings[route_id] == NEW for route_id in ids)
        assert 2 * changed == 800 - met["business_ids"] - met["fail_500_ids"] - met["not_applied_ids"]
        succeeded = sum(b'"returnCode":"0"' in body for body in first)
        assert 2 * succeeded == 2 * changed + met["not_applied_ids"]


@pytest.mark.slow
async def test_faults_do_not_depend_on_the_order_of_arrival(serve: Serve) -> None:
    ids = [route.id for route in MANY]

    async def outcome(order: list[str], seed: int) -> dict[str, list[int]]:
        async with serve(MANY, Faults(fail_500=0.3, fail_503=0.2), seed=seed) as peer:
            answers: dict[str, list[int]] = {route_id: [] for route_id in ids}
            for _ in range(3):
                for route_id, status in zip(order, await statuses(peer, order), strict=True):
                    answers[route_id].append(status)
            return answers

    forth = await outcome(ids, 7)
    assert forth == await outcome(ids[::-1], 7)
    assert forth != await outcome(ids, 8)
    counts = Counter(status for answers in forth.values() for status in answers)
    assert 300 < counts[500] < 420
    assert 180 < counts[503] < 300
    assert any(len(set(answers)) > 1 for answers in forth.values())


async def test_throttled_calls_do_not_shift_the_faults(serve: Serve) -> None:
    ids = [route.id for route in MANY[:40]]
    async with serve(MANY, Faults(fail_500=0.5), seed=2) as peer:
        undisturbed = await statuses(peer, ids)
    async with serve(MANY, Faults(throttle_forever=True), seed=2) as peer:
        assert set(await statuses(peer, ids)) == {429}
        peer.simulator.set_faults(Faults(fail_500=0.5))
        assert await statuses(peer, ids) == undisturbed


async def test_locked_routes_say_so_and_are_held(serve: Serve) -> None:
    async with serve(MANY, Faults(locked_ids=0.5), seed=3) as peer:
        rows = [row for offset in range(0, 400, 100) for row in (await peer.query(offset=offset))["calledRouteList"]]
        locked = {row["id"] for row in rows if row["editable"] in ("1", "3")}
        assert 150 < len(locked) < 250
        assert {row["editable"] for row in rows} >= {"1", "3", "0"}
        held = {route.id for route in MANY if (await peer.modify(route.id)).json["returnCode"] != "0"}
        assert held == locked
        peer.simulator.set_faults(Faults(locked_enforced=False))
        assert all([(await peer.modify(route_id)).json["returnCode"] == "0" for route_id in locked])


async def test_query_may_be_missing_or_refused(serve: Serve) -> None:
    for status in (404, 403):
        async with serve(ONE, Faults(query_status=status)) as peer:
            assert (await peer.send("query")).status == status
            assert (await peer.modify(ID)).status == 200


async def test_queues_may_not_be_read(serve: Serve) -> None:
    async with serve(ONE, Faults(skills_status=403)) as peer:
        assert (await peer.send("skills")).status == 403
        assert (await peer.send("flows")).status == (await peer.send("query")).status == 200
        assert peer.simulator.faults_met["skills_status"] == 1


async def test_query_total_may_be_wrong_for_ever(serve: Serve) -> None:
    async with serve(ONE, Faults(wrong_total=3)) as peer:
        assert [(await peer.query())["total"] for _ in range(3)] == [4, 4, 4]


async def test_the_order_of_pages_may_be_unstable_for_a_while(serve: Serve) -> None:
    async with serve(MANY, Faults(unstable_order=3), seed=1) as peer:
        shown = [[row["id"] for row in (await peer.query())["calledRouteList"]] for _ in range(5)]
        assert len({tuple(ids) for ids in shown}) == 4
        assert shown[3] == shown[4] == [route.id for route in MANY[:100]]


async def test_the_list_may_change_while_it_is_read(serve: Serve) -> None:
    async with serve(MANY, Faults(list_changes=2)) as peer:
        pages = [await peer.query(offset=offset) for offset in (0, 100, 200, 300)]
        assert [page["total"] for page in pages] == [400, 401, 400, 400]
        seen = Counter(row["id"] for page in pages for row in page["calledRouteList"])
        assert seen[MANY[99].id] == 2
        assert seen[MANY[199].id] == 0
        assert set(peer.simulator.bindings) == {route.id for route in MANY}


async def test_missing_targets_are_accepted_unless_refused(serve: Serve) -> None:
    async with serve(ONE) as peer:
        assert (await peer.modify(ID, 1, 55555)).json["returnCode"] == "0"
        assert (await peer.query())["calledRouteList"][0]["deviceDesc"] == ""
        peer.simulator.set_faults(Faults(refuse_missing_targets=True))
        assert (await peer.modify(ID, 1, 55556)).json["returnCode"] != "0"
        assert (await peer.modify(ID, 1, 101)).json["returnCode"] == "0"
        assert peer.simulator.bindings[ID] == NEW


async def test_other_endpoints_fail_only_if_named(serve: Serve) -> None:
    async with serve(ONE, Faults(fail_500=1)) as peer:
        assert (await peer.send("query")).status == 200
    async with serve(ONE, Faults(fail_500=1, faulty=frozenset({"queryCalledRoute"}))) as peer:
        assert (await peer.send("query")).status == 500
        assert (await peer.modify(ID)).status == 200


async def test_one_id_in_flight_twice_is_seen(serve: Serve) -> None:
    async with serve(MANY, Faults(latency_ms=50)) as peer:
        await asyncio.gather(*(peer.modify(route.id) for route in MANY[:20]))
        assert (peer.simulator.max_in_flight_per_id, peer.simulator.violations) == (1, [])
        assert peer.simulator.max_in_flight > 1
        await asyncio.gather(peer.modify(MANY[0].id), peer.modify(MANY[0].id), peer.modify(MANY[1].id))
        assert peer.simulator.max_in_flight_per_id == 2
        assert [route_id for _, route_id in peer.simulator.violations] == [MANY[0].id]


async def test_a_call_given_up_a_moment_ago_is_not_in_flight(serve: Serve) -> None:
    async with serve(ONE, Faults(latency_ms=60_000)) as peer:
        address = ("127.0.0.1", int(peer.simulator.url.rpartition(":")[2]))
        with socket.create_connection(address) as first, socket.create_connection(address) as second:
            first.sendall(REQUEST)
            while len(peer.simulator.calls) < 1:
                await asyncio.sleep(0.001)
            second.sendall(REQUEST)
            first.close()  # the server learns of both in one turn of its loop
            while len(peer.simulator.calls) < 2:
                await asyncio.sleep(0.001)
        assert peer.simulator.violations == []
        assert peer.simulator.max_in_flight_per_id == 1


@pytest.mark.parametrize(
    "knobs",
    [
        {"fail_500": 1.5},
        {"fail_500": 0.6, "reset_after": 0.6},
        {"business_ids": -0.1},
        {"throttle": 0},
        {"latency_ms": -1},
    ],
)
def test_knobs_out_of_range_are_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Faults(**knobs)
