"""The live page of a fleet in a real browser, while the fleet is run in another process."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bulkroute.simulator import Faults
from tests.browser import chromium, needs_chromium, opened
from tests.carrier import carrier
from tests.flow.test_the_report_in_a_browser import HOSTILE
from tests.harness import started
from tests.ledgers import made
from tests.watching import watching

pytestmark = [needs_chromium, pytest.mark.slow]

NAMES = ["acme", "globex", "initech", "hooli"]


def test_all_tenants_are_seen_one_is_looked_into_and_all_are_stopped(tmp_path: Path) -> None:
    with carrier(tmp_path, NAMES, 400, {"globex": Faults(business_ids=0.3)}) as services:
        file = services.write({"rate": 10, "snapshot": False})
        with (
            started("fleet", "run", file.name, "--at-once", "3", cwd=tmp_path) as fleet,
            chromium() as browser,
            watching(file, "--control") as watch,
            opened(browser, watch.link) as page,
        ):
            rows = page.locator("#tenants tbody tr")
            expect(rows.first).to_contain_text("globex", timeout=30_000)
            expect(rows.first).to_contain_text("last failed: ")
            expect(rows).to_have_count(4)
            expect(rows.nth(3)).to_contain_text("to come")
            expect(page.locator("h1")).to_have_text("fleet.yaml")
            assert "token" not in page.url
            page.get_by_label("Search").fill("ACME")
            expect(rows).to_have_count(1)
            expect(page.locator("#tenants-note")).to_have_text("1 of 4")

            page.locator("#tenants a").click()
            expect(page.locator("#where")).to_contain_text("acme.ledger.db", timeout=20_000)
            assert page.url.endswith("/t/acme/")
            page.get_by_label("because").fill("the switch is rebooting")
            page.get_by_role("button", name="Pause").click()
            expect(page.locator("#state")).to_contain_text("the switch is rebooting", timeout=20_000)
            page.get_by_text("All tenants of the fleet").click()
            expect(rows.first).to_contain_text("the switch is rebooting", timeout=20_000)
            expect(page.locator("#state")).to_have_text("some wait")

            answer = page.locator("#control-answer")
            page.get_by_role("button", name="Resume all").click()
            expect(answer).to_have_text(re.compile("resume: done at .*, 3 runs told"))
            expect(rows.first).to_contain_text("globex", timeout=20_000)
            stop = page.locator("button[data-verb=stop]")
            stop.click()
            expect(answer).to_contain_text("no further tenant is begun")
            assert fleet.poll() is None  # once is not enough
            stop.click()
            fleet.communicate(timeout=60)
            assert fleet.returncode == 4
            expect(page.locator("#tenants")).to_contain_text("stopped (4)", timeout=20_000)
            expect(rows.filter(has_text="hooli")).to_contain_text("to come")
            expect(page.locator("#controls")).to_be_hidden()
            assert services.seen()["hooli"].called_at == []


def test_without_the_link_nobody_learns_which_tenants_there_are_and_texts_stay_texts(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("tenants: {'a <b> & c': {ledger: a.db}, gone: {ledger: gone.db}}")
    with closing(sqlite3.connect(made(tmp_path / "a.db", rows=10, failed=5))) as connection:
        connection.execute("UPDATE run SET stopped = ?", (HOSTILE,))
        connection.commit()
    with chromium() as browser, watching(file) as watch, opened(browser, watch.link) as page:
        for path in ("/events", "/t/gone/events", "/t/nobody/events", "/t/gone/failed", "/t/nobody/failed.csv"):
            assert watch.ask("GET", path, {}).status == 401
        assert watch.ask("GET", "/t/gone/", {}).body == watch.ask("GET", "/t/nobody/", {}).body
        sent = {**watch.key, "Origin": f"http://127.0.0.1:{watch.port}", "Content-Type": "application/json"}
        for path in ("/control", "/t/gone/control"):
            assert watch.ask("POST", path, sent, '{"verb": "stop"}').status in (404, 405), "without --control"
        assert watch.ask("GET", "/t/nobody/events").status == 404
        assert "error" not in watch.snapshot("/t/a%20%3Cb%3E%20&%20c/events")
        rows = page.locator("#tenants tbody tr")
        expect(rows.first).to_contain_text(HOSTILE, timeout=20_000)
        page.locator("#tenants a").first.click()
        expect(page.locator("#state")).to_have_text(f"stopped: {HOSTILE}", timeout=20_000)
        second = page.context.new_page()
        second.goto(page.url)
        expect(second.locator("h1")).to_have_text("This page is private", timeout=20_000)
        assert page.evaluate("window.hit") is None
