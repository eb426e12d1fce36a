"""What a refused call is told: status, code, words, Retry-After, and the headers of the limit."""

import asyncio
import email.utils
import time
from collections import Counter
from typing import Any

import pytest

from bulkroute.simulator import Faults, synthetic_routes
from tests.simulator.conftest import ID, Peer, Reply, Serve, fire, on_virtual_time

MANY = synthetic_routes(300, 1)


async def refused(serve: Serve, **knobs: Any) -> Reply:
    """Return the answer to a call that is refused for certain."""
    async with serve(MANY, Faults(**{"refuse": 1, **knobs})) as peer:
        return await peer.modify(ID)


@pytest.mark.slow
async def test_a_share_is_refused_at_random_and_changes_nothing(serve: Serve) -> None:
    async def statuses(seed: int, order: int) -> dict[str, int]:
        async with serve(MANY, Faults(refuse=0.2), seed=seed) as peer:
            answers = {route.id: (await peer.modify(route.id)).status for route in MANY[::order]}
            bindings = peer.simulator.bindings
            assert all((bindings[route_id] == (1, 101)) == (status == 200) for route_id, status in answers.items())
            assert peer.simulator.faults_met == {"refuse": Counter(answers.values())[429]}
            return answers

    forth = await statuses(7, 1)
    assert 35 < Counter(forth.values())[429] < 85
    assert forth == await statuses(7, -1) != await statuses(8, 1)


async def test_a_refused_id_is_let_in_some_time(serve: Serve) -> None:
    async with serve(MANY, Faults(refuse=0.5)) as peer:
        assert Counter([(await peer.modify(ID)).status for _ in range(40)]).keys() == {200, 429}
        assert Counter([(await peer.send("query")).status for _ in range(40)]).keys() == {200, 429}
        assert (await peer.token()).status == 200


async def test_refusals_do_not_shift_the_faults(serve: Serve) -> None:
    async def failures(**knobs: Any) -> list[int]:
        async with serve(MANY, Faults(fail_500=0.5, **knobs), seed=2) as peer:
            found = []
            for route in MANY[:40]:
                while (status := (await peer.modify(route.id)).status) == 429:
                    pass
                found.append(status)
            return found

    assert await failures() == await failures(refuse=0.5)


async def test_a_lone_refusal_speaks_of_the_usual_limit(serve: Serve) -> None:
    answer = await refused(serve)
    assert answer.json["error_code"] == "APIG.0308"
    assert "policy api over ratelimit,limit:200,time:1 second" in answer.json["error_msg"]
    assert "Retry-After" not in answer.headers


