"""The made-up contact centre holds what real ones hold, in shares that real ones have."""

from collections import Counter, defaultdict

import pytest

from bulkroute.simulator import ContactCentre, Faults, contact_centre
from bulkroute.simulator.state import IVR, MULTIMEDIA, SKILL_QUEUE, Flow, Route, Skill
from tests.simulator.conftest import Serve

SEEDS = (0, 3, 7)


@pytest.fixture(scope="module", params=SEEDS)
def centre(request: pytest.FixtureRequest) -> ContactCentre:
    return contact_centre(800, request.param)


def test_the_seed_decides() -> None:
    assert contact_centre(300, 3) == contact_centre(300, 3)
    assert contact_centre(300, 3) != contact_centre(300, 4)


@pytest.mark.parametrize("count", [0, 1, 24, 100, 3000])
def test_any_number_of_routes(count: int) -> None:
    made = contact_centre(count, 1)
    assert len(made.routes) == count
    assert len({route.id for route in made.routes}) == count
    assert sorted(route.dnid for route in made.routes) == list(range(1, count + 1))
    assert len({skill.id for skill in made.skills}) == len(made.skills) >= 24
    assert len({flow.id for flow in made.flows}) == len(made.flows) >= 12


def test_media_types_in_their_shares_and_multimedia_never_at_a_flow(centre: ContactCentre) -> None:
    media = Counter(route.mediatype_id for route in centre.routes)
    assert media.keys() == {5, 19, 53, 2, 18, None}
    assert 400 < media[5] < 700
    assert 20 < media[53] < 200
    assert 10 < media[None] < 100
    assert not [route for route in centre.routes if route.mediatype_id == MULTIMEDIA and route.devicetype == IVR]
    queues = {skill.id: skill for skill in centre.skills}
    for route in centre.routes:
        if route.devicetype == SKILL_QUEUE and route.device_id in queues and route.mediatype_id is not None:
            assert queues[route.device_id].mediatype_id == route.mediatype_id
    assert Counter(skill.mediatype_id for skill in centre.skills).keys() == {5, 19, 53, 2, 18}


def test_numbers_are_one_of_a_kind_and_many_share_an_access_code(centre: ContactCentre) -> None:
    assert len({(route.access_code, route.ext_code, route.mediatype_id) for route in centre.routes}) == 800
    per_code = Counter(route.access_code for route in centre.routes)
    assert 100 < len(per_code) < 500
    assert sum(count > 1 for count in per_code.values()) > 50
    assert sum(route.ext_code == "" for route in centre.routes) > 80
    assert any(len(route.ext_code) > 12 for route in centre.routes)
    assert any("*" in route.ext_code or "#" in route.ext_code for route in centre.routes)
    assert {code[0] for code in per_code} >= {"+", "0", "4", "9"}


def test_some_numbers_can_be_mistaken_for_others(centre: ContactCentre) -> None:
    medium_apart = Counter((route.access_code, route.ext_code) for route in centre.routes)
    dialled = defaultdict(set)
    for route in centre.routes:
        dialled[route.access_code + route.ext_code].add((route.access_code, route.ext_code))
    codes = {route.access_code for route in centre.routes}
    assert any(count > 1 for count in medium_apart.values())
    assert any(len(written) > 1 for written in dialled.values())
    assert any(code != code.lstrip("+0") and code.lstrip("+0") in codes for code in codes)


def test_names_repeat_look_alike_and_come_in_several_languages(centre: ContactCentre) -> None:
    for names in (Counter(skill.name for skill in centre.skills), Counter(flow.name for flow in centre.flows)):
        assert any(count > 1 for count in names.values())
        assert any(not name.isascii() for name in names)
    flows = {flow.name: flow for flow in centre.flows}
    assert {"Night", "night", "Main menu", "Main menu ", ""} <= flows.keys()
    by_name = defaultdict(set)
    for skill in centre.skills:
        by_name[skill.name].add(skill.mediatype_id)
    assert any(len(media) > 1 for media in by_name.values())
    assert {skill.id for skill in centre.skills} & {flow.id for flow in centre.flows}, "an id of both kinds"


def test_some_flows_are_not_loaded_though_routes_lead_there(centre: ContactCentre) -> None:
    unloaded = {flow.target for flow in centre.flows if not flow.loaded}
    assert 3 <= len(unloaded) <= 8
    assert [route for route in centre.routes if (route.devicetype, route.device_id) in unloaded]
    assert all(flow.file_name.endswith(".xml") for flow in centre.flows)
    assert {bool(flow.access_code) for flow in centre.flows} == {True, False}


