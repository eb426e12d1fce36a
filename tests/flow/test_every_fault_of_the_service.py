"""Each fault of the service alone, and all together: the verdict each earns, with the simulator as the witness."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.settings import Settings
from bulkroute.simulator import Call, Faults
from bulkroute.simulator.faults import PER_CALL
from tests.flow.engine import Night, spend_night
from tests.harness import TOKEN, exported, ids, serving, targets

VERDICTS: dict[str, str | None] = {
    "": None,
    "fail_500": "server",
    "fail_502": "server",
    "fail_503": "server",
    "fail_504": "server",
    "reset_before": "connection",
    "reset_after": "connection",
    "hang_before": "timeout",
    "hang_after": "timeout",
    "half_answer": "connection",
    "wrong_length": "connection",
    "drip": "timeout",
    "garbage": "bad_answer",
    "no_return_code": "bad_answer",
    "numeric_return_code": None,
    "big_answer": "bad_answer",
    "gzip_bomb": "bad_answer",
    "redirect": "bad_answer",
    "fail_500_ids": "server",
    "business_ids": "business",
}
"""What a row fails with when its last call meets a fault; None: it succeeds."""

NOT_CARRIED_OUT = {name for name in PER_CALL if name.startswith(("fail_", "reset_b", "hang_b", "redirect"))} | {
    "fail_500_ids",
    "business_ids",
}


def troubled(shares: Mapping[str, float], **knobs: Any) -> Faults:
    """Return faults by name; a dripping answer takes longer than any patience."""
    return Faults(**{**shares, "drip_s": 1, **knobs})


def last_calls(night: Night) -> Mapping[str, Call]:
    """Return the last call the service saw of each id."""
    return {call.id: call for call in night.simulator.calls if call.id}


def check_against_service(night: Night, folder: Path, wanted: Mapping[str, tuple[int, int]]) -> None:
    """Hold every row's outcome against what the service did to its last call."""
    rows = exported(folder / "night.ledger.db")
    last = last_calls(night)
    assert rows.keys() == last.keys() == wanted.keys()
    for row_id, row in rows.items():
        kind = VERDICTS[last[row_id].fault]
        assert (row["status"], row["error"] or None) == ("succeeded" if kind is None else "failed", kind), last[row_id]
        if row["status"] == "succeeded" or last[row_id].fault not in NOT_CARRIED_OUT:
            assert night.simulator.bindings[row_id] == wanted[row_id]
    assert not night.simulator.violations


@pytest.mark.parametrize("fault", [name for name in VERDICTS if name])
@pytest.mark.slow
def test_a_fault_earns_its_verdict(tmp_path: Path, fault: str) -> None:
    wanted = targets(ids(24))
    random.seed(
        1
    )  # which row probes, and how long is waited, is chance: one night in 25 with calls that hang takes longer
    night = spend_night(tmp_path, wanted, troubled({fault: 0.5}), rate_per_s=50.0, max_attempts=1)
    assert night.simulator.faults_met[fault] > 2
    check_against_service(night, tmp_path, wanted)
    assert night.virtual_s < 120


@pytest.mark.parametrize("fault", [name for name in VERDICTS if name and not name.endswith("_ids")])
@pytest.mark.slow
def test_a_fault_that_passes_is_outlived(tmp_path: Path, fault: str) -> None:
    if fault == "redirect":
        pytest.skip("a redirect is final")
    wanted = targets(ids(24))
    night = spend_night(tmp_path, wanted, troubled({fault: 0.4}), rate_per_s=50.0, max_attempts=20)
    assert night.summary.succeeded == len(wanted)
    assert dict(night.simulator.bindings) == wanted


@pytest.mark.slow
def test_connections_closed_between_calls_are_outlived(tmp_path: Path) -> None:
    wanted = targets(ids(200))
    night = spend_night(tmp_path, wanted, Faults(close_after=0.3, keepalive_s=0.05), rate_per_s=40.0)
    assert night.summary.succeeded == len(wanted)
    assert dict(night.simulator.bindings) == wanted


def test_the_table_knows_every_fault_of_a_call() -> None:
    assert set(PER_CALL) - VERDICTS.keys() == {"close_after"}
    assert {field.name for field in fields(Faults)} > VERDICTS.keys() - {""}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.slow
def test_all_faults_at_once(tmp_path: Path, seed: int) -> None:
    wanted = targets(ids(100))
    shares = {name: 0.03 for name in PER_CALL if name != "close_after"}
    faults = troubled(shares, latency_ms=40, jitter_ms=80, throttle=60, retry_after="seconds", token_life_s=9)
    night = spend_night(tmp_path, wanted, faults, seed=seed, rate_per_s=50.0, max_attempts=3)
    print(f"seed {seed}")
    check_against_service(night, tmp_path, wanted)
    assert night.virtual_s < 600


@pytest.mark.slow
async def test_ten_thousand_troubled_rows_leak_nothing(tmp_path: Path) -> None:
    wanted = targets(ids(10_000))
    faults = Faults(
        fail_500=0.02, reset_before=0.02, reset_after=0.02, half_answer=0.02, close_after=0.02, garbage=0.02
    )
    slots = 32
    with serving(wanted, faults, keep_calls=False) as service:
        credentials = Credentials(token=Secret(TOKEN))
        settings = Settings(
            base_url=service.url,
            credentials=credentials,
            rate_per_s=None,
            concurrency=slots,
            backoff_s=0.01,
            backoff_cap_s=0.02,
            max_attempts=12,
        )
        before = open_files()
        most_files = most_tasks = 0
        async with Engine(settings) as engine:
            run = asyncio.create_task(
                engine.run(
                    [(row_id, *target) for row_id, target in wanted.items()], ledger=tmp_path / "night.ledger.db"
                )
            )
            while not run.done():
                await asyncio.wait((run,), timeout=0.05)
                most_files = max(most_files, open_files())
                most_tasks = max(most_tasks, len(asyncio.all_tasks()))
            assert (await run).succeeded == len(wanted)
            assert len(asyncio.all_tasks()) == 1, "tasks outlive the run"
        # Both ends of each connection are in this process; those just closed may linger for a moment.
        assert most_files <= before + 4 * slots + 20
        assert most_tasks <= 10 * slots, "rows in backoff are few here: more tasks than that are a leak"
    await asyncio.sleep(0)
    assert open_files() <= before, "a file or a socket outlives the engine"


def open_files() -> int:
    """Return how many file descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
