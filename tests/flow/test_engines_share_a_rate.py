"""Engines in one loop that share a rate: never more than it at the receivers together, and each gets its turn."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bulkroute import BackOutOn, Credentials, Engine, Limit, Pacer, Proposal, Secret, Settings, StopKind, StoppedEarly
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.flow.engine import most_in_a_second, most_within
from tests.flow.test_never_above_the_rate import ALMOST_A_SECOND_S, arrivals
from tests.harness import TOKEN, Target, ids, serving, targets
from tests.virtual_time import run_virtual

pytestmark = pytest.mark.slow

LIMIT_PER_S = 50


def dealt(wanted: Mapping[str, Target], *counts: int) -> list[dict[str, Target]]:
    """Return as many of the rows for each engine as `counts` says."""
    left = iter(wanted.items())
    return [dict(islice(left, count)) for count in counts]


async def run(limit: Limit, url: str, wanted: Mapping[str, Target], ledger: Path, **settings: Any) -> int:
    """Run one engine's rows; return how many were done."""
    options: dict[str, Any] = {"rate_per_s": 40.0, "concurrency": 16, "snapshot": False, **settings}
    chosen = Settings(base_url=url, credentials=Credentials(token=Secret(TOKEN)), **options)
    async with Engine(chosen, limit=limit) as engine:
        return (await engine.run([(row_id, *target) for row_id, target in wanted.items()], ledger=ledger)).succeeded


async def run_all(url: str, of_each: Sequence[Mapping[str, Target]], folder: Path) -> list[int]:
    limit = Pacer(LIMIT_PER_S)
    runs = (run(limit, url, own, folder / f"{number}.ledger.db") for number, own in enumerate(of_each))
    return await asyncio.gather(*runs)


def test_six_engines_never_exceed_their_limit_at_the_receiver(tmp_path: Path) -> None:
    counts = [40, *[16] * 5]
    wanted = targets(ids(sum(counts)))
    with serving(wanted, Faults(latency_ms=20, jitter_ms=30)) as service:
        assert asyncio.run(run_all(service.url, dealt(wanted, *counts), tmp_path)) == counts
        assert service.bindings == wanted
        starts = arrivals(service)
    assert most_within(starts, ALMOST_A_SECOND_S) <= LIMIT_PER_S
    assert (len(starts) - 1) / (starts[-1] - starts[0]) <= LIMIT_PER_S


def test_each_engine_gets_its_share_and_one_that_is_refused_everything_slows_no_other(tmp_path: Path) -> None:
    """By the clock of both ends, in virtual time: four with rows for 4 s, one with a few, one at a service that refuses."""
    counts = [50, 50, 50, 50, 5]
    wanted = targets(ids(sum(counts) + 50))
    *of_each, refused = dealt(wanted, *counts, 50)

    async def scenario() -> tuple[list[list[float]], int, list[float]]:
        limit = Pacer(LIMIT_PER_S)
        busy = Faults(latency_ms=40, jitter_ms=60)
        async with (
            Simulator(routes_for(wanted), static_token=TOKEN, faults=busy) as simulator,
            Simulator(routes_for(wanted), static_token=TOKEN, faults=Faults(fail_status={"429": 1.0})) as hostile,
        ):
            hopeless = asyncio.create_task(
                run(limit, hostile.url, refused, tmp_path / "refused.ledger.db", max_throttle_wait_s=3)
            )
            runs = (
                run(limit, simulator.url, own, tmp_path / f"{number}.ledger.db") for number, own in enumerate(of_each)
            )
            assert await asyncio.gather(*runs) == counts
            done = await hopeless
            called = [call for call in simulator.calls if call.endpoint == "modifyCalledRoute"]
            came = [sorted(call.at for call in called if call.id in own) for own in of_each]
            return came, done, [call.at for call in (*called, *hostile.calls)]

    came, done_where_refused, of_all = run_virtual(scenario())
    assert done_where_refused == 0
    assert most_in_a_second(sorted(of_all)) <= LIMIT_PER_S
    begun_s, ended_s = came[0][0], min(of_one[-1] for of_one in came[:4])
    busy = [at_s for at_s in of_all if begun_s <= at_s <= ended_s]
    assert (len(busy) - 1) / (ended_s - begun_s) >= 0.97 * LIMIT_PER_S
    assert max(of_one[-1] for of_one in came[:4]) - ended_s < 0.5
    assert came[4][-1] - begun_s < 1.0


def test_the_lower_rate_is_the_one_that_is_asked_about_shown_and_planned_with(tmp_path: Path) -> None:
    wanted = targets(ids(20))
    rows = [(row_id, *target) for row_id, target in wanted.items()]
    asked: list[Proposal] = []

    async def agree(proposal: Proposal) -> bool:
        asked.append(proposal)
        return True

    async def scenario() -> None:
        async with Simulator(routes_for(wanted, 1), static_token=TOKEN) as simulator:
            window: dict[str, Any] = {"max_duration_s": 3, "back_out_on": frozenset({BackOutOn.DEADLINE})}
            credentials = Credentials(token=Secret(TOKEN))
            settings = Settings(base_url=simulator.url, credentials=credentials, rate_per_s=40)
            in_a_hurry = replace(settings, **window)
            async with Engine(in_a_hurry, confirm=agree, limit=Pacer(5)) as engine:
                with pytest.raises(StoppedEarly, match="would not be done") as stopped:
                    await engine.run(rows, ledger=tmp_path / "hurry.ledger.db")
                assert stopped.value.stop is StopKind.WINDOW
            async with Engine(settings, confirm=agree, limit=Pacer(5)) as engine:
                assert (await engine.run(rows, ledger=tmp_path / "calm.ledger.db")).succeeded == len(rows)
                assert engine.current is not None
                progress = engine.current.progress()
            assert [proposal.rate_per_s for proposal in asked] == [5]
            assert (progress.rate_per_s, progress.asked_per_s) == (5, 40)
            back = [(row_id, "ivr", 201) for row_id in wanted]
            async with Engine(in_a_hurry, limit=Pacer(100)) as engine:
                assert (await engine.run(back, ledger=tmp_path / "room.ledger.db")).succeeded > 0

    run_virtual(scenario())
