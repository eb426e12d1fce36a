"""Tokens that rotate, answers of odd shapes, and calls refused although their token is good."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bulkroute.simulator import Faults, synthetic_routes
from tests.simulator.conftest import ID, ONE, Peer, Serve, on_virtual_time

MANY = synthetic_routes(300, 1)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ("error", {"error": "invalid_client", "error_description": "secret is wrong"}),
        ("ret_code", {"retCode": "401", "message": "app key is disabled"}),
    ],
)
async def test_an_error_may_come_with_status_200(serve: Serve, shape: Any, told: dict[str, str]) -> None:
    async with serve(ONE, Faults(token_answer=shape)) as peer:
        answer = await peer.token()
        assert (answer.status, answer.json) == (200, told)
        assert peer.simulator.tokens_issued == 0


@pytest.mark.parametrize(
    ("shape", "token_field", "life"),
    [
        ("oauth", "access_token", {"expires_in": 600, "token_type": "Bearer"}),
        ("no_expires", "AccessToken", {"Expires": "absent"}),
        ("null_expires", "AccessToken", {"Expires": None}),
        ("number_expires", "AccessToken", {"Expires": 600}),
        ("bearer", "AccessToken", {"Expires": "600"}),
    ],
)
async def test_a_token_may_come_in_an_odd_shape(
    serve: Serve, shape: Any, token_field: str, life: dict[str, object]
) -> None:
    async with serve(ONE, Faults(token_answer=shape)) as peer:
        told = (await peer.token()).json
        assert {name: told.get(name, "absent") for name in life} == life
        token = told[token_field]
        assert token.startswith("Bearer ") == (shape == "bearer")
        assert (await peer.modify(ID, token=token.removeprefix("Bearer "))).status == 200
        assert peer.simulator.faults_met == {"token_answer": 1}


@pytest.mark.parametrize("status", [201, 202, 400, 500])
async def test_a_token_may_come_with_another_status(serve: Serve, status: int) -> None:
    async with serve(ONE, Faults(token_status=status)) as peer:
        answer = await peer.token()
        assert answer.status == status
        assert (await peer.modify(ID, token=answer.json["AccessToken"])).status == 200


@pytest.mark.parametrize("status", [401, 403])
async def test_good_tokens_are_refused_now_and_then(serve: Serve, status: Any) -> None:
    async with serve(MANY, Faults(refuse_token=0.1, refused_status=status)) as peer:
        statuses = Counter([(await peer.modify(route.id)).status for route in MANY])
        assert statuses.keys() == {200, status}
        assert 10 < statuses[status] < 60
        assert peer.simulator.faults_met == {"refused": statuses[status]}


@pytest.mark.slow
async def test_a_row_may_be_forbidden_for_ever(serve: Serve) -> None:
    async with serve(MANY, Faults(forbidden_ids=0.1)) as peer:
        first = {route.id: (await peer.modify(route.id)).status for route in MANY}
        assert 10 < Counter(first.values())[403] < 60
        assert first == {route.id: (await peer.modify(route.id)).status for route in MANY}
        peer.simulator.set_faults(Faults(bad_ids={MANY[0].id: "forbidden_ids", MANY[1].id: "business_ids"}))
        answer = await peer.modify(MANY[0].id)
        assert (answer.status, answer.json["error_msg"]) == (403, "no rights to this route")
        assert (await peer.modify(MANY[1].id)).json["returnCode"] != "0"
        assert {(await peer.modify(route.id)).json["returnCode"] for route in MANY[2:20]} == {"0"}


async def test_any_other_failing_status(serve: Serve) -> None:
    async with serve(MANY, Faults(fail_status={"522": 0.2, "408": 0.2})) as peer:
        statuses = Counter([(await peer.modify(route.id)).status for route in MANY])
        assert statuses.keys() == {200, 408, 522}
        assert 30 < statuses[522] < 90
        assert peer.simulator.faults_met == {"fail_522": statuses[522], "fail_408": statuses[408]}


def test_the_fixed_token_rotates(serve: Serve, tmp_path: Path) -> None:
    handed_out = tmp_path / "token"

    async def use(peer: Peer) -> None:
        assert (await peer.modify(ID)).status == 200
        await asyncio.sleep(10.1)
        assert (await peer.modify(ID)).status == 403
        assert handed_out.read_text() == "door-1\n"
        assert handed_out.stat().st_mode & 0o777 == 0o600
        assert (await peer.modify(ID, token="door-1")).status == 200
        await asyncio.sleep(20)
        assert handed_out.read_text() == "door-3\n"
        assert [(await peer.modify(ID, token=f"door-{turn}")).status for turn in (1, 2, 3)] == [403, 403, 200]
        peer.simulator.set_faults(Faults(token_rotate_s=60))
        assert (await peer.modify(ID, token="door-3")).status == 200
        await asyncio.sleep(61)
        assert (await peer.modify(ID, token="door-4")).status == 200
        assert [path.name for path in tmp_path.iterdir()] == ["token"]

    on_virtual_time(serve, Faults(token_rotate_s=10), use, token_file=handed_out)


def test_a_token_that_cannot_be_handed_out_is_not_put_in_force(serve: Serve, tmp_path: Path) -> None:
    async def use(peer: Peer) -> None:
        await peer.modify(ID)
        await asyncio.sleep(100)
        assert (await peer.modify(ID)).status == 200

    on_virtual_time(serve, Faults(token_rotate_s=10), use, token_file=tmp_path / "gone" / "token")


async def test_the_fixed_token_may_be_replaced_by_hand(serve: Serve) -> None:
    async with serve(ONE) as peer:
        peer.simulator.replace_token("new")
        assert [(await peer.modify(ID, token=token)).status for token in ("door", "new")] == [403, 200]


@pytest.mark.parametrize(
    "knobs",
    [
        {"bad_ids": {"1": "no such kind"}},
        {"fail_status": {"200": 0.1}},
        {"fail_status": {"nine": 0.1}},
        {"fail_status": {"522": -0.1}},
        {"fail_status": {"522": 0.6}, "fail_500": 0.6},
        {"forbidden_ids": 0.6, "business_ids": 0.6},
        {"token_rotate_s": 0},
    ],
)
def test_knobs_that_make_no_sense_are_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"bad_ids|fail_status|shares|token_rotate_s"):
        Faults(**knobs)