def test_the_words_tell_the_limit(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        told: list[tuple[dict[str, Any], str]] = [
            ({"throttle": 5, "throttle_span_s": 60, "throttle_shape": "fixed"}, "limit:5,time:1 minute"),
            ({"throttle": 0.25}, "limit:1,time:4 second"),
            ({"throttle": 1, "throttle_span_s": 7200}, "limit:1,time:2 hour"),
            ({"throttle": 1, "throttle_says": "policy ip over ratelimit,limit:9,time:1 day"}, "limit:9,time:1 day"),
        ]
        for knobs, words in told:
            peer.simulator.set_faults(Faults(**knobs))
            while (answer := await peer.modify(ID)).status == 200:
                pass
            assert words in answer.json["error_msg"]

    on_virtual_time(serve, Faults(), use)


@pytest.mark.parametrize("status", [429, 503, 403, 200])
@pytest.mark.parametrize(
    ("body", "code_field"), [("gateway", "error_code"), ("billing", "error_code"), ("vendor", "returnCode")]
)
async def test_too_much_may_be_told_in_other_ways(serve: Serve, status: int, body: str, code_field: str) -> None:
    answer = await refused(serve, throttle_status=status, throttle_body=body, throttle_code="APIGW.0308")
    assert answer.status == status
    assert answer.json[code_field] == "APIGW.0308"
    assert "over ratelimit" in answer.body.decode()


async def test_a_refusal_may_be_a_page(serve: Serve) -> None:
    answer = await refused(serve, throttle_body="html")
    assert answer.status == 429
    assert answer.headers["Content-Type"] == "text/html"


async def test_retry_after_comes_in_all_spellings(serve: Serve) -> None:
    for sent in ("3.5", "3s", "3, 3", "+3", '"3"'):
        assert (await refused(serve, retry_after=sent)).headers["Retry-After"] == sent
    wall = time.time()
    assert wall <= float((await refused(serve, retry_after="epoch")).headers["Retry-After"]) <= wall + 5
    headers = (await refused(serve, retry_after="date")).headers
    now, until = (email.utils.parsedate_to_datetime(headers[name]) for name in ("Date", "Retry-After"))
    assert 1 <= (until - now).total_seconds() <= 2


async def test_retry_after_may_come_twice(serve: Serve) -> None:
    async with serve(MANY, Faults(refuse=1, retry_after=("1", "3"))) as peer:
        url = f"{peer.simulator.url}/apiaccess/rest/cc-management/v1/calledRoute/modifyCalledRoute"
        async with peer.session.post(url, headers={"Authorization": "Bearer door"}) as answer:
            assert answer.headers.getall("Retry-After") == ["1", "3"]


def test_headers_tell_the_limit_in_each_spelling(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        await fire(peer, 0.0, 3)
        headers = (await peer.modify(ID, X_Apig_Mode="debug")).headers
        assert headers["RateLimit-Limit"] == headers["X-RateLimit-Limit"] == "5"
        assert headers["RateLimit-Remaining"] == headers["X-RateLimit-Remaining"] == "1"
        assert headers["RateLimit-Policy"] == "5;w=60"
        assert 0 < int(headers["RateLimit-Reset"]) <= 60
        assert headers["X-Apig-RateLimit-api"] == "remain:1,limit:5,time:1 minute"
        assert "X-Apig-RateLimit-api" not in (await peer.modify(ID)).headers
        answer = await peer.modify(ID, X_Apig_Mode="debug")
        assert answer.status == 429
        assert answer.headers["X-Apig-RateLimit-api"] == "remain:0,limit:5,time:1 minute"
        assert answer.headers["RateLimit-Reset"] == answer.headers["Retry-After"]

    knobs: dict[str, Any] = {"throttle": 5, "throttle_span_s": 60, "throttle_shape": "fixed"}
    knobs |= {"rate_headers": ("draft-06", "x-ratelimit", "x-apig"), "retry_after": "seconds"}
    on_virtual_time(serve, Faults(**knobs), use)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("draft-07", {"RateLimit": "limit=5, remaining=4, reset=1", "RateLimit-Policy": "5;w=1"}),
        ("draft-10", {"RateLimit": '"default";r=4;t=1', "RateLimit-Policy": '"default";q=5;w=1'}),
    ],
)
def test_headers_of_later_drafts(serve: Serve, kind: Any, told: dict[str, str]) -> None:
    async def use(peer: Peer) -> None:
        headers = (await peer.modify(ID)).headers
        assert {name: headers[name] for name in told} == told

    on_virtual_time(serve, Faults(throttle=5, rate_headers=(kind,)), use)


async def test_a_reset_may_be_a_moment(serve: Serve) -> None:
    headers = (await refused(serve, rate_headers=("x-ratelimit-epoch",))).headers
    assert headers["X-RateLimit-Remaining"] == "0"
    assert abs(int(headers["X-RateLimit-Reset"]) - time.time()) < 10


def test_calls_in_a_queue_are_answered_later(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        statuses = await fire(peer, 0.0, 30)
        assert Counter(statuses) == {200: 20, 429: 10}
        assert 1.8 <= asyncio.get_running_loop().time() <= 2.2

    on_virtual_time(serve, Faults(throttle=10, throttle_shape="queue", throttle_burst=20), use)


@pytest.mark.slow
def test_others_and_nodes_are_seen_from_outside(serve: Serve) -> None:
    async def use(peer: Peer) -> None:
        statuses = Counter(await fire(peer, 1 / 60, 600))
        assert 250 < statuses[200] < 400
        asked, refused_ = peer.simulator.others
        assert 0 < refused_ < asked
        assert asked == pytest.approx(100, rel=0.4)

    on_virtual_time(serve, Faults(throttle=20, nodes=2, others=10), use)
