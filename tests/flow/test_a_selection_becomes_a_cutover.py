"""From `select` to a verified cutover, with no id seen by anybody: what leads to one target is led to another."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkroute.simulator import Flow, Route, Skill
from tests.harness import Service, bulkroute, ids, serving

OLD, NEW, OTHER = Flow(3001, "旧流程"), Flow(3002, "Night"), Flow(3003, "Day")
VIP = Skill(
    101,
    "VIP",
    param={
        "busy": {"transferType": "Transfer", "deviceType": "3", "value": 3001},
        "noAgents": {"transferType": "Transfer", "deviceType": 3, "value": "3001"},
        "timeOut": {"transferType": "Release"},
    },
)


def routes() -> list[Route]:
    """Return 40 routes: 30 lead to the old flow, of which one is locked."""
    return [
        Route(
            row_id,
            *(OLD.target if place < 30 else OTHER.target),
            access_code="+551140028922" if place % 2 else "4008001234",
            ext_code=str(place),
            editable="1" if place == 7 else "0",
        )
        for place, row_id in enumerate(ids(40))
    ]


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(routes(), skills=[VIP], flows=[OLD, NEW, OTHER]) as one:
        yield one


@pytest.mark.slow
def test_select_plan_run_verify(service: Service, tmp_path: Path) -> None:
    url = {"BULKROUTE_BASE_URL": service.url, "BULKROUTE_RATE": "unlimited"}
    (tmp_path / "vip.txt").write_text("4008001234 2\n+55 11 4002-8922 3\n")
    words = ("select", "--from", "ivr:旧流程", "--to", "Night", "--except", "vip.txt", "-o", "old-to-new.csv")
    selected = bulkroute(*words, cwd=tmp_path, env=url)
    assert selected.code == 0, selected.err
    assert selected.out.splitlines() == [
        "30 routes lead to 旧流程 (ivr 3001): 27 written to old-to-new.csv, to lead to Night (ivr 3002);"
        " 3 left out (2 excepted, 1 locked, listed in old-to-new.left-out.csv)",
        "still leading to 旧流程 (ivr 3001), not changed by bulkroute: skill queue VIP (busy, no agents)",
    ]
    assert service.modified == 0

    with (tmp_path / "old-to-new.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    meant = [row_id for place, row_id in enumerate(ids(40)) if place < 30 and place not in (2, 3, 7)]
    assert sorted(row["id"] for row in rows) == sorted(meant)
    assert rows[0] == {
        "accessCode": "'+551140028922",
        "extCode": "1",
        "mediaType": "5",
        "before_target": "旧流程",
        "target": "Night",
        "id": ids(40)[1],
        "devicetype": "3",
        "deviceId": "3002",
        "before_devicetype": "3",
        "before_deviceId": "3001",
    }
    with (tmp_path / "old-to-new.left-out.csv").open(encoding="utf-8") as file:
        assert {row["id"]: row["reason"] for row in csv.DictReader(file)} == {
            ids(40)[2]: "excepted",
            ids(40)[3]: "excepted",
            ids(40)[7]: "locked",
        }

    planned = bulkroute("plan", "old-to-new.csv", "--expect", "27", "--json", cwd=tmp_path, env=url)
    assert json.loads(planned.out)["to_change"] == 27, planned.err
    run = bulkroute(
        "run",
        "old-to-new.csv",
        "--expect",
        "27",
        "--strict-targets",
        "--strict-numbers",
        "--json",
        cwd=tmp_path,
        env=url,
    )
    assert (run.code, run.summary["succeeded"]) == (0, 27), run.err
    assert "warning" not in run.err
    left = {row_id for row_id, target in service.bindings.items() if target == OLD.target}
    assert left == {ids(40)[2], ids(40)[3], ids(40)[7]}
    assert service.modified == 27
    assert bulkroute("verify", "old-to-new.ledger.db", cwd=tmp_path, env=url).code == 0

    words_of = ("status", "none.ledger.db", "old-to-new.ledger.db", "--find", "+55 11 4002-8922 ext 1")
    story = bulkroute(*words_of, cwd=tmp_path)
    assert story.code == 5
    assert "none.ledger.db" in story.err
    route, batch, call = story.out.splitlines()
    assert route == f"+551140028922 ext 1 (id {ids(40)[1]}), voice, in old-to-new.ledger.db"
    assert "old-to-new.csv, line 2: from 旧流程 (ivr 3001) to Night (ivr 3002): succeeded, " in batch
    assert ", try 1: done, HTTP 200, 0, data update success, " in call
    nothing = bulkroute("status", "old-to-new.ledger.db", "old-to-new.ledger.db", "--find", "nobody", cwd=tmp_path)
    assert nothing.out == "2 of 2 ledgers: no number, id or target's name holds 'nobody'\n"
    as_json = json.loads(bulkroute(*words_of[:1], *words_of[2:], "--json", cwd=tmp_path).out)
    assert [(route["id"], len(route["rows"])) for route in as_json["routes"]] == [(ids(40)[1], 1)]
    assert as_json["total"] == 1

    again = bulkroute(*words[:-1], "again.csv", cwd=tmp_path, env=url)
    assert again.code == 65
    assert "no route is selected: all 3 that do are left out (2 excepted, 1 locked); nothing was written" in again.err
    assert not (tmp_path / "again.csv").exists()


@pytest.mark.slow
def test_nothing_is_written_that_was_not_meant(service: Service, tmp_path: Path) -> None:
    url = {"BULKROUTE_BASE_URL": service.url, "BULKROUTE_RATE": "unlimited"}
    (tmp_path / "kept.csv").write_text("precious")
    (tmp_path / "new.left-out.csv").write_text("precious")
    words = ("select", "--from", "ivr:旧流程", "--to", "ivr:Night", "-o")
    for name, more, code, says in (
        ("kept.csv", (), 2, "kept.csv: is there already"),
        ("new.csv", (), 2, "new.left-out.csv: is there already"),
        ("other.csv", ("--expect", "30"), 65, "29 rows are selected, not 30 as --expect says"),
    ):
        refused = bulkroute(*words, name, *more, cwd=tmp_path, env=url)
        assert (refused.code, refused.out) == (code, "")
        assert says in refused.err
    assert {path.name for path in tmp_path.iterdir()} == {"kept.csv", "new.left-out.csv"}
    assert (tmp_path / "kept.csv").read_text() == (tmp_path / "new.left-out.csv").read_text() == "precious"

    forced = bulkroute(*words, "new.csv", "--force", "--json", cwd=tmp_path, env=url)
    assert json.loads(forced.out)["written"] == 29
    assert len((tmp_path / "new.csv").read_text().splitlines()) == 30
    assert len((tmp_path / "new.left-out.csv").read_text().splitlines()) == 2

    straight = bulkroute(*words, "/dev/stdout", "--ext-code", "1", cwd=tmp_path, env=url)
    assert [line.split(",")[0] for line in straight.out.splitlines()] == ["accessCode", "'+551140028922"]
    assert "1 of 30 routes that lead to 旧流程 (ivr 3001): 1 written to /dev/stdout" in straight.err
