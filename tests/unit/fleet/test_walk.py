"""In which order tenants begin, and when: in virtual time, with work that only waits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bulkroute.engine import Engine
from bulkroute.errors import ExitCode, LedgerBusy, LedgerError, StopKind
from bulkroute.fleet.ground import Footing, Here, Others
from bulkroute.fleet.tenants import Fleet, FleetTenant
from bulkroute.fleet.walk import BEGIN_EVERY_S, LOOK_EVERY_S, Walk
from bulkroute.settings import Settings
from tests.flow.engine import KEY_PAIR
from tests.virtual_time import run_virtual

SETTINGS = Settings(base_url="https://cc.example.com", credentials=KEY_PAIR)


def spend(
    lasts_s: dict[str, float],
    *,
    at_once: int = 100,
    is_taken: Callable[[str, float], bool] = lambda *_: False,
    meanwhile: Callable[[Walk[None], str, float], None] = lambda *_: None,
) -> tuple[dict[str, float], dict[str, int | None]]:
    """Return when each tenant began, and its exit code; `meanwhile` is told of each beginning."""

    async def scenario() -> tuple[dict[str, float], dict[str, int | None]]:
        loop = asyncio.get_running_loop()
        began_s, start_s = {}, loop.time()
        tenants = [
            FleetTenant(name, line, SETTINGS, Path(f"{name}.csv"), None, Path(f"{name}.db"), None)
            for line, name in enumerate(lasts_s)
        ]

        async def work(_engine: Engine, tenant: FleetTenant) -> tuple[int, None]:
            began_s[tenant.name] = round(loop.time() - start_s, 3)
            meanwhile(walk, tenant.name, began_s[tenant.name])
            await asyncio.sleep(lasts_s[tenant.name])
            return 0, None

        others = Others(lambda tenant: is_taken(tenant.name, loop.time() - start_s), lambda _: False)
        walk = Walk(
            Fleet(Path("fleet.yaml"), tenants, {}),
            work,
            at_once=at_once,
            on_event=lambda *_: None,
            ground=Here({}, others),
        )
        await walk.go()
        return began_s, {each.tenant.name: each.exit_code for each in walk.works}

    return run_virtual(scenario())


def test_tenants_begin_one_after_the_other_so_that_they_do_not_go_on_in_step() -> None:
    began_s, codes = spend(dict.fromkeys("abcd", 60.0))
    assert list(began_s.values()) == pytest.approx([place * BEGIN_EVERY_S for place in range(4)], abs=0.005)
    assert set(codes.values()) == {0}


def test_as_many_as_there_is_room_for_are_at_work_at_once() -> None:
    began_s, _codes = spend({"long": 9.0, "short": 3.0, "third": 9.0, "fourth": 1.0}, at_once=2)
    assert began_s == pytest.approx({"long": 0, "short": 0.01, "third": 3.01, "fourth": 9.0}, abs=0.05)


def test_once_nobody_is_to_begin_the_rest_is_refused() -> None:
    began_s, codes = spend(
        dict.fromkeys("abcd", 1.0), meanwhile=lambda walk, name, _: walk.close("enough") if name == "b" else None
    )
    assert list(began_s) == ["a", "b"]
    assert codes == {"a": 0, "b": 0, "c": ExitCode.STOPPED, "d": ExitCode.STOPPED}


def test_who_is_free_again_is_gone_on_with_before_anybody_new() -> None:
    began_s, codes = spend(
        {"theirs": 1.0, "ours": 4.0, "next": 1.0},
        at_once=1,
        is_taken=lambda name, now_s: name == "theirs" and now_s < 2.0,
    )
    assert list(began_s) == ["ours", "theirs", "next"]
    assert set(codes.values()) == {0}


def test_those_that_others_work_on_are_not_looked_after_with_each_one_that_begins() -> None:
    looks: list[str] = []

    def is_taken(name: str, now_s: float) -> bool:
        looks.append(name)
        return name == "theirs" and now_s < 4 * LOOK_EVERY_S

    spend({"theirs": 1.0, **dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 60.0)}, is_taken=is_taken)
    assert looks.count("theirs") < 10


class Afar:
    """A database, in the tenant's stead: whether it is out of reach, and whether another host works there, by the clock."""

    is_shared = True

    def __init__(self, is_away: Callable[[float], bool], is_taken: Callable[[float], bool]) -> None:
        self._is_away, self._is_taken = is_away, is_taken
        self._start_s = asyncio.get_running_loop().time()
        self.tried_s: list[float] = []

    @property
    def _now_s(self) -> float:
        return asyncio.get_running_loop().time() - self._start_s

    @contextlib.asynccontextmanager
    async def enter(self, _tenant: FleetTenant) -> AsyncIterator[Footing]:
        self.tried_s.append(self._now_s)
        if self._is_away(self._now_s):
            raise LedgerError("out of reach", stop=StopKind.COPY)
        if self._is_taken(self._now_s):
            raise LedgerBusy("another process works on it")
        yield Footing()

    def is_taken(self, _tenant: FleetTenant) -> bool:
        return not self._is_away(self._now_s) and self._is_taken(self._now_s)


def stand_by(
    is_away: Callable[[float], bool], is_taken: Callable[[float], bool], patience_s: float
) -> tuple[int | None, list[float]]:
    """Return the exit code of a tenant whose ledger has a copy elsewhere, and when it was tried."""
    settings = replace(SETTINGS, max_throttle_wait_s=patience_s)
    tenant = FleetTenant("eu", 1, settings, Path("eu.csv"), None, Path("eu.db"), None)

    async def work(_engine: Engine, _tenant: FleetTenant) -> tuple[int, None]:
        return 0, None

    async def scenario() -> tuple[int | None, list[float]]:
        ground = Afar(is_away, is_taken)
        walk = Walk(Fleet(Path("fleet.yaml"), [tenant], {}), work, at_once=1, on_event=lambda *_: None, ground=ground)
        await walk.go()
        return walk.works[0].exit_code, ground.tried_s

    return run_virtual(scenario())


def test_without_its_copy_a_tenant_is_tried_now_and_then_until_its_patience_is_over() -> None:
    code, tried_s = stand_by(lambda _: True, lambda _: False, patience_s=4.0)
    assert code == ExitCode.STOPPED
    assert tried_s[-1] == pytest.approx(4.0, abs=2 * LOOK_EVERY_S)
    assert len(tried_s) <= 4.0 / LOOK_EVERY_S + 2


def test_two_short_outages_far_apart_are_not_one_long_one_for_whoever_stands_by() -> None:
    code, tried_s = stand_by(
        lambda now_s: 5 <= now_s < 7 or 205 <= now_s < 207, lambda now_s: now_s < 300, patience_s=30.0
    )
    assert code == 0, "it gave up in the second one"
    assert tried_s[-1] >= 300
