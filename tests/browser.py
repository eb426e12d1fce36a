"""Chromium as the distribution installs it, driven by Playwright; tests are skipped where it is missing."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


expect.set_options(timeout=30_000)  # a machine that is busy is no failure


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser for the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """Open a page in a profile of its own; at the end of the block nothing may have gone wrong in it.

    Script errors, refusals by the page's policy and requests to anybody but `url`'s own server fail the test.
    """
    context: BrowserContext = browser.new_context(**options)
    page = context.new_page()
    wrong: list[str] = []
    own = url.split("/", 3)[:3]
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if "Security Policy" in message.text else None)
    page.on("request", lambda request: wrong.append(request.url) if _foreign(request.url, own) else None)
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    assert wrong == []


def _foreign(url: str, own: list[str]) -> bool:
    return not url.startswith(("data:", "blob:")) and url.split("/", 3)[:3] != own
