"""What a rehearsal serves: the routes and targets that a manifest speaks of, whichever way it says them."""

from pathlib import Path

import pytest

from bulkroute.cli.rehearsal import rehearsed
from bulkroute.manifest import Faults, open_manifest
from bulkroute.simulator import ContactCentre, Flow, Route, Skill

DEFAULT = {(1, 90001 + place) for place in range(9)} | {(3, 90101 + place) for place in range(3)}


def centre(folder: Path, text: str) -> ContactCentre:
    """Return what is served for a manifest."""
    manifest = folder / "m.csv"
    manifest.write_text(text, encoding="utf-8")
    faults = Faults()
    with open_manifest(manifest) as opened:
        made = rehearsed(opened, faults, 1)
    assert not faults.total, str(faults.error())
    assert {(route.devicetype, route.device_id) for route in made.routes} <= DEFAULT
    known = {skill.target for skill in made.skills} | {flow.target for flow in made.flows}
    assert {(route.devicetype, route.device_id) for route in made.routes} <= known
    return made


def by_id(made: ContactCentre) -> dict[str, Route]:
    return {route.id: route for route in made.routes}


def skill(made: ContactCentre, name: str) -> Skill:
    return next(one for one in made.skills if one.name == name)


def flow(made: ContactCentre, name: str) -> Flow:
    return next(one for one in made.flows if one.name == name)


def test_ids_and_targets(tmp_path: Path) -> None:
    made = centre(tmp_path, "id,devicetype,deviceId\n0123,1,777\n5,3,888\n0123,1,777\n")
    assert by_id(made).keys() == {"0123", "5"}
    assert 777 in {one.id for one in made.skills}
    assert 888 in {one.id for one in made.flows}


def test_numbers_media_and_names_beside_the_ids(tmp_path: Path) -> None:
    made = centre(
        tmp_path,
        "id,devicetype,deviceId,accessCode,extCode,mediaType,target\n"
        "1,3,3015,95588,7,voice,Night\n2,1,140,4008001234,,multimedia,queue:Chat\n3,1,101,,,,\n4,3,3016,,,,---\n",
    )
    routes = by_id(made)
    assert [(routes[one].access_code, routes[one].ext_code, routes[one].mediatype_id) for one in ("1", "2")] == [
        ("95588", "7", 5),
        ("4008001234", "", 53),
    ]
    assert routes["2"].devicetype == 1, "multimedia leads to no flow"
    assert routes["3"].access_code.startswith("400")
    assert flow(made, "Night").id == 3015
    assert (skill(made, "Chat").id, skill(made, "Chat").mediatype_id) == (140, 53)


def test_manifests_by_number_and_name(tmp_path: Path) -> None:
    made = centre(
        tmp_path,
        "accessCode,extCode,mediaType,target\n"
        "9911411,11,,ivr:Night#3015\n9911411,,53,queue:Billing\n+551140028922,2,,Billing\n0800,,,Holiday\n"
        "0801,,,ivr-file:day.xml\n0802,,,ivr-code:T1\n0803,,,Night\n9911411,11,,ivr:Night#3015\n",
    )
    assert {(route.access_code, route.ext_code, route.mediatype_id == 53) for route in made.routes} == {
        ("9911411", "11", False),
        ("9911411", "", True),
        ("+551140028922", "2", False),
        *((code, "", False) for code in ("0800", "0801", "0802", "0803")),
    }
    assert len(made.routes) == 7
    assert {len(route.id) for route in made.routes} == {19}
    assert flow(made, "Night").id == 3015
    assert skill(made, "Billing").mediatype_id == 53
    assert flow(made, "Holiday")
    assert [one.name for one in made.flows].count("Night") == 1
    assert "Billing" not in {one.name for one in made.flows}, "a bare name is that of the queue"
    assert {one.file_name for one in made.flows} >= {"day.xml"}
    assert {one.access_code for one in made.flows} >= {"T1"}
    assert len({one.id for one in made.flows}) == len(made.flows)


def test_numbers_as_callers_dial_them(tmp_path: Path) -> None:
    made = centre(tmp_path, "number,devicetype,deviceId\n08001234567,3,3015\n0800 123 4567,3,3015\n66881,1,101\n")
    assert sorted((route.access_code, route.ext_code) for route in made.routes) == [("08001234567", ""), ("66881", "")]


def test_the_seed_decides(tmp_path: Path) -> None:
    text = "accessCode,target\n0800,Night\n0801,Day\n"
    assert centre(tmp_path, text) == centre(tmp_path, text)


@pytest.mark.parametrize("text", ["accessCode,target\n0800,\n", "id,devicetype,deviceId,accessCode\n1,2,3,4\n"])
def test_faults_of_the_manifest_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    faults = Faults()
    with open_manifest(tmp_path / "m.csv") as opened:
        rehearsed(opened, faults)
    assert faults.total


def test_numbers_that_are_dialled_alike_are_routes_of_their_own(tmp_path: Path) -> None:
    made = centre(tmp_path, "accessCode,extCode,target\n4008,,Night\n4008,1,Night\n40081,,Night\n4008,1,Night\n")
    assert {(route.access_code, route.ext_code) for route in made.routes} == {
        ("4008", ""),
        ("4008", "1"),
        ("40081", ""),
    }
    assert len(made.routes) == 3
    made = centre(tmp_path, "number,target\n4008,Night\n40081,Night\n40081,Night\n")
    assert sorted(route.access_code for route in made.routes) == ["4008", "40081"]
