"""One read a tick for all who watch, none where nobody watches, and nothing that grows."""

import asyncio
import contextlib
import gc
import socket
import sqlite3
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from aiohttp import ClientResponse, ClientSession

from bulkroute.ledger import lock
from bulkroute.ledger.ledger import Ledger
from bulkroute.web import feed as feeds
from bulkroute.web import page_data as snapshots
from bulkroute.web import row_counts
from bulkroute.web.access import Access
from bulkroute.web.connections import listen
from bulkroute.web.feed import Feed
from bulkroute.web.page_data import Snapshots
from bulkroute.web.row_counts import RowCounts
from bulkroute.web.server import Server
from tests.ledgers import made, written


async def test_a_watcher_gets_the_state_now_then_beats_then_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "LONGEST_GAP_S", 0.1)  # on a busy machine a reading may take long
    ledger = made(tmp_path / "l.db", rows=50, failed=5)
    async with asyncio.timeout(30), Feed(ledger, tick_s=0.02) as feed, aclosing(feed.events()) as events:
        assert (await anext(events)).startswith(b"event: snapshot")
        assert (await anext(events)).startswith(b"event: beat")
        with closing(sqlite3.connect(ledger)) as connection:
            connection.execute("UPDATE row SET status = 'pending', error = NULL WHERE status = 'failed'")
            connection.commit()
        while (news := await anext(events)).startswith(b"event: beat"):
            pass
        assert news.startswith(b"event: change")
        assert b'"failed":0,"refused":0,"pending":5' in news
        assert b'"manifest"' not in news, "what has not changed is sent again"


async def test_who_was_busy_when_it_changed_does_not_miss_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LONGEST_GAP_S", 0.1)  # on a busy machine a reading may take long
    ledger = made(tmp_path / "l.db", rows=50, failed=5)
    async with (
        asyncio.timeout(30),
        Feed(ledger, tick_s=0.02) as feed,
        aclosing(feed.events()) as slow,
        aclosing(feed.events()) as quick,
    ):
        await anext(slow)
        with closing(sqlite3.connect(ledger)) as connection:
            connection.execute("UPDATE batch SET manifest = 'other.csv'")
            connection.commit()
        while b"other.csv" not in await anext(quick):
            pass
        with closing(sqlite3.connect(ledger)) as connection:
            connection.execute("UPDATE run SET stopped = 'for the test'")
            connection.commit()
        while b"for the test" not in await anext(quick):
            pass
        missed = await anext(slow)  # two changes, so all of it
        assert missed.startswith(b"event: snapshot")
        assert b"other.csv" in missed
        assert b"for the test" in missed


async def test_where_reading_takes_long_it_is_done_less_often_and_beats_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SHARE", 1e-9)
    ledger = made(tmp_path / "l.db", rows=50)
    async with asyncio.timeout(30), Feed(ledger, tick_s=0.01) as feed, aclosing(feed.events()) as events:
        assert (await anext(events)).startswith(b"event: snapshot")
        with closing(sqlite3.connect(ledger)) as connection:
            connection.execute("UPDATE batch SET manifest = 'other.csv'")
            connection.commit()
        for _ in range(50):
            assert (await anext(events)).startswith(b"event: beat")


async def test_between_two_readings_nothing_keeps_the_run_from_its_checkpoints(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=500)
    async with asyncio.timeout(30), Feed(ledger, tick_s=0.2) as feed, aclosing(feed.events()) as events:
        await anext(events)
        with closing(written(ledger)) as writer:
            writer.execute("UPDATE row SET attempts = 2")
            await anext(events)
            assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


