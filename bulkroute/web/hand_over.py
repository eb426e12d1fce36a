"""The link handed to this machine's browser without an argument that other users could read in the process list."""

import asyncio
import contextlib
import html
import tempfile
import webbrowser
from pathlib import Path

OPENED_WITHIN_S = 60.0


async def open_link(link: str, came: asyncio.Event) -> bool:
    """Open a link in the browser; return once `came` tells that it got there, or after OPENED_WITHIN_S.

    The browser is given the name of a file that only this user can read, and that leads on to the link; it is removed
    before this returns or is cancelled. Returns False where no browser could be started.
    """
    with tempfile.TemporaryDirectory(prefix="bulkroute-") as folder:  # mode 0700
        page = Path(folder) / "open.html"
        page.touch(0o600)
        page.write_text(
            '<!doctype html><meta charset="utf-8"><title>bulkroute</title><meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0; url={html.escape(link)}">'
            f'<p><a href="{html.escape(link)}">Open the page</a></p>\n'
        )
        if not await asyncio.to_thread(webbrowser.open, page.as_uri()):
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPENED_WITHIN_S):
                await came.wait()
    return True
