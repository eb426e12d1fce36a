"""The report, made by the real command line and read in a real browser."""

import csv
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from bulkroute.model import number_text
from bulkroute.simulator import Faults
from tests.browser import chromium, needs_chromium, opened
from tests.harness import bulkroute, exported, ids, serving, started, targets, write_csv
from tests.ledgers import made

HOSTILE = (
    """</script><script>window.hit=1</script><!--<script>"'`&amp;<img src=x onerror="window.hit=1">\u2028${alert(1)}"""
)


def report(ledger: Path) -> tuple[str, dict[str, Any]]:
    """Return the page and the data in it."""
    done = bulkroute("report", ledger.name, "-o", "page.html", "--force", cwd=ledger.parent)
    assert done.code == 0, done.err
    page = (ledger.parent / "page.html").read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return page, data


def two_runs(folder: Path) -> Path:
    """Run 400 rows with failures in two runs."""
    wanted = targets(ids(400))
    write_csv(folder / "night.csv", wanted)
    options = ("--rate", "unlimited", "--backoff", "0.01", "--backoff-cap", "0.02", "--json")
    for faults in (Faults(fail_500=0.2, business_ids=0.3), Faults(fail_500=0.2, business_ids=0.1)):
        with serving(wanted, faults, seed=4) as service:
            moved = ("run", "night.csv", "--base-url", service.url, "--service-moved")
            assert bulkroute(*moved, *options, cwd=folder).code == 1
    return folder / "night.ledger.db"


@pytest.mark.slow
def test_figures_are_those_of_the_ledger(tmp_path: Path) -> None:
    ledger = two_runs(tmp_path)
    page, data = report(ledger)
    status = json.loads(bulkroute("status", ledger.name, "--json", cwd=tmp_path).out)
    assert data["counts"] == {name: status[name] for name in data["counts"]}
    failed = {row["id"]: row for row in exported(ledger).values() if row["status"] == "failed"}
    rows = [dict(zip(data["failed"]["columns"], row, strict=True)) for row in data["failed"]["rows"]]
    assert {row["id"]: (row["error"], str(row["http_status"])) for row in rows} == {
        row["id"]: (row["error"], row["http_status"]) for row in failed.values()
    }
    with closing(sqlite3.connect(ledger)) as connection:
        calls, retries = connection.execute("SELECT count(*), sum(number > 1) FROM attempt").fetchone()
    assert (data["calls"]["all"], data["calls"]["retries"]) == (calls, retries)
    assert sum(bar["calls"] for bar in data["latency"]["bars"]) == calls
    assert [run["exit_code"] for run in data["runs"]["rows"]] == [1, 1]
    assert not re.search(r"""(src|href)\s*=\s*["']?(?!data:)[a-z/]""", page.split("<script", 1)[0])


def test_what_the_service_said_cannot_leave_its_place(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=10, failed=5, text=lambda _: HOSTILE)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("UPDATE batch SET manifest = ?", (HOSTILE,))
        connection.execute("INSERT INTO wait (run, started_at, reason) VALUES (1, 1, ?)", (HOSTILE,))
        connection.commit()
    page, data = report(ledger)
    assert HOSTILE not in page
    assert "window.hit=1</script>" not in page
    assert data["failed"]["texts"] == [HOSTILE]
    assert data["manifest"] == HOSTILE


@pytest.mark.parametrize(("failed", "kept"), [(19_999, 19_999), (20_001, 20_000)])
@pytest.mark.slow
def test_the_page_says_when_it_does_not_hold_all_failed_rows(tmp_path: Path, failed: int, kept: int) -> None:
    page, data = report(made(tmp_path / "l.db", rows=20_010, failed=failed))
    assert (data["failed"]["total"], len(data["failed"]["rows"])) == (failed, kept)
    assert len(page) < 4_000_000


@pytest.mark.slow
def test_a_million_rows_make_a_small_page(tmp_path: Path) -> None:
    page, data = report(made(tmp_path / "l.db", rows=1_000_000, run_s=30_000))
    assert len(page) < 150_000
    assert data["counts"]["succeeded"] == data["calls"]["all"] == 1_000_000


@pytest.mark.slow
def test_a_killed_run_is_told_apart_from_one_that_goes_on(tmp_path: Path) -> None:
    wanted = targets(ids(300))
    write_csv(tmp_path / "night.csv", wanted)
    with (
        serving(wanted) as service,
        started("run", "night.csv", "--base-url", service.url, "--rate", "100", cwd=tmp_path) as process,
    ):
        while service.modified < 50:
            assert process.poll() is None
        _, going = report(tmp_path / "night.ledger.db")
        process.kill()
        process.wait()
    _, killed = report(tmp_path / "night.ledger.db")
    assert (going["state"]["state"], killed["state"]["state"]) == ("running", "killed")
    assert killed["runs"]["rows"][0]["calls"] >= 49


