"""Each endpoint's documented example, and each documented error."""

import asyncio
from typing import Any

import aiohttp
import pytest

from bulkroute.simulator import Faults, Flow, Route, Skill, synthetic_routes
from bulkroute.simulator.names import flow_name
from tests.simulator.conftest import KEYS, PATHS, Serve

EXAMPLE = [
    Route("1125397061153369092", 1, 1, "", "9911411", "11", 3, 19),
    Route("1127983948544239618", 1, 1, "", "9911411", "", 1, None),
    Route("1127986019188238339", 1, 1, "", "9911411", "1", 2, 19),
]
EXAMPLE_QUERY = {
    "accessCode": "9911411",
    "extCode": "11",
    "devicetype": 1,
    "deviceDesc": "defaultVideoSkill",
    "mediatypeId": 19,
    "limit": 10,
    "offset": 0,
}
EXAMPLE_ROW = {
    "id": "1125397061153369092",
    "dnid": 3,
    "accessCode": "9911411",
    "mediatypeId": 19,
    "extCode": "11",
    "devicetype": 1,
    "deviceId": 1,
    "deviceDesc": "defaultVideoSkill",
    "editable": "0",
}


async def test_modify_answers_as_documented_and_binds(serve: Serve) -> None:
    async with serve(EXAMPLE) as peer:
        answer = await peer.modify("1125397061153369092", 3, 201)
        assert (answer.status, answer.json) == (200, {"returnCode": "0", "description": "data update success"})
        assert peer.simulator.bindings["1125397061153369092"] == (3, 201)
        row = (await peer.query(extCode="11"))["calledRouteList"][0]
        assert row == EXAMPLE_ROW | {"devicetype": 3, "deviceId": 201, "deviceDesc": flow_name(201)}


async def test_query_example_with_exact_and_with_loose_filters(serve: Serve) -> None:
    async with serve(EXAMPLE) as peer:
        assert await peer.query(**EXAMPLE_QUERY) == {"total": 1, "calledRouteList": [EXAMPLE_ROW]}
        peer.simulator.set_faults(Faults(loose_filters=True))
        data = await peer.query(**EXAMPLE_QUERY)
        assert [row["extCode"] for row in data["calledRouteList"]] == ["11", "", "1"]
        assert data["total"] == 3


@pytest.mark.parametrize(
    ("body", "extensions"),
    [
        ({}, ["11", "", "1"]),
        ({"mediaTypeId": 19}, ["11", "1"]),
        ({"mediatypeId": 19}, ["11", "1"]),
        ({"deviceDesc": "Video"}, ["11", "", "1"]),
        ({"deviceDesc": "voice"}, []),
        ({"devicetype": 3}, []),
        ({"accessCode": "991141"}, []),
        ({"offset": -5, "limit": 1}, ["11"]),
        ({"offset": 2}, ["1"]),
        ({"limit": 0}, []),
    ],
)
async def test_query_filters_and_pages(serve: Serve, body: dict[str, Any], extensions: list[str]) -> None:
    async with serve(EXAMPLE) as peer:
        assert [row["extCode"] for row in (await peer.query(**body))["calledRouteList"]] == extensions


async def test_pages_hold_100_at_most_and_together_everything(serve: Serve) -> None:
    routes = synthetic_routes(250, 1)
    async with serve(routes) as peer:
        pages = [await peer.query(limit=1000, offset=offset) for offset in (0, 100, 200, 300)]
        assert [len(page["calledRouteList"]) for page in pages] == [100, 100, 50, 0]
        assert {page["total"] for page in pages} == {250}
        assert [row["id"] for page in pages for row in page["calledRouteList"]] == [route.id for route in routes]
        assert len((await peer.query())["calledRouteList"]) == 100


async def test_token_answer_is_all_strings_and_opens_the_door(serve: Serve) -> None:
    async with serve(EXAMPLE, static_token=None) as peer:
        answer = await peer.token(X_Token_Expire="900")
        fields = {"AccessToken", "ApplyType", "CreateTime", "Expires", "Scope", "AppKey", "UserID"}
        assert set(answer.json) == fields
        assert all(isinstance(value, str) for value in answer.json.values())
        assert (answer.json["Expires"], answer.json["ApplyType"]) == ("900", "Bearer")
        assert (await peer.modify(EXAMPLE[0].id, token=answer.json["AccessToken"])).status == 200
        assert (await peer.modify(EXAMPLE[0].id, token="door")).status == 403
        assert (await peer.token()).json["Expires"] == "600"
        assert (await peer.token(X_Token_Expire="86400")).json["Expires"] == "3600"


