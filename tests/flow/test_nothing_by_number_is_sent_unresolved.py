"""A manifest by number is checked; whatever would send it refuses it, asks the service nothing and makes no ledger."""

from pathlib import Path

import pytest

from tests.harness import bulkroute, ids, serving

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


@pytest.mark.parametrize("command", ["run", "plan", "run --simulate"])
def test_what_would_send_it_refuses_it(tmp_path: Path, command: str) -> None:
    (tmp_path / "night.csv").write_text(TABLE)
    with serving(ids(3)) as service:
        result = bulkroute(*command.split(), "night.csv", "--base-url", service.url, cwd=tmp_path)
        assert service.simulator.calls_per_endpoint.total() == 0
    assert result.code == 65
    assert (
        "night.csv: is a manifest by number, which cannot be sent yet; give id, devicetype and deviceId" in result.err
    )
    assert [path.name for path in tmp_path.iterdir()] == ["night.csv"]
