"""What the live page of one ledger asks for; read-only: its run is reached through its control socket alone.

Nothing it does, and nothing done to it, can touch the run but a control verb, and those are served only where asked for.
"""

import asyncio
import contextlib
import csv
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from aiohttp import web

from bulkroute.errors import BulkrouteError
from bulkroute.ledger.chart_queries import FailedRow, Search
from bulkroute.ledger.export import defused
from bulkroute.ledger.reader import LedgerReader
from bulkroute.run import control
from bulkroute.web.access import HEADERS
from bulkroute.web.document import Document, asset, document
from bulkroute.web.feed import Feed
from bulkroute.web.host import NOTHING_ELSE, Handler, Host, pressed
from bulkroute.web.lookups import Lookups
from bulkroute.web.page_data import packed

MOST_ROWS = 1000
"""Rows in one answer of the failed rows' table."""
LONGEST_TEXT = 200
"""Characters of a search."""
CHUNK_CHARACTERS = 65_536
IN_MEMORY_BYTES = 1_048_576
"""Of a download; a larger one waits in a temporary file."""


def live_document(*, may_control: bool, lead_back: str = "") -> Document:
    """Return the live page of a ledger, the same for every ledger; `lead_back`: HTML above it."""
    return document(
        ("link.js", "fresh.js", "buttons.js", "live.js"),
        title="bulkroute",
        live=lead_back + asset("live.html"),
        controls=asset("controls.html") if may_control else "",
    )


class LedgerPage:
    """Answers for one ledger."""

    def __init__(self, host: Host, ledger: Path, feed: Feed) -> None:
        self._host = host
        self._ledger = ledger
        self._feed = feed
        self._lookups = Lookups(ledger)
        self.answers: dict[str, Handler] = {
            "events": self._events,
            "failed": self._failed,
            "failed.txt": self._ids,
            "failed.csv": self._manifest,
        }
        """What is asked for, below the page's own path."""

    def close(self) -> None:
        """Drop who asks for something."""
        self._lookups.close()

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._host.stream(request, self._feed)

    async def _failed(self, request: web.Request) -> web.Response:
        search, offset = _search(request), _number(request, "offset", 0)
        limit = min(MOST_ROWS, _number(request, "limit", 100))

        def find(ledger: LedgerReader) -> dict[str, Any]:
            batch = ledger.require_batch(self._feed.which)
            return packed(batch.failed_rows(search, limit=limit, offset=offset), batch.count_failed(search))

        return web.json_response(await self._host.wait(request, self._lookups.ask(find)))

    async def _ids(self, request: web.Request) -> web.StreamResponse:
        return await self._download(request, "text/plain", "", lambda row: [row.id])

    async def _manifest(self, request: web.Request) -> web.StreamResponse:
        def line(row: FailedRow) -> list[object]:
            number = defused(row.access_code), defused(row.ext_code), row.media_type
            return [row.id, row.devicetype, row.device_id, *number, defused(row.target)]

        head = "id,devicetype,deviceId,accessCode,extCode,mediaType,target\n"
        return await self._download(request, "text/csv", head, line)

    async def _download(
        self, request: web.Request, kind: str, head: str, line: Callable[[FailedRow], list[object]]
    ) -> web.StreamResponse:
        """Send all failed rows that a search finds; written down first, since a browser may take its time.

        Reading the ledger for so long would keep the run from shortening its write-ahead log.
        """
        with (
            self._host.downloading(),
            tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, "w+", encoding="utf-8", newline="") as spool,
        ):
            spool.write(head)
            search = _search(request)
            writing = self._lookups.ask(lambda ledger: self._write_failed(ledger, search, spool, line))
            await self._host.wait(request, writing)
            spool.seek(0)
            response = web.StreamResponse(headers={**HEADERS, **NOTHING_ELSE, "Content-Type": f"{kind}; charset=utf-8"})
            with contextlib.suppress(ConnectionError):  # the browser has gone
                await response.prepare(request)  # not before: errors of the ledger are answers too
                while text := await asyncio.to_thread(spool.read, CHUNK_CHARACTERS):
                    await response.write(text.encode())
                    self._host.keep(request)
        return response

    def _write_failed(
        self, ledger: LedgerReader, search: Search, file: IO[str], line: Callable[[FailedRow], list[object]]
    ) -> None:
        rows = ledger.require_batch(self._feed.which).failed_rows(search)
        csv.writer(file, lineterminator="\n").writerows(map(line, rows))

    async def control(self, request: web.Request) -> web.Response:
        """Do what a button asks for."""
        verb, value = await pressed(request)
        try:
            answer = await control.ask(self._ledger, verb, value)
        except BulkrouteError as error:
            raise web.HTTPConflict(text=f"{error}\n") from error
        if not answer["ok"]:
            raise web.HTTPConflict(text=f"{answer['error']}\n")
        return web.json_response(answer)


def _search(request: web.Request) -> Search:
    return Search(kind=request.query.get("kind", "")[:LONGEST_TEXT], text=request.query.get("text", "")[:LONGEST_TEXT])


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise web.HTTPBadRequest(text=f"{name} is not a number\n")
    return int(text)
