"""News for everybody who watches: read once a tick, made ready once, and only while somebody watches.

It reads the ledger and asks the run's control socket; it writes nothing. Memory does not grow with time or watchers:
a watcher that is slow misses ticks, it does not queue them.
"""

import abc
import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from bulkroute.errors import BulkrouteError
from bulkroute.ledger.batches import Which
from bulkroute.ledger.ledger import Identity, Ledger
from bulkroute.run import control
from bulkroute.web.page_data import Snapshots

T = TypeVar("T")

TICK_S = 1.0
PACE_S = 30.0
"""The rate now is the mean of so many seconds."""
SHARE = 0.02
"""Of the time, at most, goes to reading: where that takes long, it is done less often."""
LONGEST_GAP_S = 10.0
"""Between two readings, whatever they cost."""


class News(abc.ABC):
    """Reads again and again how something stands, and tells it to everybody who watches. Use as an async context manager."""

    def __init__(self, tick_s: float = TICK_S, share: float | None = None) -> None:
        """`share`: of the time that may go to reading, SHARE if none is given."""
        self._tick_s = tick_s
        self._share = SHARE if share is None else share
        self._watchers = 0
        self._watched = asyncio.Event()
        self._tick: asyncio.Future[None] | None = None
        self._version = 0
        self._news: dict[str, Any] = {}
        self._latest = self._change = self._beat = b""
        self._costs_s: deque[float] = deque(maxlen=2)
        """What the last readings cost."""
        self._closed = False

    async def __aenter__(self) -> Self:
        """Start; nothing is read until somebody watches."""
        self._task = asyncio.create_task(self._tick_on(), name="feed")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and end every watcher's stream."""
        self._closed = True
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._wake()

    @abc.abstractmethod
    async def read_news(self) -> dict[str, Any]:
        """Return how it stands, part by part, and note what that cost. Raises BulkrouteError."""

    async def broken(self) -> None:
        """Wait until the feed breaks, which only a bug makes it do; raises that."""
        await asyncio.shield(self._task)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield server-sent events: the state now, then each change, and a beat where nothing changed.

        `snapshot` holds everything, `change` the parts that differ from the event before.
        """
        known = 0
        latest = self._snapshot() if self._watchers else b""  # what nobody watched for a while is no news
        self._watchers += 1
        self._watched.set()
        try:
            if latest:
                known = self._version
                yield latest
            while not self._closed:
                await self._ticked()
                # By version, not by tick: who was busy when it changed must not miss it.
                event, known = self._since(known), self._version
                yield event
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._watched.clear()

    def _since(self, known: int) -> bytes:
        """Return what brings somebody who knows a version to the latest one."""
        if known == self._version:
            return self._beat
        return self._change if self._change and known == self._version - 1 else self._snapshot()

    def _snapshot(self) -> bytes:
        """Return the event that holds everything; b"" before the first reading. It is made only if somebody needs it."""
        if not self._latest and self._news:
            self._latest = _event(b"snapshot", self._news)
        return self._latest

    async def _ticked(self) -> None:
        """Wait for the next tick."""
        if self._tick is None:
            self._tick = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._tick)

    async def _tick_on(self) -> None:
        due_s = 0.0
        while True:
            await self._watched.wait()
            started_s = time.monotonic()
            if started_s >= due_s:
                try:
                    news = await self.read_news()
                except BulkrouteError as error:
                    news = {"error": str(error)}
                self._publish(news)
                # One reading that took long, the first above all, says little of the next.
                due_s = started_s + min(LONGEST_GAP_S, min(self._costs_s, default=0.0) / self._share)
            self._wake()
            await asyncio.sleep(max(self._tick_s / 2, self._tick_s - (time.monotonic() - started_s)))

    def _publish(self, news: dict[str, Any]) -> None:
        """Make the events that all watchers get."""
        self._beat = b"event: beat\ndata: %.3f\n\n" % news.pop("made_at", time.time())
        before, self._news = self._news, news
        changed = {name: part for name, part in news.items() if before.get(name) != part}
        if changed or before.keys() != news.keys():
            self._latest = b""
            self._change = _event(b"change", changed) if before.keys() == news.keys() else b""
            self._version += 1

    def _wake(self) -> None:
        tick, self._tick = self._tick, None
        if tick is not None:
            tick.set_result(None)


class Feed(News):
    """Watches one ledger, which may not be there yet."""

    def __init__(self, ledger: Path, which: Which | int = Which.SHOWN, tick_s: float = TICK_S) -> None:
        """`which`: the batch to watch, or its number."""
        super().__init__(tick_s)
        self.which = which
        self._ledger = Ledger(ledger)
        # One thread has the ledger open: SQLite's connections do not change threads, and reads queue up behind one another.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._opened: Opened | None = None
        self._pace: deque[tuple[float, int]] = deque()
        self._paced = (0, 0)

    async def __aexit__(self, *_: object) -> None:
        """Stop, end every watcher's stream and close the ledger."""
        await super().__aexit__()
        await self._in_thread(self._close)
        self._thread.shutdown()

    async def read_news(self) -> dict[str, Any]:
        """Read the ledger, and ask the run itself where one goes on. Raises LedgerError."""
        snapshot = await self._in_thread(self._read_page_data)
        counts = snapshot["counts"]
        left = counts["pending"] + counts["in_doubt"]
        pace = self._measure(counts["total"] - left, (snapshot["batch"], snapshot["runs"]["total"]))
        live: dict[str, Any] = {}
        if snapshot["state"]["state"] != "running":
            pace = None
        else:
            # It may have just ended, or not answer: the ledger tells.
            with contextlib.suppress(BulkrouteError, TimeoutError):
                async with asyncio.timeout(self._tick_s):
                    live = await control.ask(self._ledger.path, "status")
        return {**snapshot, "live": live, "pace": pace, "eta_s": left / pace if pace else None}

    def _measure(self, settled: int, run: tuple[int, int]) -> float | None:
        """Return how many rows a second came to their end lately, None where there is nothing to go by."""
        now_s = time.monotonic()
        if run != self._paced:
            self._pace.clear()
        self._paced = run
        self._pace.append((now_s, settled))
        while len(self._pace) > 1 and now_s - self._pace[1][0] >= PACE_S:
            self._pace.popleft()
        if now_s - self._pace[0][0] > PACE_S + LONGEST_GAP_S:  # nobody watched in between
            self._pace.popleft()
        first, last = self._pace[0], self._pace[-1]
        return (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else None

    def _read_page_data(self) -> dict[str, Any]:
        """Read the ledger, and note how long that took."""
        opened = self._open()
        started_s = time.monotonic()
        snapshot = opened.snapshots.read(self.which)
        self._costs_s.append(time.monotonic() - started_s)
        return snapshot

    def _open(self) -> "Opened":
        """Return the open ledger; opened anew if the file was replaced."""
        identity = self._ledger.identity()
        if self._opened is not None and self._opened.identity != identity:
            self._close()
        if self._opened is None:
            self._opened = Opened(self._ledger, identity)
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class Opened:
    """A ledger held open, and what was read of it so far."""

    def __init__(self, ledger: Ledger, identity: Identity | None) -> None:
        """`identity` is what it was just before this. Raises LedgerError."""
        self._exits = contextlib.ExitStack()
        self.reader = self._exits.enter_context(ledger.read())
        self.snapshots = Snapshots(self.reader)
        self.identity = identity

    def close(self) -> None:
        """Close the ledger."""
        self._exits.close()


def _event(kind: bytes, news: dict[str, Any]) -> bytes:
    body = json.dumps(news, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return b"event: %b\ndata: %b\n\n" % (kind, body)