def test_a_page_that_cannot_be_written_is_no_traceback(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=3)
    done = bulkroute("report", "l.db", "-o", "missing/page.html", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert "missing/page.html" in done.err


@pytest.mark.parametrize("command", ["report", "export"])
def test_the_ledger_is_never_overwritten(tmp_path: Path, command: str) -> None:
    before = made(tmp_path / "l.db", rows=3).read_bytes()
    done = bulkroute(command, "l.db", "-o", "./l.db", cwd=tmp_path)
    assert (done.code, (tmp_path / "l.db").read_bytes()) == (2, before)


@needs_chromium
@pytest.mark.slow
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    ledger = two_runs(tmp_path)
    _, data = report(ledger)
    counts = data["counts"]
    with chromium() as browser, opened(browser, (tmp_path / "page.html").as_uri()) as page:
        text = " ".join(page.locator("#tiles").inner_text().split())
        assert f"{counts['succeeded']} of {counts['total']}" in text
        assert page.locator("#charts canvas").count() == 3
        rows = page.locator("#failed tbody tr")
        failed = counts["failed"]
        assert rows.count() == min(100, failed)
        last = dict(zip(data["failed"]["columns"], data["failed"]["rows"][-1], strict=True))
        number = number_text(last["access_code"], last["ext_code"])
        assert last["access_code"]
        for searched in (last["id"], number, f"{last['access_code'][:3]}-{last['access_code'][3:]} {last['ext_code']}"):
            page.fill("#failed-text", searched)
            expect(rows).to_have_count(1)
            assert rows.locator("td").all_text_contents()[:2] == [number, last["id"]]
        with page.expect_download() as download:
            page.click("#failed-save")
        download.value.save_as(tmp_path / "one.csv")
        assert bulkroute("check", "one.csv", cwd=tmp_path).code == 0
        (saved,) = csv.DictReader((tmp_path / "one.csv").read_text().splitlines())
        assert saved["id"] == last["id"]
        assert saved["accessCode"].removeprefix("'") == last["access_code"]


@needs_chromium
@pytest.mark.slow
def test_hostile_text_stays_text_in_a_browser(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=10, failed=5, text=lambda _: HOSTILE)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("UPDATE batch SET manifest = ?", (HOSTILE,))
        connection.execute("INSERT INTO wait (run, started_at, reason) VALUES (1, 1, ?)", (HOSTILE,))
        connection.execute("INSERT INTO remark VALUES (1, 1, 1, 2, 'warning', 0, ?)", (HOSTILE,))
        connection.execute("UPDATE run SET tenant = ?, note = ?, who = ?", (HOSTILE,) * 3)
        connection.execute("INSERT INTO target VALUES (1, 1, 101, ?)", ("</script><script>window.hit=1</script>",))
        connection.commit()
    report(ledger)
    with chromium() as browser, opened(browser, (tmp_path / "page.html").as_uri()) as page:
        assert page.locator("h1").text_content() == HOSTILE
        assert page.locator("#failed tbody tr td:nth-child(7)").first.text_content() == HOSTILE
        assert page.locator("#waits tbody tr td:nth-child(4)").text_content() == HOSTILE
        assert HOSTILE in page.locator("#remarks li").inner_text()
        assert page.locator("#origin b").all_text_contents() == [HOSTILE, HOSTILE]
        assert "</script> (skill_queue 101)" in page.locator("#pairs td").all_text_contents()[1]
        assert page.evaluate("window.hit") is None
        assert page.locator("img").count() == 0


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_no_column_is_out_of_sight(tmp_path: Path, width: int) -> None:
    ledger = made(tmp_path / "l.db", rows=30, failed=25, text=lambda _: "a long story of what went wrong " * 6)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute(
            "UPDATE row SET before_devicetype = 3, before_device_id = 201, access_code = '4008001234', ext_code = '17'"
        )
        connection.execute("INSERT INTO target VALUES (1, 1, 101, 'Complaints of the northern region')")
        connection.execute(
            "UPDATE run SET who = 'night-operator@jobhost-17', command_line = 'bulkroute run night.csv --rate 20'"
        )
        connection.execute("INSERT INTO wait (run, started_at, reason) VALUES (1, 1, 'the switch is rebooting')")
        for remark in (
            (1, 1, 1, 2, "notice", 1, "a column is not used"),
            (2, 1, 1, 2, "warning", 0, "ivr 3010 is not loaded"),
            (3, 1, None, 1, "check", 0, "29 of 30 rows done are as the ledger says; 1 gone"),
            (4, 1, None, 1.5, "check", 1, "30 of 30 rows done are as the ledger says"),
            (5, 1, 1, 1.7, "hook", 1, "--before-run: exit code 0: CHG7 is approved"),
            (6, 1, 1, 1.8, "hook", 0, "--on-event (ended): exit code 7: the chat refused it"),
        ):
            connection.execute("INSERT INTO remark VALUES (?, ?, ?, ?, ?, ?, ?)", remark)
        connection.commit()
    report(ledger)
    with (
        chromium() as browser,
        opened(browser, (tmp_path / "page.html").as_uri(), viewport={"width": width, "height": 800}) as page,
    ):
        warning, hook, check = page.locator("#remarks li").all_text_contents()
        assert hook.startswith("Hook --on-event (ended): exit code 7: the chat refused it ")
        assert "CHG7 is approved" in page.locator("#notices").inner_text(), "nothing to look at"
        assert warning.startswith("Warning ivr 3010 is not loaded ")
        assert warning.endswith(", run 1")
        # The last check alone: what an earlier one found is past.
        assert check.startswith("Verified 30 of 30 rows done are as the ledger says ")
        assert check.endswith(", before run 1"), "a run since may have changed it"
        for name in ("pairs", "reasons", "failed", "waits", "notices", "runs"):
            cells = page.locator(f"#{name} td:not(:empty)")
            edges = cells.evaluate_all("cells => cells.map((cell) => cell.getBoundingClientRect().right)")
            assert edges, name
            assert max(edges) <= width, f"{name} goes on out of sight"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
