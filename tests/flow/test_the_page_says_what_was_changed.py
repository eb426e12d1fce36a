"""For those who slept: the page says where rows went, whose they are, what was warned of, and what proved it."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bulkroute.ledger.ledger import Ledger
from bulkroute.simulator import Flow, Route, Skill
from tests.harness import bulkroute, ids, serving, write_csv

pytestmark = pytest.mark.slow

ROWS = ids(8)
BILLING, NIGHT, HOLIDAY = (1, 101), (3, 3015), (3, 3010)


def page(folder: Path, *more: object) -> dict[str, Any]:
    """Return the data of the report."""
    assert bulkroute("report", "night.ledger.db", "-o", "page.html", "--force", *more, cwd=folder).code == 0
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', (folder / "page.html").read_text())
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def said(data: dict[str, Any]) -> list[tuple[str, int | None, bool, str]]:
    return [(each["kind"], each["run"], each["is_good"], each["text"]) for each in data["remarks"]]


def test_what_was_changed_and_what_was_said_stands_on_the_page(tmp_path: Path) -> None:
    routes = [Route(row_id, *BILLING, "Billing", editable="1" if row_id == ROWS[7] else "0") for row_id in ROWS]
    flows = [Flow(3015, "Night"), Flow(3010, "Holiday", loaded=False)]
    write_csv(tmp_path / "night.csv", {**dict.fromkeys(ROWS, NIGHT), ROWS[0]: HOLIDAY, "1125397061153999999": NIGHT})
    with serving(routes, skills=[Skill(101, "Billing")], flows=flows) as service:
        to = ("--base-url", service.url, "--rate", "unlimited", "--backoff", "0.01")
        of = ("--tenant", "shop-eu", "--note", "CHG42")
        run = bulkroute("run", "night.csv", *to, *of, "--canary", "2", cwd=tmp_path)
        assert run.code == 1, run.err
        assert bulkroute("verify", "night.ledger.db", *to, cwd=tmp_path).code == 0
        data = page(tmp_path)
        origin = data["origin"]
        assert (origin["service"], origin["tenant"], origin["note"]) == (service.url, "shop-eu", "CHG42")
        assert "@" in origin["who"]
        started = data["runs"]["rows"][0]["where"]
        assert started.startswith("bulkroute run night.csv --base-url ")
        digest = hashlib.sha256((tmp_path / "night.csv").read_bytes()).hexdigest()
        assert f"manifest's SHA-256 {digest[:12]}" in started
        assert [(each["rows"], each["done"], each["refused"], each["failed"]) for each in data["pairs"]["rows"]] == [
            (7, 6, 1, 0),
            (1, 0, 1, 0),
            (1, 1, 0, 0),
        ]
        billing, night = "Billing (skill_queue 101)", "Night (ivr 3015)"
        assert [(each["before"], each["after"]) for each in data["pairs"]["rows"]] == [
            (billing, night),
            ("", night),
            (billing, "Holiday (ivr 3010)"),
        ]
        assert said(data)[:4] == [
            ("check", None, True, "7 of 7 rows done are as the ledger says"),
            ("wave", 1, True, "wave 2 of 2: 5 rows were sent and read back right"),
            ("wave", 1, True, "wave 1 of 2: 2 rows were sent and read back right"),
            ("warning", 1, False, "Holiday (ivr 3010) is not loaded: 1 row leads there"),
        ]
        assert data["state"]["text"] == "went through: 2 refused"
        assert {each["error"]: each["refused"] for each in data["reasons"]["rows"]} == {
            "locked": True,
            "unknown_id": True,
        }

        service.rebind({ROWS[1]: HOLIDAY})
        assert bulkroute("verify", "night.ledger.db", *to, cwd=tmp_path).code == 6
        assert said(page(tmp_path))[0] == ("check", None, False, "6 of 7 rows done are as the ledger says; 1 elsewhere")
        assert bulkroute("rollback", "night.ledger.db", *to, *of, cwd=tmp_path).code == 1
        assert bulkroute("verify", "night.ledger.db", *to, cwd=tmp_path).code == 6
        back = page(tmp_path)
        assert (back["parent"], back["state"]["text"]) == (1, "went through: 1 refused")
        assert said(back)[0][3] == "6 of 7 rows put back or done (6 and 1) are as the ledger says; 1 elsewhere"
        assert len([each for each in said(back) if each[0] == "check"]) == 1, (
            "what was found before it says nothing of it"
        )


def test_a_check_while_a_run_holds_the_ledger_finds_all_the_same(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", dict.fromkeys(ROWS, NIGHT))
    with serving(ROWS) as service:
        to = ("--base-url", service.url, "--rate", "unlimited")
        assert bulkroute("run", "night.csv", *to, cwd=tmp_path).code == 0
        with Ledger(tmp_path / "night.ledger.db").hold():
            busy = bulkroute("verify", "night.ledger.db", *to, cwd=tmp_path)
        assert (busy.code, busy.err) == (0, "")
        assert [each[0] for each in said(page(tmp_path))] == ["warning"], "only who holds a ledger writes it"
