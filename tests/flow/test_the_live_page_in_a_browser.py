"""The live page in a real browser, against real runs with faults."""

import json
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bulkroute.simulator import Faults
from tests.browser import chromium, needs_chromium, opened
from tests.flow.test_the_report_in_a_browser import HOSTILE
from tests.harness import bulkroute, ids, serving, started, targets, write_csv
from tests.ledgers import made, written
from tests.watching import watching

pytestmark = [needs_chromium, pytest.mark.slow]

RUN = (
    "run",
    "night.csv",
    "--no-snapshot",
    "--backoff",
    "0.01",
    "--backoff-cap",
    "0.02",
)


def tile(page: Page, name: str) -> str:
    """Return the figure of a tile, its small print left out."""
    found = page.locator("#tiles div", has=page.locator(f"dt:text-is('{name}')")).locator("dd")
    return found.evaluate("figure => figure.firstChild.textContent")  # type: ignore[no-any-return]  # Playwright returns Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_figures_at_the_end_are_the_ledgers_also_after_the_server_was_restarted(tmp_path: Path) -> None:
    wanted = targets(ids(900))
    write_csv(tmp_path / "night.csv", wanted)
    ledger = tmp_path / "night.ledger.db"
    port = free_port()
    faults = Faults(
        fail_500=0.05, business_ids=0.05, fail_500_ids=0.02, reset_before=0.01, throttle=80, retry_after="1"
    )
    with (
        serving(wanted, faults, seed=3) as service,
        chromium() as browser,
        watching(ledger, port=port) as watch,
        opened(browser, watch.link) as page,
        started(*RUN, "--rate", "100", "--base-url", service.url, cwd=tmp_path) as run,
    ):
        expect(page.locator("#state")).to_contain_text("running", timeout=20_000)
        expect(page.locator("#charts canvas").first).to_be_visible()
        watch.process.kill()
        watch.process.wait()
        expect(page.locator("#stale")).to_contain_text("does not answer", timeout=20_000)
        with watching(ledger, port=port) as again:
            expect(page.locator("#stale")).to_contain_text("open the link", timeout=20_000)
            page.goto(again.link)  # in the same tab
            expect(page.locator("#stale")).to_be_hidden(timeout=20_000)
            assert run.wait(120) == 1
            expect(page.locator("#state")).to_contain_text("went through", timeout=20_000)
            status = json.loads(bulkroute("status", ledger.name, "--json", cwd=tmp_path).out)
            assert (tile(page, "rows done"), tile(page, "failed"), tile(page, "left")) == (
                str(status["succeeded"]),
                str(status["failed"]),
                "0",
            )
            with closing(sqlite3.connect(ledger)) as connection:
                calls, retries, throttled = connection.execute(
                    "SELECT count(*), sum(number > 1), sum(verdict = 'throttled') FROM attempt"
                ).fetchone()
            expect(page.locator("#facts")).to_contain_text(
                f"{calls:,} calls, {retries:,} of them retries, {throttled:,} throttled"
            )
            assert throttled
            kinds = page.locator("#failed-kind option").all_text_contents()
            assert sorted(kinds) == sorted(["all", *(f"{kind} ({rows})" for kind, rows in status["failures"].items())])
            expect(page.locator("#failed-place")).to_contain_text(f"of {status['failed']}", timeout=10_000)
            assert page.locator("#waits tbody tr").count() >= 1


def test_pause_rate_resume_and_stop(tmp_path: Path) -> None:
    wanted = targets(ids(2000))
    write_csv(tmp_path / "night.csv", wanted)
    with (
        serving(wanted) as service,
        chromium() as browser,
        watching(tmp_path / "night.ledger.db", "--control") as watch,
        started(*RUN, "--rate", "50", "--base-url", service.url, cwd=tmp_path) as run,
        opened(browser, watch.link) as page,
    ):
        assert "token" in watch.link
        expect(page.locator("#state")).to_contain_text("running", timeout=20_000)
        assert "token" not in page.url
        page.get_by_label("because").fill("the switch is rebooting")
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#state")).to_contain_text("the switch is rebooting")
        still = service.modified
        time.sleep(0.5)
        assert service.modified == still
        page.get_by_role("textbox", name="Calls per second").fill("none at all")
        page.get_by_role("button", name="Set rate").click()
        expect(page.locator("#control-answer")).to_contain_text("refused")
        page.get_by_role("textbox", name="Calls per second").fill("25")
        page.get_by_role("button", name="Set rate").click()
        expect(page.locator("#control-answer")).to_contain_text("rate: done")
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("#tiles")).to_contain_text("of 25/s", timeout=10_000)
        expect(page.locator("#state")).to_contain_text("running")
        expect(page.locator("#paces tbody tr").first).to_contain_text("25/s")
        expect(page.locator("#legend-rate")).to_contain_text("asked for")
        stop = page.locator("button[data-verb=stop]")
        stop.click()
        expect(stop).to_have_text("Stop: press once more")
        assert run.poll() is None  # once is not enough
        stop.click()
        assert run.wait(30) == 4
        expect(page.locator("#state")).to_contain_text("stopped by the operator", timeout=10_000)
        expect(stop).to_be_disabled()


