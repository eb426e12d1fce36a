"""The engine and the simulator in one loop whose clock jumps: hours of waiting in moments, the same each time."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.events import Event
from bulkroute.progress import Summary
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.harness import Target
from tests.virtual_time import run_virtual

KEY_PAIR = Credentials(app_key="demo-key", app_secret=Secret("demo-secret"))


@dataclass
class Night:
    """What a run in virtual time came to."""

    summary: Summary
    simulator: Simulator
    virtual_s: float

    def starts(self) -> list[float]:
        """Return when calls of modifyCalledRoute reached the service, in order."""
        return sorted(call.at for call in self.simulator.calls if call.endpoint == "modifyCalledRoute")


def spend_night(
    folder: Path,
    wanted: Mapping[str, Target],
    faults: Faults | None = None,
    *,
    seed: int = 1,
    credentials: Credentials = KEY_PAIR,
    meanwhile: Callable[[Engine, Simulator], Any] | None = None,
    is_proxied: bool = False,
    **settings: Any,
) -> Night:
    """Run `wanted` against a simulator in virtual time; `meanwhile` may be a coroutine function that runs beside it.

    `is_proxied`: the way is through a proxy, which the simulator is as well.
    """

    async def scenario() -> Night:
        loop = asyncio.get_running_loop()
        async with Simulator(routes_for(wanted, seed), faults=faults, seed=seed) as simulator:
            # Without the list, so that every call is about a row.
            options: dict[str, Any] = {"snapshot": False, **settings}
            chosen = Settings(base_url=simulator.url, credentials=credentials, **options)
            proxies = {"HTTP_PROXY": simulator.url} if is_proxied else {}
            with patch.dict(os.environ, proxies):
                async with Engine(chosen) as engine:
                    beside = asyncio.create_task(meanwhile(engine, simulator)) if meanwhile else None
                    started_s = loop.time()
                    rows = [(row_id, *target) for row_id, target in wanted.items()]
                    summary = await engine.run(rows, ledger=folder / "night.ledger.db")
                    if beside is not None:
                        beside.cancel()
                    return Night(summary, simulator, loop.time() - started_s)

    return run_virtual(scenario())


@dataclass
class Told:
    """What one of several runs came to."""

    summary: Summary
    called: list[str]
    """The ids that modifyCalledRoute was called for, in order."""
    steps: list[int]
    """How many rows were sent between one reading of the list and the next, without empty steps."""
    reads_last: bool
    """Whether the last call of all read the list."""
    tokens: int
    """How often a token was fetched."""
    events: list[Event]
    virtual_s: float


Meanwhile = Callable[[Engine, Simulator, list[Event]], Coroutine[Any, Any, Any]]


def spend_nights(
    folder: Path,
    wanted: Mapping[str, Target],
    *nights: Mapping[str, Any],
    faults: Faults | None = None,
    seed: int = 1,
    meanwhile: Meanwhile | None = None,
) -> list[Told]:
    """Run `wanted` once with the settings of each night, at one simulator, in virtual time.

    `meanwhile` runs beside each of them.
    """

    async def spend(simulator: Simulator, options: Mapping[str, Any]) -> Told:
        fetched = simulator.calls_per_endpoint["tokenByAkSk"]
        first, started_s, events = len(simulator.calls), asyncio.get_running_loop().time(), list[Event]()
        settings = Settings(base_url=simulator.url, credentials=KEY_PAIR, **{"rate_per_s": 50.0, **options})
        async with Engine(settings, on_event=events.append) as engine:
            beside = asyncio.create_task(meanwhile(engine, simulator, events)) if meanwhile else None
            rows = [(row_id, *target) for row_id, target in wanted.items()]
            summary = await engine.run(rows, ledger=folder / "night.ledger.db")
            if beside is not None:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)
        called, steps = list[str](), [0]
        for call in sorted(simulator.calls[first:], key=lambda call: call.at):
            if call.endpoint == "modifyCalledRoute":
                called.append(call.id or "")
                steps[-1] += 1
            elif call.endpoint == "queryCalledRoute" and steps[-1]:
                steps.append(0)
        virtual_s = asyncio.get_running_loop().time() - started_s
        tokens = simulator.calls_per_endpoint["tokenByAkSk"] - fetched
        return Told(summary, called, [rows for rows in steps if rows], not steps[-1], tokens, events, virtual_s)

    async def scenario() -> list[Told]:
        async with Simulator(routes_for(wanted, seed), faults=faults, seed=seed) as simulator:
            return [await spend(simulator, options) for options in nights]

    return run_virtual(scenario())


def most_in_a_second(moments: list[float]) -> int:
    """Return the most of `moments` (in order) in any half-open second."""
    return most_within(moments, 1)


def most_within(moments: list[float], span_s: float) -> int:
    """Return the most of `moments` (in order) in any half-open span of that length."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - span_s:
            first += 1
        most = max(most, last - first + 1)
    return most
