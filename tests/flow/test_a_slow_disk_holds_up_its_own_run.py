"""Runs in one process, one of them with its ledger on a disk that stalls: it waits for its commits, the others do not."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.progress import Summary
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.harness import ids, targets
from tests.slow_disk import SlowDisk

ROWS = 12
STALLS_AFTER = 3
"""So many calls of the slow ledger's run, and its disk stalls."""


@pytest.fixture
def stalling(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], SlowDisk]:
    """Return what puts the database of a path on a disk of its own, from outside."""

    def put(path: Path) -> SlowDisk:
        disk, connect = SlowDisk(), sqlite3.connect

        def on_that_disk(database: Any, *given: Any, **options: Any) -> sqlite3.Connection:
            if database == path:
                options["factory"] = disk.connection()
            made: sqlite3.Connection = connect(database, *given, **options)
            return made

        monkeypatch.setattr(sqlite3, "connect", on_that_disk)
        return disk

    return put


@pytest.mark.slow
async def test_others_finish_while_a_commit_of_one_is_held(
    tmp_path: Path, stalling: Callable[[Path], SlowDisk]
) -> None:
    everything = targets(ids(4 * ROWS))
    wanted = [dict(list(everything.items())[ROWS * number :][:ROWS]) for number in range(4)]
    async with Simulator(routes_for(everything, 1), faults=Faults(latency_ms=1), seed=1) as simulator:

        async def run(number: int) -> Summary:
            settings = Settings(
                base_url=simulator.url,
                credentials=Credentials(app_key="demo-key", app_secret=Secret("demo-secret")),
                rate_per_s=None,
                concurrency=2,
                snapshot=False,
            )
            rows = [(row_id, *target) for row_id, target in wanted[number].items()]
            async with Engine(settings) as engine:
                return await engine.run(rows, ledger=tmp_path / f"{number}.ledger.db")

        def calls() -> int:
            return sum(call.id in wanted[0] for call in simulator.calls)

        disk = stalling(tmp_path / "0.ledger.db")
        slow = asyncio.create_task(run(0))
        while calls() < STALLS_AFTER:
            await asyncio.sleep(0)
        disk.hold()
        while not disk.held.is_set():
            await asyncio.sleep(0)
        others = await asyncio.gather(*(run(number) for number in range(1, 4)))
        assert [summary.succeeded for summary in others] == [ROWS] * 3
        assert not slow.done()
        assert 0 < calls() < ROWS
        with sqlite3.connect(f"file:{tmp_path / '0.ledger.db'}?mode=ro", uri=True) as other:
            (begun,) = other.execute("SELECT count(*) FROM row WHERE status <> 'pending'").fetchone()
        assert calls() <= begun, "a call left that is not on disk"
        disk.let_go()
        assert (await slow).succeeded == ROWS
