"""`fleet report` writes a page of all tenants that leads to the report of each, and replaces nothing by mistake."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bulkroute.cli import main
from tests.flow.test_the_report_in_a_browser import HOSTILE
from tests.ledgers import made


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a fleet file with a tenant that is done, one with failed rows, one that cannot be read and one to come."""
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "done.db", rows=10)
    with closing(sqlite3.connect(made(tmp_path / "failed.db", rows=10, failed=3))) as connection:
        connection.execute("UPDATE run SET stopped = ?", (HOSTILE,))
        connection.commit()
    (tmp_path / "junk.db").write_text("no ledger")
    path = tmp_path / "fleet.yaml"
    path.write_text(
        "tenants: {acme 50%#: {ledger: done.db}, globex: {ledger: failed.db}, wayne: {ledger: junk.db}, to_come: {ledger: no.db}}"
    )
    return path


def report(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["fleet", "report", "fleet.yaml", *words])
    return ended.value.code


def data_of(page: Path) -> dict[str, Any]:
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    assert text
    found: dict[str, Any] = json.loads(text[1])
    return found


@pytest.mark.slow
def test_each_line_leads_to_a_report_and_that_leads_back(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = file.parent / "night"
    assert report("-o", "night") == 5, "one cannot be read"
    assert "night/index.html: 2 reports beside it" in capsys.readouterr().err
    data = data_of(folder / "index.html")
    lines = {line["tenant"]: line for line in data["lines"]}
    assert {name: line["href"] for name, line in lines.items() if line["href"] is None} == {
        "wayne": None,
        "to_come": None,
    }
    assert "this is not a ledger" in lines["wayne"]["reason"]
    assert lines["globex"]["reason"] == HOSTILE
    assert HOSTILE not in (folder / "index.html").read_text(), "it is data, not markup"
    for name, rows in (("acme 50%#", 10), ("globex", 7)):
        page = folder / unquote(lines[name]["href"])
        assert data_of(page)["counts"]["succeeded"] == rows == lines[name]["done"]
        assert '<a href="../index.html">' in page.read_text()
    assert (data["totals"]["tenants"], data["totals"]["done"], data["totals"]["failed"]) == (4, 17, 3)
    assert len(list(folder.rglob("*.*"))) == 3


@pytest.mark.slow
def test_what_is_there_is_not_replaced_without_force_and_a_ledger_never(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = file.parent / "night" / "tenants" / "globex.html"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert report("-o", "night") == 2
    assert "globex.html: is there already" in capsys.readouterr().err
    assert not (file.parent / "night" / "index.html").exists(), "nothing is written before all is free"
    assert report("-o", "night", "--force") == 5
    assert mine.read_text() != "mine"
    mine.write_bytes((file.parent / "done.db").read_bytes())
    assert report("-o", "night", "--force") == 2
    assert "globex.html: is a ledger" in capsys.readouterr().err
    assert report("-o", "no/where/night") == 2
    assert "no/where/night: cannot be made" in capsys.readouterr().err
