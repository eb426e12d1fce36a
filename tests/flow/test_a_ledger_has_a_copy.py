"""Where a ledger has a copy in a database, nothing leaves that the copy does not have, nor what it has had for a while."""

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bulkroute.engine import Engine
from bulkroute.errors import LedgerError, StopKind
from bulkroute.ledger import fetched
from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.copied import CopyMark, LedgerCopy
from bulkroute.postgres.database import Database
from bulkroute.settings import Settings
from bulkroute.settings.wave_sizes import parse_waves
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.flow.engine import KEY_PAIR
from tests.harness import bulkroute, ids, serving, targets, write_csv
from tests.postgres import Cluster
from tests.unit.ledger.test_replay import content
from tests.virtual_time import run_virtual

GONE = LedgerError("another host has it", stop=StopKind.COPY)


class Elsewhere:
    """Keeps commits, until another host takes over so many seconds after the first call was noted as sent."""

    def __init__(self, path: Path, taken_over_s: float | None = None) -> None:
        self._path = path
        self._taken_over_s = taken_over_s
        self.began = -1
        self.added: list[int] = []
        self._first_s: float | None = None

    def copy(self) -> LedgerCopy:
        return LedgerCopy(CopyMark("db", 1, 1), self._add, self._begin)

    async def _begin(self, save_as: Callable[[Path], Awaitable[int]]) -> None:
        self.began = await save_as(self._path)

    def _add(self, number: int, record: bytes) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[None] = loop.create_future()
        if self.began >= 0 and self._first_s is None:
            self._first_s = loop.time()
        if self._taken_over_s is None or self._first_s is None or loop.time() < self._first_s + self._taken_over_s:
            self.added.append(number)
            kept.set_result(None)
        else:
            kept.set_exception(GONE)
        return kept


def night(folder: Path, elsewhere: Elsewhere, faults: Faults, rows: int = 5) -> tuple[int, object]:
    """Send rows, and return how many calls came in and what the engine returned or raised."""

    async def scenario() -> tuple[int, object]:
        wanted = targets(ids(rows))
        async with Simulator(routes_for(wanted, 1), faults=faults) as simulator:
            settings = Settings(base_url=simulator.url, credentials=KEY_PAIR, snapshot=False)
            async with Engine(settings, copy=elsewhere.copy()) as engine:
                given = [(row_id, *target) for row_id, target in wanted.items()]
                try:
                    outcome: object = await engine.run(given, ledger=folder / "x.ledger.db")
                except LedgerError as error:
                    outcome = error
            return simulator.calls_per_endpoint["modifyCalledRoute"], outcome

    return run_virtual(scenario())


def test_the_copy_begins_before_the_first_call_and_gets_every_commit(tmp_path: Path) -> None:
    elsewhere = Elsewhere(tmp_path / "began.db")
    calls, summary = night(tmp_path, elsewhere, Faults())
    assert calls == 5
    assert getattr(summary, "succeeded", None) == 5
    mark, began = fetched.mark_of(tmp_path / "x.ledger.db"), fetched.mark_of(tmp_path / "began.db")
    assert mark is not None
    assert began is not None
    assert began.number == elsewhere.began
    assert elsewhere.added == list(range(1, mark.number + 1))


@pytest.mark.parametrize("token_s", [0.5, 3.0])
def test_a_call_that_waited_leaves_only_if_the_tenant_is_still_ours(tmp_path: Path, token_s: float) -> None:
    """Noted as sent, then kept up (here by a token that takes its time), as by a freeze."""
    calls, summary = night(tmp_path, Elsewhere(tmp_path / "began.db"), Faults(token_latency_s=token_s))
    assert calls == getattr(summary, "succeeded", None) == 5
    for file in tmp_path.iterdir():
        file.unlink()

    elsewhere = Elsewhere(tmp_path / "began.db", taken_over_s=0.2)
    calls, outcome = night(tmp_path, elsewhere, Faults(token_latency_s=token_s))
    assert outcome is GONE
    # A call noted a moment before the takeover may still leave within a second: so long the other host waits.
    assert (calls == 0) == (token_s > 1)


@pytest.mark.slow
def test_who_does_not_hold_the_copy_may_read_the_ledger_and_not_write_it(tmp_path: Path) -> None:
    night(tmp_path, Elsewhere(tmp_path / "began.db"), Faults())
    wanted = targets(ids(5))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted) as service:
        here = ("--base-url", service.url)
        for words in ("run m.csv --ledger x.ledger.db", "rollback x.ledger.db --yes"):
            ended = bulkroute(*words.split(), *here, cwd=tmp_path)
            assert ended.code == 5, ended.err
            assert "has a copy in PostgreSQL" in ended.err
            assert "fleet detach" in ended.err
        assert service.modified == 0
        for words in ("status x.ledger.db", "export x.ledger.db"):
            assert bulkroute(*words.split(), cwd=tmp_path).code == 0
        fetched.forget(tmp_path / "x.ledger.db")
        done = bulkroute(
            "run", "m.csv", "--base-url", service.url, "--ledger", "x.ledger.db", "--service-moved", cwd=tmp_path
        )
        assert done.code == 0, done.err


async def fetched_in_the_middle(
    url: str, settings: Settings, folder: Path, attempts: int, work: Callable[[Engine], Awaitable[object]]
) -> None:
    """Pause work on a ledger after so many calls, and compare the ledger with what another host makes of its copy."""
    mine, other, kept = (folder / name for name in ("x.ledger.db", "other.db", "kept.db"))
    async with Database(url) as one:
        claim = await one.claim(Tenant.of(settings), "acme")
        assert claim is not None
        await claim.bring_up(mine)
        async with Engine(settings, copy=claim.copy) as engine:
            working = asyncio.ensure_future(work(engine))
            while engine.current is None or engine.current.progress().attempts < attempts:
                assert not working.done(), working
                await asyncio.sleep(0.01)
            engine.current.pause("to compare")
            while engine.current.progress().in_flight:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # what was noted is on disk
            with closing(sqlite3.connect(mine)) as source, closing(sqlite3.connect(kept)) as target:
                source.backup(target)
            await one._session.close()  # as one that is gone
            async with Database(url) as two:
                while (again := await two.claim(Tenant.of(settings), "acme")) is None:
                    await asyncio.sleep(0.05)
                await again.bring_up(other)
                assert content(other) == content(kept)
                await again.end(other, 4)
            engine.current.abort()
            await asyncio.gather(working, return_exceptions=True)


@pytest.mark.slow
async def test_in_waves_and_on_the_way_back_another_host_has_the_very_ledger(tmp_path: Path, postgres: Cluster) -> None:
    url = postgres.url(postgres.new_database())
    wanted = targets(ids(120))
    rows = [(row_id, *target) for row_id, target in wanted.items()]
    async with Simulator(routes_for(wanted, 1), faults=Faults(fail_500=0.1)) as simulator:
        settings = Settings(
            base_url=simulator.url,
            credentials=KEY_PAIR,
            waves=parse_waves("10,20,rest"),
            rate_per_s=200,
            backoff_s=0.01,
        )
        ledger = tmp_path / "x.ledger.db"
        await fetched_in_the_middle(url, settings, tmp_path, 60, lambda engine: engine.run(rows, ledger=ledger))
        back = tmp_path / "back"
        back.mkdir()
        way_back = replace(settings, waves=())
        shutil.copy(tmp_path / "other.db", back / "x.ledger.db")
        await fetched_in_the_middle(url, way_back, back, 15, lambda engine: engine.rollback(back / "x.ledger.db"))
