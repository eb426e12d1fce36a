"""Whatever is wrong with one tenant of a fleet, the others end when they would have ended without it."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.events import Event, RunEnded
from bulkroute.fleet.ground import Here
from bulkroute.fleet.tenants import Fleet, FleetTenant
from bulkroute.fleet.walk import Walk
from bulkroute.progress import Summary
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.flow.engine import KEY_PAIR, most_in_a_second
from tests.harness import ids, targets, write_csv
from tests.virtual_time import run_virtual

RATE = 20.0
ROWS = 120
SOUND = ("a", "m", "z")
"""The first, one in the middle, and the last of the file."""

TROUBLES: dict[str, Faults] = {
    "refuses-the-key": Faults(),
    "down": Faults(outages=("0s+1h:refused",)),
    "dies-on-the-way": Faults(outages=("2s+1h:reset",)),
    "hangs": Faults(hang_before=1.0),
    "throttles-all": Faults(throttle=0.001),
    "fails-all": Faults(fail_500=1.0),
    "garbage": Faults(garbage=1.0),
    "slow": Faults(latency_ms=9_000),
    "drips": Faults(drip=1.0, drip_s=1.0),
}


@dataclass
class Spent:
    """What a fleet came to in virtual time."""

    codes: dict[str, int]
    ended_s: dict[str, float]
    most: dict[str, int]
    most_of_all: int
    """Calls in a second at all services together."""
    right: dict[str, bool]


def _spend(folder: Path, troubles: dict[str, Faults], *, limit: float | None = None, **options: Any) -> Spent:
    """Run the sound tenants with those in trouble between them; a night is over once the sound ones have ended."""
    names = [SOUND[0], *list(troubles)[: len(troubles) // 2], SOUND[1], *list(troubles)[len(troubles) // 2 :], SOUND[2]]
    every = ids(ROWS * len(names))
    wanted = {name: targets(every[place * ROWS : (place + 1) * ROWS]) for place, name in enumerate(names)}

    async def scenario() -> Spent:
        loop = asyncio.get_running_loop()
        ended_s: dict[str, float] = {}
        async with AsyncExitStack() as exits:
            services = {
                name: await exits.enter_async_context(
                    Simulator(routes_for(wanted[name], 1), faults=troubles.get(name, Faults(latency_ms=20)), seed=1)
                )
                for name in names
            }

            def tenant(line: int, name: str) -> FleetTenant:
                keys = KEY_PAIR
                if name == "refuses-the-key":
                    keys = Credentials(app_key="demo-key", app_secret=Secret("another-secret"))
                settings = Settings(
                    base_url=services[name].url, credentials=keys, rate_per_s=RATE, max_duration_s=60.0, **options
                )
                manifest = write_csv(folder / f"{name}.csv", wanted[name])
                shared = "shared" if limit else None
                return FleetTenant(name, line, settings, manifest, None, folder / f"{name}.db", shared)

            fleet = Fleet(folder / "fleet.yaml", [tenant(*each) for each in enumerate(names)], {"shared": limit or 1.0})
            began_s = loop.time()

            def on_event(told: FleetTenant, event: Event) -> None:
                if isinstance(event, RunEnded):
                    ended_s[told.name] = loop.time() - began_s

            async def work(engine: Engine, each: FleetTenant) -> tuple[int, Summary]:
                summary = await engine.run(each.manifest, ledger=each.ledger)
                return summary.exit_code or 0, summary

            walk = Walk(fleet, work, at_once=100, on_event=on_event, ground=Here(fleet.limits))
            await walk.go()
            called = {
                name: [call.at for call in services[name].calls if call.endpoint != "tokenByAkSk"] for name in names
            }
            return Spent(
                {each.tenant.name: each.exit_code if each.exit_code is not None else -1 for each in walk.works},
                ended_s,
                {name: most_in_a_second(called[name]) for name in names},
                most_in_a_second(sorted(at for each in called.values() for at in each)),
                {name: services[name].bindings.items() >= wanted[name].items() for name in names},
            )

    return run_virtual(scenario())


@pytest.mark.slow
def test_troubled_tenants_delay_the_others_by_no_second(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (tmp_path / "among").mkdir()
    alone = _spend(tmp_path / "alone", {})
    among = _spend(tmp_path / "among", TROUBLES)
    for name in SOUND:
        assert (alone.codes[name], among.codes[name], among.right[name]) == (0, 0, True)
        assert among.ended_s[name] < alone.ended_s[name] + 1.0
    assert max(among.most.values()) <= RATE
    assert all(among.codes[name] not in (0, 70) for name in TROUBLES if name not in ("slow", "drips"))
    assert among.codes["refuses-the-key"] == 77


@pytest.mark.slow
def test_a_shared_limit_holds_over_all_and_a_tenant_in_trouble_takes_nothing_of_it(tmp_path: Path) -> None:
    troubles = {name: TROUBLES[name] for name in ("down", "hangs", "refuses-the-key")}
    spent = _spend(tmp_path, troubles, limit=30.0)
    assert [spent.codes[name] for name in SOUND] == [0, 0, 0]
    assert spent.most_of_all <= 30
    # 360 rows, three lists and their verdicts at 30/s, and what those in trouble ask for: not the 18 s of 20/s each.
    assert 12 < max(spent.ended_s[name] for name in SOUND) < 16