async def test_skills_have_their_total_at_the_top_and_filter_by_id(serve: Serve) -> None:
    async with serve([], skills=[Skill(number) for number in range(1, 151)]) as peer:
        answer = (await peer.send("skills", {"skillIds": ["2", "999"]})).json
        assert (answer["returnCode"], answer["total"], answer["data"][0]["skillId"]) == ("0", 1, 2)
        assert len((await peer.send("skills", {"skillIds": [], "limit": "100", "offset": 0})).json["data"]) == 100
        assert len((await peer.send("skills", {"offset": "100"})).json["data"]) == 50
        assert (await peer.send("skills", {"limit": 10})).status == 400
        assert (await peer.send("skills", {"skillIds": [2]})).status == 400


async def test_flows_use_other_names_and_tell_what_is_loaded(serve: Serve) -> None:
    async with serve([], flows=[Flow(7), Flow(8, loaded=False)]) as peer:
        answer = (await peer.send("flows")).json
        assert (answer["retCode"], answer["message"]) == ("0", "success")
        assert [(flow["id"], flow["isLoad"]) for flow in answer["result"]] == [(7, 1), (8, 0)]
        peer.simulator.set_faults(Faults(schema_wrapper=True))
        assert (await peer.send("flows")).json == {"schema": answer}


async def test_access_codes_reach_200_rows_at_most(serve: Serve) -> None:
    routes = [Route(str(number), access_code=str(5000 + number)) for number in range(300)]
    async with serve(routes) as peer:
        answer = (await peer.send("codes", {"offset": 250})).json
        assert answer["data"]["total"] == 300
        codes = [row["accessCode"] for row in answer["data"]["calledRouteList"]]
        assert len(set(codes)) == 100
        assert codes == [
            row["accessCode"] for row in (await peer.send("codes", {"offset": 100})).json["data"]["calledRouteList"]
        ]
        peer.simulator.set_faults(Faults(bare_access_codes=True))
        assert len((await peer.send("codes", {"accessCode": "5001"})).json["data"]) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"id": 1125397061153369092},
        {"id": None},
        {"devicetype": "1"},
        {"devicetype": 1.0},
        {"devicetype": True},
        {"devicetype": 2},
        {"deviceId": "101"},
        {"deviceId": False},
        {"deviceId": -1},
    ],
)
async def test_modify_refuses_a_wrong_type(serve: Serve, change: dict[str, Any]) -> None:
    good = {"id": EXAMPLE[0].id, "devicetype": 1, "deviceId": 101}
    async with serve(EXAMPLE) as peer:
        answer = await peer.send("modify", good | change)
        assert (answer.status, answer.json["returnCode"]) == (400, "400")
        assert peer.simulator.bindings[EXAMPLE[0].id] == (1, 1)


@pytest.mark.parametrize("name", ["id", "devicetype", "deviceId"])
async def test_modify_names_a_missing_field(serve: Serve, name: str) -> None:
    body = {"id": EXAMPLE[0].id, "devicetype": 1, "deviceId": 101}
    del body[name]
    async with serve(EXAMPLE) as peer:
        answer = await peer.send("modify", body)
        assert answer.status == 400
        assert answer.json["description"] == f"parameter {name} is missing"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'"id"', b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(serve: Serve, raw: bytes) -> None:
    async with serve(EXAMPLE) as peer:
        assert {(await peer.send(name, raw)).status for name in PATHS} == {400}


async def test_wrong_headers_methods_and_paths_are_refused(serve: Serve) -> None:
    async with serve(EXAMPLE) as peer:
        route_id = EXAMPLE[0].id
        assert (await peer.modify(route_id, Content_Type="text/plain")).status == 400
        assert (await peer.modify(route_id, Authorization="door")).status == 403
        assert (await peer.modify(route_id, Authorization="Bearerdoor")).status == 403
        assert (await peer.modify(route_id, Authorization="")).status == 403
        assert (await peer.modify(route_id, token="other")).json["error_code"] == "APIG.0301"
        assert {(await peer.send(name, method="GET")).status for name in PATHS} == {405}
        assert (await peer.send("modify", method="HEAD")).status == 405
        assert (await peer.send("/apiaccess/rest/cc-management/v1/calledRoute/modify")).status == 404
        assert (await peer.send("/_simulator/state", method="GET")).status == 404
        assert peer.simulator.bindings[route_id] == (1, 1)
        peer.simulator.set_faults(Faults(refused_status=401, require_app_key=True))
        assert (await peer.modify(route_id)).status == 401
        assert (await peer.modify(route_id, X_APP_Key="demo-key")).status == 200