def test_some_routes_are_locked(centre: ContactCentre) -> None:
    editable = Counter(route.editable for route in centre.routes)
    assert editable.keys() == {"0", None, "1", "2", "3"}
    assert 8 <= editable["1"] + editable["3"] <= 48


def test_a_few_lead_to_a_queue_that_is_gone() -> None:
    made = contact_centre(3000, 1)
    known = {skill.target for skill in made.skills} | {flow.target for flow in made.flows}
    gone = [route for route in made.routes if (route.devicetype, route.device_id) not in known]
    assert 1 <= len(gone) <= 40
    assert {route.device_desc for route in gone} == {"closed"}


def test_queues_overflow_into_each_other_and_into_flows(centre: ContactCentre) -> None:
    known: dict[tuple[int, int], Skill | Flow] = {skill.target: skill for skill in centre.skills}
    known |= {flow.target: flow for flow in centre.flows}
    kinds: Counter[type] = Counter()
    for skill in centre.skills:
        assert not skill.param or {"noAgents", "busy", "timeOut"} <= skill.param.keys()
        for reason in ("noAgents", "busy", "timeOut"):
            transfer = skill.param.get(reason, {"transferType": "Release"})
            assert isinstance(transfer, dict)
            if transfer["transferType"] == "Release":
                assert transfer.get("value") is None
                continue
            target = known[int(transfer["deviceType"]), int(transfer["value"])]
            if isinstance(target, Skill):
                assert target.mediatype_id == skill.mediatype_id
            else:
                assert skill.mediatype_id != MULTIMEDIA
            kinds[type(transfer["value"])] += 1
            kinds[type(target)] += 1
    assert kinds.keys() == {int, str, Skill, Flow}
    assert kinds[int] > kinds[str]


async def test_it_is_served_page_by_page(serve: Serve, centre: ContactCentre) -> None:
    async with serve(centre.routes, skills=centre.skills, flows=centre.flows) as peer:
        pages = [(await peer.send("skills", {"limit": "100", "offset": str(at)})).json for at in (0, 100, 200)]
        assert [len(page["data"]) for page in pages] == [100, 33, 0]
        assert {page["total"] for page in pages} == {133}
        served = {item["skillId"]: item for page in pages for item in page["data"]}
        assert served[101]["skillParam"] == centre.skills[1].param
        asked = (await peer.send("skills", {"skillIds": ["101", "3001", "424242"]})).json
        assert {item["skillId"] for item in asked["data"]} == {101, 3001}
        flows = (await peer.send("flows")).json["result"]
        assert [(flow["id"], flow["description"]) for flow in flows] == [(flow.id, flow.name) for flow in centre.flows]
        rows = (await peer.query(mediaTypeId=53))["calledRouteList"]
        assert rows
        assert {row["devicetype"] for row in rows} == {SKILL_QUEUE}
        codes = (await peer.send("codes", {"mediatypeId": 53})).json["data"]["calledRouteList"]
        assert {one["mediatypeId"] for one in codes} == {53}


async def test_a_multimedia_route_binds_to_no_flow(serve: Serve) -> None:
    routes = [Route("1", 1, 101, mediatype_id=53), Route("2", 1, 101, mediatype_id=None)]
    async with serve(routes, skills=[Skill(101), Skill(102, mediatype_id=53)]) as peer:
        assert (await peer.modify("1", 3, 201)).json["returnCode"] == "20006"
        assert (await peer.modify("2", 3, 201)).json["returnCode"] == "0"
        assert (await peer.modify("1", 1, 101)).json["returnCode"] == "0", "media types are not compared"


async def test_media_types_may_have_to_match(serve: Serve) -> None:
    routes = [Route("1", 1, 102, mediatype_id=53), Route("2", 1, 101, mediatype_id=None)]
    skills = [Skill(101), Skill(102, mediatype_id=53)]
    async with serve(routes, Faults(refuse_media_mismatch=True), skills=skills) as peer:
        assert (await peer.modify("1", 1, 101)).json["returnCode"] == "20007"
        assert (await peer.modify("1", 1, 102)).json["returnCode"] == "0"
        assert (await peer.modify("2", 1, 102)).json["returnCode"] == "0"
        peer.simulator.set_faults(Faults(multimedia_enforced=False))
        assert (await peer.modify("1", 3, 201)).json["returnCode"] == "0"
