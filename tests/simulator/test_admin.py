"""`/_simulator/`: faults set, tenants changed and tokens replaced by another process while calls come in."""

import json
from typing import Any

import pytest

from bulkroute.simulator import Faults, Flow, Route, Skill
from bulkroute.simulator.knobs import as_json_object, faults_from
from tests.simulator.conftest import ID, Peer, Serve

OTHER = "1127983948544239618"
ROUTES = [Route(ID, ext_code="11"), Route(OTHER, 3, 201)]


async def post(peer: Peer, verb: str, body: object, *, method: str = "POST") -> Any:
    """Send one change and return what it answers; an AssertionError if it is refused."""
    answer = await peer.send(f"/_simulator/{verb}", body, method=method)
    assert answer.status == 200, answer.body
    return answer.json


async def refusal(peer: Peer, verb: str, body: object, *, method: str = "POST") -> str:
    answer = await peer.send(f"/_simulator/{verb}", body, method=method)
    assert answer.status == 400
    description: str = answer.json["description"]
    return description


async def row(peer: Peer, route_id: str) -> Any:
    return next((one for one in (await peer.query())["calledRouteList"] if one["id"] == route_id), None)


async def test_faults_are_set_from_outside(serve: Serve) -> None:
    async with serve(ROUTES, admin=True) as peer:
        assert await post(peer, "faults", {"fail_503": 1, "outages": ["1h+5s:503"]}) == {
            **as_json_object(Faults()),
            "fail_503": 1,
            "outages": ["1h+5s:503"],
        }
        assert (await peer.modify(ID)).status == 503
        await post(peer, "faults", {"faulty": ["queryCalledRoute"]}, method="PATCH")
        assert (await peer.modify(ID)).status == 200
        assert (await peer.send("query")).status == 503
        shown = (await peer.send("/_simulator/faults", method="GET")).json
        assert (shown["fail_503"], shown["faulty"]) == (1, ["queryCalledRoute"])
        await post(peer, "faults", {})
        assert (await peer.send("query")).status == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"fail_599": 1}, "there is no knob fail_599"),
        ({"fail_500": "1"}, "fail_500 is not a number"),
        ({"fail_500": True}, "fail_500 is not a number"),
        ({"fail_500": 2}, "sum to more than 1"),
        ({"nodes": 1.5}, "nodes is not a whole number"),
        ({"throttle": "5"}, "throttle is not a number or null"),
        ({"throttle_shape": "round"}, "throttle_shape is not 'window' or"),
        ({"throttle_status": 418}, "throttle_status is not 429"),
        ({"outages": "5s+20s:503"}, "outages is not a list, each a text"),
        ({"outages": ["5s+20s:gone"]}, "no kind of outage"),
        ({"bad_ids": {"1": 5}}, "bad_ids is not an object, each value a text"),
        ({"retry_after": [1]}, "retry_after is not a text or a list, each a text or null"),
        ([], "not a JSON object"),
        (b"{", "JSON"),
        (b"{" * 5, "JSON"),
    ],
)
async def test_faults_that_cannot_be_are_refused_and_nothing_changes(serve: Serve, body: object, message: str) -> None:
    async with serve(ROUTES, Faults(fail_status={"522": 1}), admin=True) as peer:
        if message != "JSON":
            assert message in await refusal(peer, "faults", body)
        else:
            await refusal(peer, "faults", body)
        assert (await peer.modify(ID)).status == 522


def test_every_knob_goes_through_json_and_back() -> None:
    faults = Faults(
        fail_500=0.1,
        throttle=5,
        retry_after=("1", "seconds"),
        rate_headers=("x-apig", "draft-06"),
        outages=("5s+20s:503",),
        throttle_at=("5s:none",),
        bad_ids={"1": "business_ids"},
        fail_status={"522": 0.5},
        faulty=frozenset({"querySkills"}),
        token_limit=None,
        charset="gbk",
        wrong_total=-1,
    )
    assert faults_from(json.loads(json.dumps(as_json_object(faults))), Faults()) == faults


async def test_many_bindings_are_changed_at_once(serve: Serve) -> None:
    async with serve(ROUTES, admin=True) as peer:
        await post(peer, "rebind", {"bindings": {ID: [3, 5], OTHER: [1, 7]}})
        assert peer.simulator.bindings == {ID: (3, 5), OTHER: (1, 7)}
        for bad in ({ID: [1]}, {ID: [1, "2"]}, {ID: "x"}, {"404": [1, 1]}, {ID: [1, True]}):
            await refusal(peer, "rebind", {"bindings": {OTHER: [1, 1], **bad}})
        await refusal(peer, "rebind", {"bindings": []})
        assert peer.simulator.bindings == {ID: (3, 5), OTHER: (1, 7)}
        assert peer.simulator.calls == []


