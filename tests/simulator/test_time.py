"""Throttling, tokens, delays: everything that goes by the clock, on a clock that jumps."""

import asyncio
import email.utils
from typing import Any

import pytest

from bulkroute.simulator import Faults, synthetic_routes
from tests.simulator.conftest import ID, Peer, Serve, fire, on_virtual_time
from tests.virtual_time import run_virtual


def test_window_lets_r_calls_through_in_any_second(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        await fire(peer, 0.02, 200)
        passed = [call.at for call in peer.simulator.calls if call.status == 200]
        assert 38 <= len(passed) <= 40
        assert all(later - earlier >= 1 for earlier, later in zip(passed, passed[10:], strict=False))

    on_virtual_time(serve, Faults(throttle=10), use)


def test_a_throttle_below_one_a_second_has_a_wider_window(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        statuses = await fire(peer, 1.0, 9)
        assert statuses.count(200) in (2, 3)
        assert statuses[0] == 200

    on_virtual_time(serve, Faults(throttle=0.25), use)


def test_leaky_bucket_takes_its_burst_then_the_rate(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        assert sorted(await fire(peer, 0.0, 12)) == [200] * 6 + [429] * 6
        await asyncio.sleep(0.35)
        assert sorted(await fire(peer, 0.0, 6)) == [200] * 3 + [429] * 3

    on_virtual_time(serve, Faults(throttle=10, throttle_shape="leaky", throttle_burst=5), use)


def test_throttled_answer_is_the_gateways(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        await peer.modify(ID)
        answer = await peer.modify(ID)
        assert answer.status == 429
        assert answer.json["error_code"] == "APIG.0308"
        assert "limit:1,time:1 second" in answer.json["error_msg"]
        assert "Retry-After" not in answer.headers
        assert (await peer.send("query")).status == 429
        assert (await peer.token()).status == 200

    on_virtual_time(serve, Faults(throttle=1), use)


@pytest.mark.parametrize(("retry_after", "sent"), [("seconds", "4"), ("-1", "-1"), ("1e9", "1e9"), ("soon", "soon")])
def test_retry_after_in_seconds_or_in_nonsense(serve: Serve, retry_after: str, sent: str) -> None:
    async def use(peer: Peer) -> None:
        await peer.modify(ID)
        answer = await peer.modify(ID)
        assert (answer.status, answer.headers["Retry-After"]) == (503, sent)

    on_virtual_time(serve, Faults(throttle=0.25, throttle_status=503, retry_after=retry_after), use)


def test_retry_after_as_a_date_is_the_wait_away_from_now(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        await peer.modify(ID)
        headers = (await peer.modify(ID)).headers
        now, until = (email.utils.parsedate_to_datetime(headers[name]) for name in ("Date", "Retry-After"))
        assert 29 <= (until - now).total_seconds() <= 32

    on_virtual_time(serve, Faults(throttle=1 / 30, retry_after="date"), use)


def test_throttled_for_ever(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        assert set(await fire(peer, 100.0, 5)) == {429}
        assert peer.simulator.bindings[ID] == (1, 1)

    on_virtual_time(serve, Faults(throttle_forever=True), use)


def test_a_token_lives_as_long_as_it_says(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        answer = (await peer.token(X_Token_Expire="600")).json
        assert answer["Expires"] == "30"
        assert (await peer.modify(ID, token=answer["AccessToken"])).status == 200
        await asyncio.sleep(29)
        assert (await peer.modify(ID, token=answer["AccessToken"])).status == 200
        await asyncio.sleep(1.1)
        assert (await peer.modify(ID, token=answer["AccessToken"])).status == 403
        assert (await peer.modify(ID)).status == 200, "the static token does not expire"

    on_virtual_time(serve, Faults(token_life_s=30), use)


def test_expires_may_lie(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        answer = (await peer.token()).json
        assert answer["Expires"] == "soon"
        await asyncio.sleep(31)
        assert (await peer.modify(ID, token=answer["AccessToken"])).status == 403

    on_virtual_time(serve, Faults(token_life_s=30, token_expires="soon"), use)


def test_a_new_token_may_end_the_old_one(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        first, second = [(await peer.token()).json["AccessToken"] for _ in range(2)]
        assert (await peer.modify(ID, token=first)).status == 403
        assert (await peer.modify(ID, token=second)).status == 200

    on_virtual_time(serve, Faults(token_single=True), use)


def test_tokens_stand_side_by_side_otherwise(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        tokens = [(await peer.token()).json["AccessToken"] for _ in range(2)]
        assert [(await peer.modify(ID, token=token)).status for token in tokens] == [200, 200]
        peer.simulator.revoke_tokens()
        assert [(await peer.modify(ID, token=token)).status for token in (*tokens, "door")] == [403] * 3

    on_virtual_time(serve, Faults(), use)


@pytest.mark.parametrize("status", [500, 429])
def test_the_token_endpoint_may_fail_for_a_while(serve: Serve, status: int) -> None:
    async def use(peer: Peer) -> None:
        assert [(await peer.token()).status for _ in range(3)] == [status, status, 200]

    on_virtual_time(serve, Faults(token_fail_times=2, token_fail_status=status), use)


def test_the_token_endpoint_may_refuse_and_be_slow(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert [(await peer.token()).status for _ in range(3)] == [200, 403, 403]
        assert loop.time() - start >= 15
        assert peer.simulator.tokens_issued == 1

    on_virtual_time(serve, Faults(token_limit=1, token_latency_s=5), use)


@pytest.mark.parametrize(
    ("answer", "body"),
    [("html", b"<html>"), ("empty", b""), ("list", b'["AccessToken"]'), ("no_token", b'{"ApplyType"')],
)
def test_the_token_endpoint_may_talk_nonsense(serve: Serve, answer: Any, body: bytes) -> None:
    async def use(peer: Peer) -> None:
        got = await peer.token()
        assert got.status == 200
        assert got.body[: len(body) or None] == body

    on_virtual_time(serve, Faults(token_answer=answer), use)


def test_a_token_may_be_revoked_after_so_many_calls(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        for token in ("door", (await peer.token()).json["AccessToken"]):
            assert [(await peer.modify(ID, token=token)).status for _ in range(4)] == [200, 200, 403, 403]

    on_virtual_time(serve, Faults(refuse_after=2), use)


def test_a_query_shows_the_earlier_binding_for_a_while(serve: Serve) -> None:
    async def shown(peer: Peer) -> int:
        return int((await peer.query())["calledRouteList"][0]["deviceId"])

    async def use(peer: Peer) -> None:
        await peer.modify(ID, 1, 101)
        await asyncio.sleep(3)
        await peer.modify(ID, 1, 102)
        assert await shown(peer) == 1
        await asyncio.sleep(2.5)
        assert await shown(peer) == 101
        assert peer.simulator.bindings[ID] == (1, 102)
        await asyncio.sleep(3)
        assert await shown(peer) == 102

    on_virtual_time(serve, Faults(read_delay_s=5), use)


def test_latency_and_jitter_delay_the_answer_not_the_change(serve: Serve) -> None:
    async def took_s(peer: Peer) -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        call = asyncio.ensure_future(peer.modify(ID))
        await asyncio.sleep(0.1)
        assert peer.simulator.bindings[ID] == (1, 101)
        await call
        return loop.time() - start

    async def use(peer: Peer) -> None:
        times = [await took_s(peer) for _ in range(8)]
        assert all(0.5 <= took <= 1.01 for took in times)
        assert max(times) - min(times) > 0.1

    on_virtual_time(serve, Faults(latency_ms=500, jitter_ms=500), use)


def test_an_idle_connection_is_closed(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        _reader, writer = await asyncio.open_connection("127.0.0.1", int(peer.simulator.url.rpartition(":")[2]))
        assert await asyncio.wait_for(_reader.read(), 4) == b""
        writer.close()

    on_virtual_time(serve, Faults(keepalive_s=3), use)


def test_many_calls_are_counted_one_by_one(serve: Serve) -> None:
    routes = synthetic_routes(50)

    async def main() -> None:
        async with serve(routes) as peer:
            for _ in range(10):
                await asyncio.gather(*(peer.modify(route.id) for route in routes))
            assert set(peer.simulator.calls_per_id.values()) == {10}
            assert len(peer.simulator.calls) == 500

    run_virtual(main())
