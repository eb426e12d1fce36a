"""`targets` lists what names may be written: as a table, as JSON, as CSV; with the routes that lead to each."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkroute.simulator import Faults, contact_centre
from tests.harness import Service, bulkroute, serving

CENTRE = contact_centre(300, seed=3)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving(CENTRE.routes, skills=CENTRE.skills, flows=CENTRE.flows) as serving_one:
        yield serving_one


@pytest.mark.slow
def test_json_has_every_target_and_every_route(service: Service, tmp_path: Path) -> None:
    listed = bulkroute("targets", "--json", "--base-url", service.url, "--rate", "unlimited", cwd=tmp_path)
    assert listed.code == 0, listed.err
    found = {(each["devicetype"], each["deviceId"]): each for each in json.loads(listed.out)}
    leading = Counter(service.bindings.values())
    known = {flow.target for flow in CENTRE.flows} | {skill.target for skill in CENTRE.skills}
    assert {target for target, each in found.items() if each["exists"]} == known
    assert {target: each["routes"] for target, each in found.items() if each["routes"]} == leading
    for flow in CENTRE.flows:
        assert found[flow.target]["name"] == flow.name
        assert found[flow.target]["loaded"] == flow.loaded
    for skill in CENTRE.skills:
        assert found[skill.target]["mediaType"] == skill.mediatype_id
    gone = [each for each in found.values() if not each["exists"]]
    assert [each["name"] for each in gone] == ["closed"] * len(gone) != []


@pytest.mark.slow
def test_csv_takes_the_place_of_no_file_unasked(service: Service, tmp_path: Path) -> None:
    words = ("targets", "--type", "ivr", "--base-url", service.url, "--rate", "unlimited", "-o", "ivr.csv")
    assert bulkroute(*words, cwd=tmp_path).code == 0
    written = (tmp_path / "ivr.csv").read_text("utf-8")
    records = {int(record["deviceId"]): record for record in csv.DictReader(io.StringIO(written))}
    assert {number: (each["name"], each["loaded"]) for number, each in records.items()} == {
        flow.id: (flow.name, "yes" if flow.loaded else "no") for flow in CENTRE.flows
    }
    again = bulkroute(*words, cwd=tmp_path)
    assert (again.code, "is there already" in again.err) == (2, True)


@pytest.mark.slow
def test_people_see_a_table_of_what_they_look_for(service: Service, tmp_path: Path) -> None:
    words = ("targets", "--find", "NIGHT", "--base-url", service.url, "--rate", "unlimited")
    shown = bulkroute(*words, cwd=tmp_path)
    (night,) = [flow for flow in CENTRE.flows if flow.name == "Night"]
    routes = list(service.bindings.values()).count(night.target)
    lines = [line.split() for line in shown.out.splitlines()]
    assert ["Night", "ivr", str(night.id), "yes", str(routes)] in lines
    assert shown.out.startswith("0 skill queues, 2 IVR flows\n")


@pytest.mark.slow
def test_of_two_lists_the_one_that_may_be_read_is_shown(tmp_path: Path) -> None:
    with serving(["1"], Faults(skills_status=404)) as service:
        words = ("targets", "--base-url", service.url)
        refused = bulkroute(*words, cwd=tmp_path)
        assert (refused.code, refused.out) == (69, "")
        assert "querySkills is refused" in refused.err
        flows = bulkroute(*words, "--type", "ivr", cwd=tmp_path)
        assert flows.code == 0, flows.err
        service.simulator.set_faults(Faults(wrong_total=3))
        unsettled = bulkroute(*words, "--type", "ivr", cwd=tmp_path)
        assert unsettled.out == flows.out
        assert (unsettled.code, "the list of called routes never settled" in unsettled.err) == (1, True)
