"""One read a tick for all who watch, none where nobody watches, and nothing that grows."""

import asyncio
import gc
import sqlite3
import tracemalloc
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from bulkroute.ledger import reading
from bulkroute.ledger.store import open_for_reading, open_for_run
from bulkroute.pages import tally
from bulkroute.pages.feed import Feed
from bulkroute.pages.tally import Tally
from tests.ledgers import made


async def test_a_watcher_gets_the_state_now_then_beats_then_what_changed(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=50, failed=5)
    async with asyncio.timeout(30), Feed(ledger, tick_s=0.02) as feed, aclosing(feed.events()) as events:
        assert (await anext(events)).startswith(b"event: snapshot")
        assert (await anext(events)).startswith(b"event: beat")
        with closing(sqlite3.connect(ledger)) as connection:
            connection.execute("UPDATE row SET status = 'pending', error = NULL WHERE status = 'failed'")
            connection.commit()
        while (news := await anext(events)).startswith(b"event: beat"):
            pass
        assert b'"failed":0,"pending":5' in news


async def test_who_was_busy_when_it_changed_does_not_miss_it(tmp_path: Path) -> None:
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
        assert (await anext(quick)).startswith(b"event: beat")
        assert b"other.csv" in await anext(slow)


async def test_a_ledger_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=50)
    async with asyncio.timeout(30), Feed(ledger, tick_s=0.02) as feed, aclosing(feed.events()) as events:
        assert b'"total":50' in await anext(events)
        made(tmp_path / "other.db", rows=70).replace(ledger)
        while b'"total":70' not in await anext(events):
            pass


@pytest.mark.slow
async def test_memory_is_flat_over_many_ticks(tmp_path: Path) -> None:
    """Of a run that goes on, with three watchers: one reads all, one comes and goes, one never reads."""
    ledger = made(tmp_path / "l.db", rows=2000, run_s=60, failed=200, ended=False)
    writer = open_for_run(ledger)
    async with Feed(ledger, tick_s=0.0001) as feed, aclosing(feed.events()) as events, aclosing(feed.events()) as idle:
        await anext(idle)

        async def watch(ticks: int) -> int:
            for tick in range(ticks):
                if tick % 10 == 0:
                    writer.execute(
                        "INSERT INTO attempt (row, run, number, started_at, latency_ms, verdict) VALUES (?, 1, 2, unixepoch(), ?, 'done')",
                        (tick % 2000 + 1, tick % 900),
                    )
                    async with aclosing(feed.events()) as short:
                        await anext(short)
                await anext(events)
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            await watch(200)
            before = await watch(100)
            after = await watch(600)
        finally:
            tracemalloc.stop()
            writer.close()
    assert after - before < 150_000


def test_counts_between_two_full_counts_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "SHARE", 1e-12)  # no second full count
    ledger = made(tmp_path / "l.db", rows=100)
    with closing(open_for_run(ledger)) as writer, closing(open_for_reading(ledger)) as reader:
        writer.execute("DELETE FROM attempt")
        writer.execute("UPDATE row SET status = iif(row <= 3, 'sent', 'pending')")
        kept = Tally(1)
        kept.read(reader, 1)
        for row in range(1, 60):
            status, error = ("failed", ("server", "business")[row % 2]) if row % 5 == 0 else ("succeeded", None)
            writer.execute("UPDATE row SET status = ?, error = ? WHERE row = ?", (status, error, row))
            for verdict in ("throttled", "server", error or "done"):
                writer.execute(
                    "INSERT INTO attempt (row, run, number, started_at, latency_ms, verdict) VALUES (?, 1, 1, 0, 1, ?)",
                    (row, verdict),
                )
            counts, _ = kept.read(reader, 1)
            whole = reading.count(reader, 1)
            assert counts._replace(pending=0, in_doubt=0) == whole._replace(pending=0, in_doubt=0)
            assert counts.pending + counts.in_doubt == whole.pending + whole.in_doubt
        writer.execute("UPDATE row SET status = 'pending', error = NULL WHERE status = 'failed'")
        assert kept.read(reader, 2)[0] == reading.count(reader, 1)  # a new run: counted anew
