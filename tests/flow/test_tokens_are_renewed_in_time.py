"""Tokens through the whole engine, in virtual time."""

import asyncio
from pathlib import Path

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import ExitCode
from bulkroute.simulator import Faults, Simulator
from tests.flow.engine import spend_night
from tests.harness import ids, targets


@pytest.mark.slow
def test_a_token_of_two_seconds_is_renewed_in_flight_without_one_refused_call(tmp_path: Path) -> None:
    night = spend_night(
        tmp_path, targets(ids(600)), Faults(token_life_s=2, latency_ms=60), rate_per_s=20, concurrency=8
    )
    assert night.summary.succeeded == 600
    assert night.simulator.statuses[401] == night.simulator.statuses[403] == 0
    # About 30 s of run, a renewal each 1.6 s: neither none nor one for every call.
    assert 15 <= night.simulator.calls_per_endpoint["tokenByAkSk"] <= 25


def test_many_slots_ask_for_one_token(tmp_path: Path) -> None:
    night = spend_night(tmp_path, targets(ids(100)), Faults(latency_ms=60), rate_per_s=None, concurrency=50)
    assert night.simulator.calls_per_endpoint["tokenByAkSk"] == 1


def test_a_refused_fixed_token_stops_the_run_after_one_call_a_slot(tmp_path: Path) -> None:
    wrong = Credentials(token=Secret("wrong"))
    night = spend_night(
        tmp_path, targets(ids(200)), Faults(latency_ms=60), credentials=wrong, rate_per_s=None, concurrency=5
    )
    assert night.summary.exit_code == ExitCode.REFUSED
    assert night.summary.pending == 200
    assert len(night.starts()) <= 5


@pytest.mark.slow
def test_a_token_refused_in_the_middle_is_renewed_once_and_the_run_goes_on(tmp_path: Path) -> None:
    async def revoke(engine: Engine, simulator: Simulator) -> None:
        await asyncio.sleep(2)
        simulator.revoke_tokens()

    night = spend_night(
        tmp_path, targets(ids(200)), Faults(latency_ms=60), meanwhile=revoke, rate_per_s=40, concurrency=6
    )
    assert night.summary.succeeded == 200
    refused = night.simulator.statuses[401] + night.simulator.statuses[403]
    assert 1 <= refused <= 6
    assert night.simulator.calls_per_endpoint["tokenByAkSk"] == 2
    assert night.summary.attempts == 200 + refused


def test_a_fresh_token_that_is_refused_too_stops_the_run(tmp_path: Path) -> None:
    night = spend_night(
        tmp_path,
        targets(ids(200)),
        Faults(latency_ms=60, token_limit=1, refuse_after=50),
        rate_per_s=None,
        concurrency=5,
    )
    assert night.summary.exit_code == ExitCode.REFUSED
    assert night.summary.failed == 0
    assert night.summary.succeeded == 50
    assert night.summary.pending == 150
    # One for each slot, and one more with the renewed token.
    assert night.simulator.statuses[401] + night.simulator.statuses[403] <= 6