async def test_routes_are_locked_renumbered_added_and_taken_out(serve: Serve) -> None:
    async with serve(ROUTES, admin=True) as peer:
        await post(peer, "routes", {ID: {"editable": "1"}})
        assert (await row(peer, ID))["editable"] == "1"
        assert (await peer.modify(ID)).json["returnCode"] != "0"
        await post(peer, "routes", {ID: {"editable": None, "accessCode": "95588", "extCode": "7", "mediatypeId": 19}})
        assert (await peer.modify(ID)).json["returnCode"] == "0"
        changed = await row(peer, ID)
        assert [changed[name] for name in ("accessCode", "extCode", "mediatypeId", "deviceId")] == [
            "95588",
            "7",
            19,
            101,
        ]
        await post(peer, "routes", {OTHER: None, "5": {"accessCode": "1", "devicetype": 3, "deviceId": 202}})
        assert await row(peer, OTHER) is None
        assert (await peer.modify(OTHER)).json["returnCode"] != "0"
        assert peer.simulator.bindings == {ID: (1, 101), "5": (3, 202)}
        await post(peer, "routes", {"5": {"deviceId": 203}, "none such": None})
        assert peer.simulator.bindings["5"] == (3, 203)
        assert "no field colour" in await refusal(peer, "routes", {ID: {"colour": 1}})
        assert "extCode" in await refusal(peer, "routes", {"6": {}, ID: {"extCode": 1}})
        assert "or null" in await refusal(peer, "routes", {ID: "locked"})
        assert set(peer.simulator.bindings) == {ID, "5"}


async def test_targets_are_renamed_unloaded_added_and_taken_out(serve: Serve) -> None:
    async with serve(ROUTES, admin=True, flows=[Flow(201, "Night")], skills=[Skill(1, "Sales")]) as peer:
        await post(peer, "flows", {"201": {"isLoad": 0}, "202": {"description": "Day", "flowFileName": "day.xml"}})
        flows = (await peer.send("flows")).json["result"]
        assert [(flow["id"], flow["description"], flow["isLoad"], flow["flowFileName"]) for flow in flows] == [
            (201, "Night", 0, "flow201.xml"),
            (202, "Day", 1, "day.xml"),
        ]
        await post(peer, "flows", {"201": {"description": "夜间"}})
        assert (await row(peer, OTHER))["deviceDesc"] == "夜间"
        param = {"busy": {"transferType": "Transfer", "deviceType": "3", "value": 201}}
        await post(peer, "skills", {"1": {"name": "VIP", "skillParam": param, "mediaTypeId": 53}})
        skill = (await peer.send("skills")).json["data"][0]
        assert (skill["name"], skill["skillParam"], skill["mediaTypeId"]) == ("VIP", param, 53)
        await post(peer, "skills", {"1": None})
        await post(peer, "flows", {"201": None, "999": None})
        assert (await peer.send("skills")).json["total"] == 0
        assert [flow["id"] for flow in (await peer.send("flows")).json["result"]] == [202]
        await refusal(peer, "flows", {"Night": {"isLoad": 0}})
        await refusal(peer, "flows", {"202": {"isLoad": False}})


async def test_tokens_are_replaced_and_revoked(serve: Serve) -> None:
    async with serve(ROUTES, admin=True) as peer:
        assert await post(peer, "tokens", {"accept": "new"}) == {"fixed": "new"}
        assert [(await peer.modify(ID, token=token)).status for token in ("door", "new")] == [403, 200]
        await post(peer, "tokens", {"revoke": True})
        assert (await peer.modify(ID, token="new")).status == 403
        await refusal(peer, "tokens", {"accept": 5})


async def test_the_state_counts_tokens_and_other_people(serve: Serve) -> None:
    async with serve(ROUTES, Faults(throttle=50, others=50), admin=True) as peer:
        await peer.token()
        state = (await peer.send("/_simulator/state", method="GET")).json
        assert state["tokens_issued"] == 1
        assert state["others"] == {"asked": 0, "refused": 0}


async def test_nothing_is_there_unless_asked_for(serve: Serve) -> None:
    async with serve(ROUTES) as peer:
        assert (await peer.send("/_simulator/faults", method="GET")).status == 404
        assert peer.simulator.calls_per_endpoint == {"/_simulator/faults": 1}