@pytest.mark.parametrize("calls", [10, 200])
def test_a_tick_costs_what_is_new_not_what_is_there(tmp_path: Path, calls: int) -> None:
    """Counted in SQLite's own steps, a thousand at a time."""

    def steps(rows: int) -> int:
        ledger = made(tmp_path / f"{rows}.db", rows=rows, failed=rows // 10, ended=False)
        with lock.hold(ledger), closing(written(ledger)) as writer, Ledger(ledger).read() as reader:
            snapshots = Snapshots(reader)
            assert snapshots.read()["state"]["state"] == "running"
            writer.execute(
                "INSERT INTO attempt (row, run, number, started_at, latency_ms, verdict)"
                f" SELECT row, 1, 2, unixepoch(), 10, 'done' FROM row WHERE row <= {calls}"
            )
            seen = []
            reader._connection.set_progress_handler(lambda: seen.append(1), 100)
            snapshots.read()
            return len(seen)

    assert steps(20_000) < 1.2 * steps(2000) + 20


async def test_a_ledger_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=50)
    async with asyncio.timeout(30), Feed(ledger, tick_s=0.02) as feed, aclosing(feed.events()) as events:
        assert b'"total":50' in await anext(events)
        made(tmp_path / "other.db", rows=70).replace(ledger)
        while b'"total":70' not in await anext(events):
            pass


CALLS = 20
"""A tick of the run below."""


class Run:
    """Writes what a run writes: calls from all over an hour, so that every bucket of time is in use early on."""

    def __init__(self, ledger: Path) -> None:
        self._connection = written(ledger)
        self._tick = 0

    def tick(self) -> None:
        """Write calls that brought a row to its end, every fifth failed; now and then a wait and a change of pace."""
        connection, began = self._connection, time.time() - 3600
        connection.execute("BEGIN")
        for place in range(CALLS):
            row = CALLS * self._tick + place + 1
            error = "server" if place % 5 == 0 else None
            connection.execute(
                "UPDATE row SET status = ?, error = ?, description = ?, attempts = 1, finished_at = ? WHERE row = ?",
                ("failed" if error else "succeeded", error, error and f"flow {row % 50}", began, row),
            )
            connection.execute(
                "INSERT INTO attempt (row, run, number, started_at, latency_ms, verdict) VALUES (?, 1, 1, ?, ?, ?)",
                (row, began + row * 997 % 3600, 10 + row % 9, error or "done"),
            )
        if self._tick % 5 == 0:
            at = began + self._tick
            connection.execute(
                "INSERT INTO wait (run, started_at, ended_at, reason) VALUES (1, ?, ?, 'w')", (at, at + 1)
            )
            connection.execute(
                "INSERT INTO pace (run, at, asked, rate, concurrency, reason) VALUES (1, ?, ?, 20, 16, 'x')",
                (at, 20 + self._tick % 7),
            )
        connection.execute("COMMIT")
        self._tick += 1

    def close(self) -> None:
        self._connection.close()


@contextlib.asynccontextmanager
async def served(ledger: Path, tick_s: float) -> AsyncIterator[tuple[str, int]]:
    """Serve a ledger in this process; give host and port."""
    async with Feed(ledger, tick_s=tick_s) as feed:
        server = Server(ledger, feed, Access("127.0.0.1", None), may_control=False)
        listeners = listen("127.0.0.1", 0)
        address: tuple[str, int] = listeners[0].getsockname()
        async with server.serving(listeners):
            yield address


