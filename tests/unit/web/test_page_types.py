"""The types that the pages' scripts are checked against are those of the data they get."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bulkroute.fleet.page import head_of, lines_of, live_page
from bulkroute.fleet.views import ENDED, TenantView
from bulkroute.ledger.ledger import Ledger
from bulkroute.progress import Pause, Progress
from bulkroute.web.page_data import Snapshots
from tests.ledgers import made

TYPES = Path(__file__).parents[2] / "typing" / "page.d.ts"
SIMPLE: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "any": (object,),
    "null": (type(None),),
}
OPEN = {"RunStatus"}
"""Types of objects of which the page uses only a part."""


def interfaces() -> dict[str, dict[str, str]]:
    """Return each interface with its fields; a field that may be missing ends in `?`."""
    found: dict[str, dict[str, str]] = {}
    for name, parent, body in re.findall(
        r"^interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}", TYPES.read_text(), re.M | re.S
    ):
        fields = dict(re.findall(r"^  (\w+\??): (.+);$", body, re.M))
        found[name] = {**found.get(parent, {}), **fields}
    return found


def faults(value: Any, kind: str, known: dict[str, dict[str, str]], where: str) -> Iterator[str]:
    """Yield where a value is not of its type."""
    kind = kind.removeprefix("(").removesuffix(")")
    if " | " in kind and not kind.endswith("[]"):
        if all(any(faults(value, option, known, where)) for option in kind.split(" | ")):
            yield f"{where} is {value!r}, not {kind}"
    elif kind in SIMPLE:
        if not isinstance(value, SIMPLE[kind]) or (isinstance(value, bool) and kind != "boolean"):
            yield f"{where} is {value!r}, not {kind}"
    elif kind.endswith("[]"):
        for each in value if isinstance(value, list) else [None]:
            yield from faults(each, kind.removesuffix("[]"), known, f"{where}[]")
    elif kind == "Record<string, number>":
        for name, each in value.items():
            yield from faults(each, "number", known, f"{where}.{name}")
    elif isinstance(value, dict):
        yield from _faults_of_object(value, kind, known, where)
    else:
        yield f"{where} is {value!r}, not {kind}"


def _faults_of_object(value: dict[str, Any], kind: str, known: dict[str, dict[str, str]], where: str) -> Iterator[str]:
    fields = {name.removesuffix("?"): each for name, each in known[kind].items()}
    needed = {name for name in known[kind] if not name.endswith("?")}
    unknown = set() if kind in OPEN else value.keys() - fields
    if wrong := sorted(needed - value.keys()) + sorted(unknown):
        yield f"{where}: {', '.join(wrong)} missing, or not in {kind}"
    for name in value.keys() & fields:
        yield from faults(value[name], fields[name], known, f"{where}.{name}")


def page_data(ledger: Path) -> Any:
    with Ledger(ledger).read() as reader:
        return json.loads(json.dumps(Snapshots(reader).read(failed_rows=10)))


def test_the_data_of_a_page_is_of_its_types(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=50, failed=5)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("INSERT INTO wait (run, started_at, ended_at, reason) VALUES (1, 1, 2, 'lunch')")
        connection.execute("INSERT INTO remark VALUES (1, 1, 1, 2, 'warning', 0, 'ivr 3010 is not loaded')")
        connection.execute("INSERT INTO remark VALUES (2, 1, NULL, 2, 'check', 1, 'all is right')")
        connection.execute(
            "INSERT INTO pace (run, at, asked, rate, concurrency, reason, cause) VALUES (1, 1, 20, NULL, 16, 'x', 'operator')"
        )
        connection.commit()
    data = page_data(ledger)
    assert all(data[name] for name in ("waits", "paces", "remarks"))
    assert all(data[name]["rows"] for name in ("reasons", "failed", "runs", "pairs"))
    assert data["latency"]["bars"]
    assert list(faults(data, "PageData", interfaces(), "data")) == []
    packed = data["failed"]
    for values in packed["rows"]:
        row = dict(zip(packed["columns"], values, strict=True))
        row["description"] = packed["texts"][row["description"]]
        assert list(faults(row, "FailedRow", interfaces(), "row")) == []


def test_the_data_of_a_ledger_without_a_run_is_too(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=50)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.executescript("DELETE FROM attempt; DELETE FROM run; UPDATE row SET status = 'pending'")
    assert list(faults(page_data(ledger), "PageData", interfaces(), "data")) == []


def test_what_a_run_answers_is_of_its_type() -> None:
    pauses = [
        Pause("throttled", "HTTP 429", 1.5, 1.0, 2.5),
        Pause("paused", "lunch", None, 1.0),
        Pause("down", "service down (8 rows: HTTP 503)", None, 1.0, 901.0, 4.0),
    ]
    progress = Progress(
        *("l.db", 1, 60.0, 9, 1, 1, 0, 1, 0, 2, 0, 3, 0, 0, 16),
        None,
        12.5,
        3,
        pauses,
        stopping=None,
        ends_at=1.5,
        eta_s=None,
    )
    answer = json.loads(json.dumps(progress.fields()))
    assert list(faults(answer, "RunStatus", interfaces(), "live")) == []
    assert list(faults(answer["pauses"], "Pause[]", interfaces(), "pauses")) == []


def test_a_wrong_type_is_found() -> None:
    known = interfaces()
    assert list(faults({"total": 1, "rows": []}, "Runs", known, "runs")) == []
    assert list(faults({"total": "1", "rows": []}, "Runs", known, "runs")) == ["runs.total is '1', not number"]
    assert list(faults({"rows": [], "more": 1}, "Runs", known, "runs")) == ["runs: total, more missing, or not in Runs"]
    assert list(faults([1, None], "(number | null)[]", known, "x")) == []
    assert list(faults([1, "2"], "(number | null)[]", known, "x")) == ["x[] is '2', not number | null"]


def test_the_data_of_a_fleets_page_is_of_its_types() -> None:
    views = [
        TenantView("acme", "paused", "lunch", 9, 4, 1, 0, None, None, "4008001234: business", None, 20.0, "vm", "a.db"),
        TenantView("globex", ENDED, "stopped", 9, 9, exit_code=4),
    ]
    lines = json.loads(json.dumps(lines_of(views, live_page)))
    data = {**json.loads(json.dumps(head_of("fleet.yaml", views))), "lines": lines}
    del data["made_at"]
    assert list(faults(data, "FleetData", interfaces(), "data")) == []
    assert [line["href"] for line in lines] == ["t/acme/", "t/globex/"]
