"""What verify finds is grouped by what became of the rows, with the targets' names, before and after a rollback."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bulkroute.simulator import Flow, Route, Skill
from tests.harness import Result, Service, bulkroute, ids, serving, write_csv

pytestmark = pytest.mark.slow

ROWS = ids(8)
BILLING, NIGHT, OTHER = (1, 101), (3, 3015), (3, 3016)


@pytest.fixture
def service() -> Iterator[Service]:
    routes = [Route(row_id, *BILLING, "Billing", ext_code=str(place)) for place, row_id in enumerate(ROWS)]
    flows = [Flow(3015, "Night"), Flow(3016, "Other")]
    with serving(routes, skills=[Skill(101, "Billing")], flows=flows) as found:
        yield found


def known_as(place: int) -> str:
    """Return how people know a route."""
    return f"9911411 ext {place} (id {ROWS[place]})"


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def metrics_in(file: Path) -> dict[tuple[str, str], float]:
    """Return what metrics say, by name and their own label."""
    return {
        (
            each.name,
            "".join(value for label, value in each.labels.items() if label not in ("ledger", "tenant")),
        ): each.value
        for family in text_string_to_metric_families(file.read_text(encoding="utf-8"))
        for each in family.samples
        if each.labels["tenant"] == "夜"
    }


def test_rows_are_grouped_by_what_became_of_them(tmp_path: Path, service: Service) -> None:
    write_csv(tmp_path / "night.csv", dict.fromkeys(ROWS, NIGHT))

    def give(*words: str) -> Result:
        words = (*words, "--base-url", service.url, "--rate", "unlimited", "--backoff", "0.01")
        return bulkroute(*words, cwd=tmp_path, env=ASCII if words[0] == "verify" else {})

    metrics = ("--metrics-file", "night.prom")
    assert give("run", "night.csv", *metrics, "--max-rows", "3").code == 4
    part = give("verify", "night.ledger.db")
    assert (part.code, part.out) == (0, "3 of 3 rows done are as the ledger says; 5 more rows are not done yet\n")
    assert json.loads(give("verify", "night.ledger.db", "--json").out)["left"] == 5
    assert give("run", "night.csv", *metrics, "--tenant", "夜").code == 0
    tenant = service.simulator.tenant
    service.rebind({ROWS[0]: BILLING, ROWS[1]: BILLING, ROWS[2]: OTHER, ROWS[4]: OTHER})
    tenant.remove(ROWS[3])
    tenant.alter(replace(tenant.routes[ROWS[4]], editable="1"))

    bad = give("verify", "night.ledger.db", *metrics)
    assert (bad.code, bad.out.splitlines()) == (
        6,
        [
            "batch 1 in night.ledger.db: rows that are not as the ledger says",
            "found      rows  should lead to    leads to                   for example",
            f"put back      2  Night (ivr 3015)  Billing (skill_queue 101)  {known_as(0)}, {known_as(1)}",
            f"elsewhere     1  Night (ivr 3015)  Other (ivr 3016)           {known_as(2)}",
            f"gone          1  Night (ivr 3015)  not listed                 {known_as(3)}",
            f"locked        1  Night (ivr 3015)  Other (ivr 3016)           {known_as(4)}",
            "3 of 8 rows done are as the ledger says; 2 put back, 1 elsewhere, 1 gone, 1 locked",
        ],
    )
    rows = give("verify", "night.ledger.db", "--rows").out.splitlines()
    assert rows[0] == (
        f"{known_as(0)}: put back: was Billing (skill_queue 101), wanted Night (ivr 3015), is Billing (skill_queue 101)"
    )
    assert len(rows) == 6
    told = give("verify", "night.ledger.db", "--json").summary
    assert told["found"] == {"right": 3, "put_back": 2, "set_again": 0, "elsewhere": 1, "gone": 1, "locked": 1}
    assert (told["checked"], told["put_back"], told["exit_code"]) == (8, 0, 6)
    assert told["groups"][0] == {
        "kind": "put_back",
        "wanted": {"devicetype": 3, "deviceId": 3015, "name": "Night"},
        "is": {"devicetype": 1, "deviceId": 101, "name": "Billing"},
        "rows": 2,
        "examples": ROWS[:2],
    }
    both = metrics_in(tmp_path / "night.prom")
    assert (both["bulkroute_rows", "succeeded"], both["bulkroute_last_run_exit_code", ""]) == (8, 0), "the run's stay"
    assert (both["bulkroute_verify_rows", "put_back"], both["bulkroute_verify_rows", "right"]) == (2, 3)
    assert both["bulkroute_verify_exit_code", ""] == 6

    tenant.insert(Route(ROWS[3], *NIGHT), 3)
    tenant.alter(replace(tenant.routes[ROWS[4]], editable="0"))
    service.rebind(dict.fromkeys(ROWS, NIGHT))
    assert give("rollback", "night.ledger.db", *metrics, "--tenant", "夜").code == 0
    good = give("verify", "night.ledger.db")
    assert (good.code, good.out) == (0, "8 of 8 rows put back are as the ledger says\n")
    service.rebind({ROWS[7]: NIGHT})
    again = give("verify", "night.ledger.db", *metrics)
    assert again.code == 6
    assert f"set again     1  Billing (skill_queue 101)  Night (ivr 3015)  {known_as(7)}\n" in again.out
    assert give("verify", "night.ledger.db", "--batch", "2").out.splitlines()[-1].startswith("7 of 8 rows done are")
    both = metrics_in(tmp_path / "night.prom")
    assert (both["bulkroute_verify_rows", "set_again"], both["bulkroute_verify_rows", "right"]) == (1, 7)
    assert both["bulkroute_last_run_exit_code", ""] == 0

    gone = bulkroute(
        "verify", "night.ledger.db", "--base-url", "http://127.0.0.1:1", "--service-moved", *metrics, cwd=tmp_path
    )
    assert gone.code == metrics_in(tmp_path / "night.prom")["bulkroute_verify_exit_code", ""] == 69
    assert give("verify", "night.ledger.db", "--metrics-file", "night.csv").code == 2