@pytest.mark.slow
async def test_memory_is_flat_while_calls_come_in_and_browsers_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP: two browsers read every change, one reloads all the time, one never reads what it is sent."""
    monkeypatch.setattr(feeds, "SHARE", 1.0)
    monkeypatch.setattr(feeds, "PACE_S", 0.06)
    monkeypatch.setattr(snapshots, "DRAWN_EVERY_S", (0.1, 0.1))
    warm, ticks = 100, 200
    ledger = made(tmp_path / "l.db", rows=CALLS * (warm + ticks), ended=False)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("DELETE FROM attempt")
        connection.execute("UPDATE row SET status = 'pending', attempts = 0, finished_at = NULL")
        connection.execute("UPDATE run SET started_at = unixepoch() - 3600")
        connection.commit()
    run = Run(ledger)
    with lock.hold(ledger):
        async with (
            served(ledger, tick_s=0.002) as (host, port),
            ClientSession(f"http://{host}:{port}") as browser,
            browser.get("/events") as first,
            browser.get("/events") as second,
        ):
            with socket.create_connection((host, port)) as deaf:
                deaf.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

                async def watch(ticks: int) -> int:
                    for tick in range(ticks):
                        run.tick()
                        for response in (first, second):
                            await news(response)
                        if tick % 5 == 0:
                            async with browser.get("/events") as short:
                                assert await news(short)
                    gc.collect()
                    return tracemalloc.get_traced_memory()[0]

                tracemalloc.start(1)
                try:
                    before = await watch(warm)
                    after = await watch(ticks)
                finally:
                    tracemalloc.stop()
                    run.close()
        # What the deaf one is sent waits in the kernel first, then in this process: an event and the 64 KiB that asyncio
        # lets wait, whenever it comes to that. Each tick kept for it would be some 20 KiB more.
        assert after - before < 400_000


async def news(response: ClientResponse) -> bytes:
    """Return what has come in, up to an event that is more than a beat."""
    seen = b""
    while not (seen.endswith(b"\n\n") and (b"event: change" in seen or b"event: snapshot" in seen)):
        seen += await response.content.readany()
    return seen


def test_counts_between_two_full_counts_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_counts, "SHARE", 1e-12)  # no second full count
    ledger = made(tmp_path / "l.db", rows=100)
    with closing(written(ledger)) as writer, Ledger(ledger).read() as reader:
        batch = reader.require_batch()
        writer.execute("DELETE FROM attempt")
        writer.execute("UPDATE row SET status = iif(row <= 3, 'sent', 'pending'), device_id = 101 + row % 2")
        writer.execute("UPDATE row SET before_devicetype = 3, before_device_id = 200 + row % 3 WHERE row > 10")
        kept = RowCounts(reader, batch)
        kept.read(1)
        for row in range(1, 60):
            status, error = ("failed", ("server", "business")[row % 2]) if row % 5 == 0 else ("succeeded", None)
            writer.execute("UPDATE row SET status = ?, error = ? WHERE row = ?", (status, error, row))
            for verdict in ("throttled", "server", error or "done"):
                writer.execute(
                    "INSERT INTO attempt (row, run, number, started_at, latency_ms, verdict) VALUES (?, 1, 1, 0, 1, ?)",
                    (row, verdict),
                )
            counts, reasons, pairs = kept.read(1)
            whole = batch.counts()
            assert counts._replace(pending=0, in_doubt=0) == whole._replace(pending=0, in_doubt=0)
            assert counts.pending + counts.in_doubt == whole.pending + whole.in_doubt
            assert set(reasons) == set(batch.reasons())
            assert pairs == batch.count_pairs(100)
            assert (pairs.total, sum(each.rows for each in pairs.counts.values())) == (8, 100)
        writer.execute("UPDATE row SET status = 'pending', error = NULL WHERE status = 'failed'")
        assert kept.read(2)[0] == batch.counts()  # a new run: counted anew


def test_what_was_settled_without_a_call_is_counted_when_its_time_comes_though_nothing_else_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = made(tmp_path / "l.db", rows=20, failed=5)
    with closing(written(ledger)) as writer, Ledger(ledger).read() as reader:
        kept = RowCounts(reader, reader.require_batch())
        monkeypatch.setattr(row_counts, "SHARE", 1e-9)  # not counted anew for long
        assert kept.read(1)[0].failed == 5
        writer.execute("UPDATE row SET status = 'unchanged' WHERE status = 'failed'")
        assert kept.read(1)[0].failed == 5
        monkeypatch.setattr(time, "monotonic", lambda: float("inf"))
        assert kept.read(1)[0].failed == 0