def test_a_wave_is_let_on_from_the_page_and_the_next_is_refused(tmp_path: Path) -> None:
    wanted = targets(ids(20))
    write_csv(tmp_path / "night.csv", wanted)
    gates = ("--waves", "2,5,rest", "--gate-hold", "--gate-timeout", "1h")
    with (
        serving(wanted) as service,
        chromium() as browser,
        watching(tmp_path / "night.ledger.db", "--control") as watch,
        started(*RUN, *gates, "--base-url", service.url, cwd=tmp_path) as run,
        opened(browser, watch.link) as page,
    ):
        answer, go, no_go = (page.locator(each) for each in ("#control-answer", "[data-verb=go]", "[data-verb=no-go]"))
        expect(page.locator("#state")).to_contain_text("gate: after wave 1 of 3", timeout=20_000)
        expect(page.locator("#waves tbody tr").first).to_contain_text("waiting for a go")
        go.click()
        expect(answer).to_contain_text("Go: wave 2 begins, which sends 5 rows, if no other gate is waited for")
        assert service.modified == 2  # once is not enough
        go.click()
        expect(page.locator("#state")).to_contain_text("gate: after wave 2 of 3", timeout=20_000)
        assert service.modified == 7
        no_go.click()
        expect(answer).to_contain_text("write why into the field first")
        page.get_by_label("because").fill("line 4008001234 is dead")
        no_go.click()
        expect(answer).to_contain_text("no further wave begins and the run stops")
        assert run.poll() is None
        no_go.click()
        assert run.wait(30) == 3
        expect(page.locator("#state")).to_contain_text(
            "no go after wave 2 of 3: line 4008001234 is dead", timeout=10_000
        )
        lines = page.locator("#waves tbody tr")
        expect(lines.nth(1)).to_contain_text("no go")
        expect(lines.nth(2)).to_contain_text("not begun")
        expect(go).to_be_hidden()
        assert service.modified == 7


def test_the_way_back_is_foretold_and_a_back_out_shown_as_such(tmp_path: Path) -> None:
    wanted = targets(ids(300))
    write_csv(tmp_path / "night.csv", wanted)
    limits = ("--rate", "20", "--max-failures", "15", "--back-out-on", "limit,deadline", "--max-duration", "5h")
    with (
        serving(wanted, Faults(business_ids=0.15)) as service,
        chromium() as browser,
        watching(tmp_path / "night.ledger.db", "--control") as watch,
        started("run", "night.csv", *limits, "--base-url", service.url, cwd=tmp_path) as run,
        opened(browser, watch.link) as page,
    ):
        expect(page.locator("#tiles")).to_contain_text("a back-out now would take", timeout=20_000)
        expect(page.locator("#tiles")).to_contain_text("latest start of it")
        expect(page.locator("#state")).to_contain_text("backing out: batch 1 is backed out of", timeout=30_000)
        expect(page.locator("#where")).to_contain_text("which puts back batch 1")
        expect(page.locator("#tiles")).not_to_contain_text("a back-out now would take")
        assert run.wait(60) == 7
        expect(page.locator("#remarks")).to_contain_text("changed rows are proven to be as before", timeout=10_000)


def test_the_link_lets_in_after_a_reload_and_in_a_second_tab_and_nothing_else_does(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=10)
    with (
        chromium() as browser,
        watching(tmp_path / "l.db", "--control") as watch,
        opened(browser, watch.link) as page,
    ):
        expect(page.locator("#state")).to_contain_text("went through")
        root = watch.link.partition("#")[0]
        assert page.url == root, "the token does not stay in sight"
        page.reload()
        expect(page.locator("#state")).to_contain_text("went through")
        second = page.context.new_page()
        second.goto(root)
        expect(second.locator("#stale")).to_contain_text("Open the whole link")
        expect(second.locator("h1")).to_have_text("This page is private")
        expect(second.locator("#controls")).to_be_hidden()
        # A link that differs in its end alone makes the page load itself anew: the next one must not come between.
        with second.expect_event("load"):
            second.goto(f"{root}#token=of-yesterday")
        expect(second.locator("#stale")).to_contain_text("Open the whole link")
        with second.expect_event("load"):
            second.goto(watch.link)
        expect(second.locator("#state")).to_contain_text("went through")
        assert page.context.cookies() == []


