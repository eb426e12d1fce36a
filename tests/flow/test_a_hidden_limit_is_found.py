"""A limit lower than the rate asked for, hidden behind refusals: found, kept to, and never paid for with a row's tries."""

import asyncio
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import StopKind
from bulkroute.events import Event, RateChanged, WaitBegan, WaitEnded
from bulkroute.progress import Summary
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.harness import TOKEN, ids
from tests.lab import seeds
from tests.virtual_time import run_virtual

pytestmark = pytest.mark.slow


class Night(NamedTuple):
    summary: Summary
    events: list[Event]
    seconds: float
    statuses: Counter[int]
    stamps: list[float]

    @property
    def refused_share(self) -> float:
        return self.statuses[429] / self.statuses.total()


def night(faults: Faults, *, rows: int = 1200, seed: int = 1, **settings: Any) -> Night:
    """Run `rows` rows at 400 calls a second in virtual time."""
    random.seed(seed)
    events: list[Event] = []

    async def scenario() -> Night:
        row_ids = ids(rows)
        wanted = {"rate_per_s": 400.0, "concurrency": 16, **settings}
        async with Simulator(routes_for(row_ids), faults=faults, seed=seed, static_token=TOKEN) as simulator:
            known = Settings(
                base_url=simulator.url, snapshot=False, credentials=Credentials(token=Secret(TOKEN)), **wanted
            )
            with tempfile.TemporaryDirectory() as folder:
                async with Engine(known, on_event=events.append) as engine:
                    ledger = Path(folder) / "night.ledger.db"
                    summary = await engine.run([(row_id, 1, 101) for row_id in row_ids], ledger=ledger)
            stamps = [call.at for call in simulator.calls]
            seconds = stamps[-1] - stamps[0] + 1 / (faults.throttle or 1)
            return Night(summary, events, seconds, simulator.statuses, stamps)

    return run_virtual(scenario())


WINDOW = {"throttle": 40.0}
SHAPES: dict[str, dict[str, Any]] = {
    "40/s, Retry-After in seconds": {**WINDOW, "retry_after": "seconds"},
    "40/s, no Retry-After": WINDOW,
    "nginx limit_req 50/s burst 5": {"throttle": 50.0, "throttle_shape": "leaky", "throttle_burst": 5},
}


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("latency_ms", [0, 20, 100])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_hidden_limit_is_found_and_kept_to(shape: str, latency_ms: int, seed: int) -> None:
    faults = Faults(**SHAPES[shape], latency_ms=latency_ms, jitter_ms=latency_ms / 2)
    found = night(faults, seed=seed)
    assert found.summary.exit_code == 0
    assert found.summary.succeeded == 1200
    assert found.summary.retries == 0, "a refusal used up an attempt"
    assert faults.throttle is not None
    assert 1200 / found.seconds >= 0.9 * faults.throttle
    assert found.refused_share <= 0.05


def test_failures_of_rows_are_no_sign_of_a_limit() -> None:
    found = night(Faults(throttle=40, fail_500=0.1, business_ids=0.1, latency_ms=20))
    assert found.summary.exit_code == 1
    assert found.summary.succeeded + found.summary.failed == 1200
    assert found.refused_share <= 0.05
    assert sum(found.statuses[status] for status in (200, 500)) / found.seconds >= 0.9 * 40


def test_waits_and_rates_are_announced() -> None:
    found = night(Faults(throttle=40, retry_after="seconds"), rows=120)
    waits = [event for event in found.events if isinstance(event, WaitBegan)]
    assert waits
    assert {wait.cause for wait in waits} == {"throttled"}
    assert all("APIG.0308" in wait.reason for wait in waits)
    assert len([event for event in found.events if isinstance(event, WaitEnded)]) == len(waits)
    rates = [event.rate_per_s for event in found.events if isinstance(event, RateChanged)]
    assert all(rate is not None and 20 < rate <= 40 for rate in rates)


@pytest.mark.parametrize("seed", seeds(3))
def test_never_above_the_rate_asked_for(seed: int) -> None:
    found = night(Faults(throttle=15, retry_after="seconds"), rows=400, rate_per_s=20.0, seed=seed)
    assert found.statuses[429]
    first = 0
    for last, stamp in enumerate(found.stamps):
        while stamp - found.stamps[first] >= 1:
            first += 1
        assert last - first + 1 <= 20


@pytest.mark.parametrize(
    ("retry_after", "patience_s"),
    [
        (None, 900),
        ("1", 200),  # thousands of refusals in 900 s
        ("-5", 200),
        ("100000000", 900),
        ("9" * 400, 900),
        ("soon", 900),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 900),
    ],
)
def test_throttled_for_ever_ends_with_the_reason(retry_after: str | None, patience_s: float) -> None:
    found = night(Faults(throttle_forever=True, retry_after=retry_after), rows=50, max_throttle_wait_s=patience_s)
    assert found.summary.exit_code == 4
    assert found.summary.pending == 50
    assert found.summary.in_doubt == 0
    assert found.summary.stopped is not None
    assert f"throttled for {patience_s} s without one success" in found.summary.stopped
    assert "APIG.0308" in found.summary.stopped
    assert patience_s <= found.seconds <= patience_s + 5


def test_a_limit_that_goes_away_is_noticed() -> None:
    async def scenario() -> float | None:
        row_ids = [f"r{place}" for place in range(30_000)]
        async with Simulator(routes_for(row_ids), faults=Faults(throttle=10), static_token=TOKEN) as simulator:
            settings = Settings(
                base_url=simulator.url, snapshot=False, rate_per_s=30, credentials=Credentials(token=Secret(TOKEN))
            )
            with tempfile.TemporaryDirectory() as folder:
                async with Engine(settings) as engine:
                    ledger = Path(folder) / "night.ledger.db"
                    run = asyncio.create_task(engine.run([(row_id, 1, 101) for row_id in row_ids], ledger=ledger))
                    await asyncio.sleep(20)
                    simulator.set_faults(Faults())
                    assert engine.current is not None
                    slow = engine.current.progress().rate_per_s
                    assert slow is not None
                    assert slow <= 11
                    for _minute in range(15):
                        await asyncio.sleep(60)
                        if (rate := engine.current.progress().rate_per_s) == 30:
                            break
                    engine.current.stop(StopKind.CTL, "seen enough")
                    await run
        return rate

    assert run_virtual(scenario()) == 30
