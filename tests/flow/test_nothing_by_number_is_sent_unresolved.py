"""A manifest by number is checked by its form; what live bindings do not have is a fault, and nothing is sent."""

from pathlib import Path

import pytest

from bulkroute.simulator import Flow, Route
from tests.harness import bulkroute, serving

TABLE = "Access Code,Extension Code,Type,Target\n9911411,11,ivr,Night#3015\n+55 11 4002-8922,,queue,Billing\n"


def test_check_judges_the_form_and_says_who_resolves(tmp_path: Path) -> None:
    (tmp_path / "night.csv").write_text(TABLE)
    result = bulkroute("check", "night.csv", cwd=tmp_path)
    assert result.code == 0
    assert result.out == "night.csv: 2 rows, no faults; numbers and names are resolved by plan and run\n"
    assert not result.err


def test_every_fault_of_the_form_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "night.csv").write_text(
        f"{TABLE}08oo,2.0,ivr,Night\n9911 411,11,ivr,Day\n9911411,11,ivr,Night#3015\n1,,pbx,ivr:\n"
    )
    result = bulkroute("check", "night.csv", cwd=tmp_path)
    assert result.code == 65
    faults = [line.split(" ")[:2] for line in result.err.splitlines()]
    assert faults == [
        ["night.csv:4:", "accessCode"],
        ["night.csv:4:", "extCode"],
        ["night.csv:5:", "9911411"],
        ["night.csv:7:", "devicetype"],
        ["night.csv:7:", "target"],
        ["bulkroute:", "night.csv:"],
    ]
    assert "9911411 ext 11 is to go to ivr:Day, but line 2 sends it to ivr:Night#3015; keep one of them" in result.err


def test_a_number_that_stands_twice_alike_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "night.csv").write_text(f"{TABLE}9911-411,11,ivr,Night#3015\n")
    result = bulkroute("check", "night.csv", cwd=tmp_path)
    assert result.code == 0
    assert " 2 rows" in result.out
    assert "1 row was dropped: the same number with the same target stands further up" in result.err


@pytest.mark.parametrize("command", ["run", "plan"])
def test_what_is_not_found_is_told_with_its_line_and_nothing_is_sent(tmp_path: Path, command: str) -> None:
    (tmp_path / "night.csv").write_text(TABLE)
    with serving([Route("1", access_code="551140028922")], flows=[Flow(3015, "Night")]) as service:
        result = bulkroute(command, "night.csv", "--base-url", service.url, cwd=tmp_path)
        assert not service.modified
    assert result.code == 65
    assert [line for line in result.err.splitlines() if line.startswith(("night", "bulkroute"))] == [
        "night.csv: 2 of 2 numbers are not found: is this the right tenant? Organization units may hide routes from this key",
        "night.csv:2: no route 9911411 ext 11",
        "night.csv:3: no route +551140028922; 551140028922 exists: has a leading 0 or + been lost?",
        "night.csv:3: no skill queue is called 'Billing'",
        "bulkroute: night.csv: 4 faults, nothing was sent; correct the manifest and run again",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["night.csv"]