def test_the_file_that_open_hands_over_leads_to_the_page(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=10)
    handed = tmp_path / "handed"
    stand_in = tmp_path / "browser"
    stand_in.write_text(f'#!/bin/sh\necho "$1" >{handed}.new && mv {handed}.new {handed}\n')
    stand_in.chmod(0o755)
    port = free_port()
    with (
        chromium() as browser,
        started(
            "watch", "l.db", "--open", "--listen", f"127.0.0.1:{port}", cwd=tmp_path, env={"BROWSER": str(stand_in)}
        ) as watch,
    ):
        while not handed.exists():
            assert watch.poll() is None
        page = browser.new_page()
        page.goto(handed.read_text())
        expect(page.locator("#state")).to_contain_text("went through", timeout=20_000)
        assert page.url == f"http://127.0.0.1:{port}/"


def test_a_tab_that_nobody_sees_draws_nothing_and_then_shows_how_it_stands(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=100)
    with chromium() as browser, watching(ledger) as watch, opened(browser, watch.link) as page:
        expect(page.locator("h1")).to_have_text("night.csv")
        page.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.away, configurable: true })")
        page.evaluate("window.away = true")
        with closing(written(ledger)) as connection:
            connection.execute(
                "INSERT INTO batch (created_at, manifest, digest, parent) SELECT 1, manifest, '', 1 FROM batch"
            )
            connection.execute(
                "INSERT INTO row (batch, id, line, devicetype, device_id, status) SELECT 2, id, line, 1, 900,"
                " iif(row <= 60, 'succeeded', 'pending') FROM row"
            )
            connection.execute(
                "INSERT INTO run (batch, command, started_at, pid, host, version, service, exit_code, stopped)"
                " SELECT 2, 'rollback', started_at + 900, pid, host, version, service, 4, 'for the test' FROM run"
            )
        expect(page).to_have_title("60 % · Rollback of night.csv", timeout=20_000)
        expect(page.locator("h1")).to_have_text("night.csv")
        assert tile(page, "rows done") == "100"
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("h1")).to_have_text("Rollback of night.csv")
        expect(page.locator("#batch-note")).to_contain_text("bulkroute report l.db --batch 1")
        assert tile(page, "rows put back") == "60"
        assert tile(page, "left") == "40"


def test_twenty_thousand_failed_rows(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=25_000, failed=20_000)
    with chromium() as browser, watching(tmp_path / "l.db") as watch, opened(browser, watch.link) as page:
        rows = page.locator("#failed tbody tr")
        place = page.locator("#failed-place")
        expect(place).to_have_text("1 to 100 of 20,000")
        page.locator("#failed-on").click()
        expect(place).to_have_text("101 to 200 of 20,000")
        assert rows.count() == 100
        page.fill("#failed-text", "FLOW 3")
        expect(place).to_have_text("1 to 100 of 2,857")
        page.fill("#failed-text", "1125397061153569082")  # the last one
        expect(rows).to_have_count(1)
        page.fill("#failed-text", "")
        expect(place).to_have_text("1 to 100 of 20,000")
        with page.expect_download() as download:
            page.click("#failed-save")
        download.value.save_as(tmp_path / "failed.csv")
    assert "20,000 rows" in bulkroute("check", "failed.csv", cwd=tmp_path).out


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=10, failed=5, text=lambda _: HOSTILE)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("UPDATE batch SET manifest = ?", (HOSTILE,))
        connection.execute("UPDATE row SET error = ? WHERE row = 1", (HOSTILE,))
        connection.execute("INSERT INTO wait (run, started_at, reason) VALUES (1, 1, ?)", (HOSTILE,))
        connection.execute("UPDATE run SET stopped = ?", (HOSTILE,))
        connection.commit()
    with chromium() as browser, watching(ledger) as watch, opened(browser, watch.link) as page:
        expect(page.locator("h1")).to_have_text(HOSTILE)
        expect(page.locator("#failed tbody tr td:nth-child(7)").nth(1)).to_have_text(HOSTILE)
        expect(page.locator("#waits tbody tr td:nth-child(4)")).to_have_text(HOSTILE)
        expect(page.locator("#state")).to_have_text(f"stopped: {HOSTILE}")
        page.select_option("#failed-kind", HOSTILE)
        expect(page.locator("#failed tbody tr")).to_have_count(1)
        assert page.evaluate("window.hit") is None
        assert page.locator("img").count() == 0
