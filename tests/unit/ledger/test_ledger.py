"""What is left to do when a ledger is closed after a run."""

import asyncio
import sqlite3
from pathlib import Path
from threading import Event

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import LedgerBusy, LedgerError
from bulkroute.ledger import file, lock
from bulkroute.ledger.file import make_whole
from bulkroute.ledger.ledger import Ledger
from bulkroute.settings import Settings
from bulkroute.simulator import Simulator, routes_for
from tests.harness import ids, targets
from tests.ledgers import made

DOOR = Credentials(token=Secret("door"))


async def spend(path: Path) -> None:
    """Run a batch of three rows."""
    async with Simulator(routes_for(ids(3), 1), static_token="door") as simulator:
        settings = Settings(base_url=simulator.url, credentials=DOOR, snapshot=False)
        async with Engine(settings) as engine:
            await engine.run([(row_id, *target) for row_id, target in targets(ids(3)).items()], ledger=path)


async def test_the_log_is_emptied_off_the_loop_so_that_nothing_is_left_when_the_ledger_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, log_bytes = tmp_path / "night.db", list[int]()

    def on_the_loop(connection: sqlite3.Connection) -> bool:
        log_bytes.append(path.with_name("night.db-wal").stat().st_size)
        return make_whole(connection)

    monkeypatch.setattr("bulkroute.ledger.ledger.make_whole", on_the_loop)
    await spend(path)
    assert log_bytes == [0]


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return where each try to empty the log on the loop is noted; the one beside it finds the log in use."""
    made = list[bool]()
    monkeypatch.setattr("bulkroute.ledger.ledger.make_whole_beside", lambda _path: False)
    monkeypatch.setattr("bulkroute.ledger.ledger.make_whole", lambda _connection: made.append(True))
    return made


async def test_a_log_that_is_in_use_is_not_waited_for_once_more_on_the_loop(tmp_path: Path, tries: list[bool]) -> None:
    await spend(tmp_path / "night.db")
    assert not tries


async def test_a_log_that_was_in_use_is_emptied_when_the_ledger_is_written_again(
    tmp_path: Path, tries: list[bool]
) -> None:
    with Ledger(tmp_path / "night.db").hold() as held:
        with held.write():
            await held.make_whole()
        assert not tries
        with held.write():
            pass  # as a back-out does after its run
    assert tries == [True]


async def test_who_is_cancelled_meanwhile_keeps_the_lock_until_nothing_is_written_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, begun, may_end = tmp_path / "night.db", Event(), Event()

    def slowly(_path: Path) -> bool:
        begun.set()
        return may_end.wait(30)

    monkeypatch.setattr("bulkroute.ledger.ledger.make_whole_beside", slowly)
    run = asyncio.create_task(spend(path))
    await asyncio.to_thread(begun.wait, 30)
    run.cancel()
    await asyncio.wait([run], timeout=0.2)
    with pytest.raises(LedgerBusy), lock.hold(path):
        pass
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    with lock.hold(path):
        pass


def test_a_ledger_is_searched_for_damage_before_anything_is_done_with_it_and_again_once_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, searches = made(tmp_path / "night.db", rows=400), list[Path]()
    search = file._search_for_damage

    def counted(path: Path) -> None:
        searches.append(path)
        search(path)

    monkeypatch.setattr(file, "_search_for_damage", counted)
    with Ledger(path).hold() as held:
        assert held.unfinished_back_out() is None
        with held.checked() as ledger:
            assert ledger.require_batch().counts().total == 400
        assert len(searches) == 1
        with held.write():
            pass
        assert held.unfinished_back_out() is None
        assert len(searches) == 2

    damaged = bytearray(path.read_bytes())
    damaged[-3 * 4096 : -4096] = bytes(2 * 4096)
    path.write_bytes(damaged)
    with Ledger(path).hold() as held, pytest.raises(LedgerError, match="the ledger is damaged"):
        held.unfinished_back_out()
