"""Where a ledger has a copy in a database, nothing leaves that the copy does not have, nor what it has had for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bulkroute.engine import Engine
from bulkroute.errors import LedgerError, StopKind
from bulkroute.ledger import fetched
from bulkroute.ledger.copied import CopyMark, LedgerCopy
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.flow.engine import KEY_PAIR
from tests.harness import bulkroute, ids, serving, targets, write_csv
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