async def test_token_refuses_wrong_keys_and_headers(serve: Serve) -> None:
    async with serve([]) as peer:
        assert (await peer.send("token", KEYS | {"app_secret": "guess"})).status == 403
        assert (await peer.send("token", {"app_key": "demo-key"})).status == 400
        assert (await peer.send("token", KEYS | {"app_secret": 5})).status == 400
        assert (await peer.token(X_Token_Expire="soon")).status == 400
        assert peer.simulator.tokens_issued == 0


@pytest.mark.parametrize("name", ["accessCode", "devicetype", "mediaTypeId", "limit", "offset"])
async def test_query_refuses_wrong_types(serve: Serve, name: str) -> None:
    async with serve(EXAMPLE) as peer:
        assert (await peer.send("query", {name: ["1"]})).status == 400


async def test_an_unknown_id_is_a_business_failure(serve: Serve) -> None:
    async with serve(EXAMPLE) as peer:
        answer = await peer.modify("404")
        assert answer.status == 200
        assert answer.json["returnCode"] != "0"


async def test_log_and_counters_tell_what_came(serve: Serve) -> None:
    async with serve(EXAMPLE) as peer:
        route_id = EXAMPLE[0].id
        before = asyncio.get_running_loop().time()
        await peer.modify(route_id)
        await peer.modify("404")
        await peer.query()
        await peer.send("/nowhere")
        simulator = peer.simulator
        names = [(call.endpoint, call.id, call.status) for call in simulator.calls]
        assert names == [
            ("modifyCalledRoute", route_id, 200),
            ("modifyCalledRoute", "404", 200),
            ("queryCalledRoute", "", 200),
            ("/nowhere", "", 404),
        ]
        assert simulator.calls_per_endpoint["modifyCalledRoute"] == 2
        assert simulator.calls_per_id == {route_id: 1, "404": 1}
        assert simulator.statuses == {200: 3, 404: 1}
        times = [call.at for call in simulator.calls]
        assert [before, *times] == sorted([before, *times])


async def test_log_can_be_switched_off(serve: Serve) -> None:
    async with serve(EXAMPLE, keep_calls=False) as peer:
        await peer.modify(EXAMPLE[0].id)
        assert peer.simulator.calls == []
        assert peer.simulator.calls_per_id == {EXAMPLE[0].id: 1}


async def test_two_routes_with_one_id_are_refused(serve: Serve) -> None:
    with pytest.raises(ValueError, match="two routes"):
        async with serve([Route("1"), Route("1")]):
            pass


async def test_stop_ends_hanging_calls_and_start_serves_again(serve: Serve) -> None:
    async with serve(EXAMPLE, Faults(hang_after=1)) as peer:
        hanging = asyncio.create_task(peer.modify(EXAMPLE[0].id))
        while not peer.simulator.calls:
            await asyncio.sleep(0)
        await peer.simulator.stop()
        with pytest.raises(aiohttp.ClientError):
            await hanging
        await peer.simulator.start()
        peer.simulator.set_faults(Faults())
        assert (await peer.modify(EXAMPLE[1].id)).status == 200


async def test_admin_tells_the_truth_and_rebinds(serve: Serve) -> None:
    async with serve(EXAMPLE, admin=True) as peer:
        first = EXAMPLE[0].id
        await peer.modify(first)
        body = {"id": EXAMPLE[1].id, "devicetype": 3, "deviceId": 5}
        assert (await peer.send("/_simulator/rebind", body)).status == 200
        assert (await peer.send("/_simulator/rebind", body | {"id": "404"})).status == 400
        assert (await peer.send("/_simulator/rebind", b"{")).status == 400
        assert (await peer.send("/_simulator/rebind", method="GET")).status == 405
        assert (await peer.send("/_simulator/other")).status == 404
        state = (await peer.send("/_simulator/state", method="GET")).json
        assert state["bindings"] == {first: [1, 101], EXAMPLE[1].id: [3, 5], EXAMPLE[2].id: [1, 1]}
        assert (state["calls"], state["calls_per_id"]) == ({"modifyCalledRoute": 1}, {first: 1})
        peer.simulator.rebind(first, 3, 9)
        assert peer.simulator.bindings[first] == (3, 9)
        with pytest.raises(KeyError):
            peer.simulator.rebind("404", 1, 1)
