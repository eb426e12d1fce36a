"""The live bindings of all called routes, page by page, into `LiveBindings`.

The service promises neither an order nor that its list stands still (queryCalledRoute, cec_07_0043), and offset
paging over such a list repeats rows and hides others. So the distinct ids are held against the `total` it names, and
the list is read again, and merged, until both agree.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import Any

from bulkroute.cec.service import Feedback
from bulkroute.errors import ReadingRefused
from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute
from bulkroute.live.read_calls import NOT_THE_SERVICE, Asker, whole_number
from bulkroute.model import PAGE_ROWS, printable
from bulkroute.rate.outage import Outage

MOST_READINGS = 10
"""With a list shuffled between pages, some nine readings are needed to see 10,000 rows."""

BARREN_READINGS = 2
"""After so many readings in a row that brought nothing new, more of them would not either."""

ENDPOINT = "calledRoute/queryCalledRoute"

LONG_READ_CALLS = 20

LONGEST_TEXT = 1000


class LiveReader:
    """Reads the whole list; at most `at_once` calls are under way together."""

    def __init__(self, asker: Asker, at_once: int, notify: Callable[[str], None]) -> None:
        """`notify` gets what an operator should know."""
        self._asker = asker
        self._at_once = at_once
        self._notify = notify

    def sharing(self, feedback: Feedback, outage: Outage) -> "LiveReader":
        """Return a reader that waits as a run does."""
        return LiveReader(self._asker.sharing(feedback, outage), self._at_once, self._notify)

    @property
    def asker(self) -> Asker:
        """Who asks the single questions."""
        return self._asker

    async def read(self, live: LiveBindings) -> None:
        """Fill `live`; `live.settled` tells whether the list came to rest. Raises what `Asker.ask` raises."""
        total, steady_since, barren, reading, seen = -1, 1, 0, 0, 0
        while reading < MOST_READINGS and barren < BARREN_READINGS:
            reading += 1
            totals = await self._read_once(live, reading)
            if totals != {total}:
                # What was read while the number changed may have missed rows: it counts no more.
                total = totals.pop() if len(totals) == 1 else -1
                steady_since = reading if total >= 0 else reading + 1
                seen, barren = 0, 0
            if total < 0:
                continue
            found = live.count(since=steady_since)
            if found == total:
                live.settled = True
                break
            barren = barren + 1 if found == seen else 0
            seen = found
        live.finish(since=steady_since if live.settled else 0)
        if not live.settled:
            said = (
                f"of {total:,} that the service counts" if total >= 0 else "while the service kept changing its count"
            )
            self._notify(
                f"the list of called routes never settled in {reading} readings: {live.count():,} found {said};"
                " ids missing from it are taken for unknown"
            )

    async def _read_once(self, live: LiveBindings, reading: int) -> set[int]:
        """Read every page once, up to an empty one; return the totals that the pages named."""
        total, rows = await self._read_page(live, reading, 0)
        totals, at_end = {total}, not rows
        calls = math.ceil(total / PAGE_ROWS)
        if calls > LONG_READ_CALLS and reading == 1:
            self._notify(f"reading {total:,} live bindings, {calls:,} calls")
        offsets = iter(range(PAGE_ROWS, total, PAGE_ROWS))

        async def read_on(offsets: Iterable[int]) -> None:
            nonlocal at_end
            for offset in offsets:
                if at_end:  # an empty page is past the end, whatever the service counts
                    return
                named, rows = await self._read_page(live, reading, offset)
                totals.add(named)
                at_end = at_end or not rows

        try:
            async with asyncio.TaskGroup() as readers:
                for _ in range(min(self._at_once, calls - 1)):
                    readers.create_task(read_on(offsets))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the first one ended the others
        return totals

    async def _read_page(self, live: LiveBindings, reading: int, offset: int) -> tuple[int, int]:
        """Read one page; return the total it names and how many rows it has."""
        said = await self._asker.ask(ENDPOINT, {"limit": PAGE_ROWS, "offset": offset})
        data = said.get("data")
        total = whole_number(data.get("total")) if isinstance(data, dict) else None
        listed = (data.get("calledRouteList") or []) if isinstance(data, dict) else None
        if total is None or not isinstance(listed, list):
            raise ReadingRefused(
                "queryCalledRoute answers without data.total and data.calledRouteList", hint=NOT_THE_SERVICE
            )
        live.take((route for item in listed if (route := self._route(item))), reading)
        return total, len(listed)

    def _route(self, item: Any) -> LiveRoute | None:
        """Return one element of `calledRouteList`; None where it has no id."""
        if not isinstance(item, dict) or not isinstance(item.get("id"), str | int):
            return None
        return LiveRoute(
            _text(item["id"]),
            whole_number(item.get("devicetype")),
            whole_number(item.get("deviceId")),
            _text(item.get("accessCode")),
            _text(item.get("extCode")),
            whole_number(item.get("mediatypeId")),
            self._asker.clean(str(item.get("deviceDesc") or "")),
            _text(item.get("editable")),
        )


def _text(value: Any) -> str:
    """Return a JSON value as text that SQLite and terminals can take."""
    return "" if value is None else printable(str(value), LONGEST_TEXT)
