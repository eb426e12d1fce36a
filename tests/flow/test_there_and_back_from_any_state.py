"""For any live state, manifest, faults and kill points: a run, its check, and the way back. The simulator is the oracle."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bulkroute.ledger import export
from bulkroute.ledger.ledger import Ledger
from bulkroute.simulator import Faults, Route
from tests.harness import Service, Target, ids, serving, write_csv
from tests.killable import engine, killed

TARGETS: list[Target] = [(1, 101), (1, 102), (3, 201), (3, 202), (1, 1)]
FOREIGN: Target = (1, 99999)
MOST_REPEATS = 12


@dataclass(frozen=True)
class Night:
    """Everything that is drawn for one example."""

    routes: list[Route]
    wanted: dict[str, Target]
    retargeted: dict[str, Target]
    faults: Faults
    seed: int
    kills: list[int]
    kills_of_rollback: list[int]
    foreign: list[str]


@st.composite
def nights(draw: st.DrawFn) -> Night:
    known = ids(draw(st.integers(1, 40)))
    target = st.sampled_from(TARGETS)
    editable = st.sampled_from(["0", None, "2", "0", "0", "1", "3"])
    routes = [
        Route(row_id, *draw(target), editable=draw(editable), ext_code=str(place)) for place, row_id in enumerate(known)
    ]
    unknown = [f"77{number}" for number in range(draw(st.integers(0, 3)))]
    chosen = draw(st.lists(st.sampled_from(known + unknown), min_size=1, unique=True))
    share = st.sampled_from([0, 0, 0.1, 0.3])
    faults = Faults(
        latency_ms=5,
        fail_500=draw(share),
        reset_after=draw(share),
        garbage=draw(share),
        business_ids=draw(share),
        fail_500_ids=draw(share),
        not_applied_ids=draw(share),
        unstable_order=draw(st.integers(0, 2)),
        locked_enforced=draw(st.booleans()),
    )
    wanted = {row_id: draw(target) for row_id in chosen}
    kill = st.lists(st.integers(1, len(chosen) + 2), max_size=2)
    return Night(
        routes=routes,
        wanted=wanted,
        retargeted={
            row_id: draw(target) for row_id in draw(st.lists(st.sampled_from(chosen), max_size=4, unique=True))
        },
        faults=faults,
        seed=draw(st.integers(0, 10**6)),
        kills=draw(kill),
        kills_of_rollback=draw(kill),
        foreign=draw(st.lists(st.sampled_from(known), max_size=3, unique=True)),
    )


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(nights())
def test_there_and_back(night: Night) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(night.routes, night.faults, seed=night.seed) as service,
    ):
        start = dict(service.bindings)
        manifest, ledger = Path(folder, "night.csv"), Path(folder, "night.ledger.db")
        write_csv(manifest, night.wanted)
        if night.retargeted:
            killed(service, "run", manifest, 15, concurrency=4, max_consecutive_failures=None)
            write_csv(manifest, wanted := {**night.wanted, **night.retargeted})
        else:
            wanted = night.wanted
        there(service, night, manifest, ledger, start, wanted)
        changed = dict.fromkeys(night.foreign, FOREIGN)
        for row_id, target in changed.items():
            service.simulator.rebind(row_id, *target)
        assert_verified(service, ledger, wanted)
        back(service, night, ledger)
        assert dict(service.bindings) == {**start, **changed}


def there(
    service: Service, night: Night, manifest: Path, ledger: Path, start: dict[str, Target], wanted: dict[str, Target]
) -> None:
    for calls in night.kills:
        event(
            "run killed"
            if killed(service, "run", manifest, calls, concurrency=4, max_consecutive_failures=None)
            else "run done"
        )
    result = engine(service, "run", manifest, max_consecutive_failures=None)
    assert result["exit_code"] in (0, 1)
    assert result["pending"] == 0
    locked = {route.id for route in night.routes if route.editable in ("1", "3")}
    for row_id, row in exported(ledger).items():
        if row_id not in start:
            assert row["error"] == "unknown_id"
        elif row_id in locked:
            assert service.bindings[row_id] == start[row_id]
            assert (row["error"] == "locked") == (start[row_id] != wanted[row_id])
        elif row["before_deviceId"] and row["batch"] == 1:  # in a later batch it may be the target of an earlier one
            assert (row["before_devicetype"], row["before_deviceId"]) == start[row_id]
    assert_verified(service, ledger, wanted)


def exported(ledger: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a ledger by id."""
    with Ledger(ledger).read() as reader:
        return {record["id"]: record for record in export.rows(reader, [])}


def assert_verified(service: Service, ledger: Path, wanted: dict[str, Target]) -> None:
    """Demand that verify sees exactly what the service would say of the rows that the ledger calls done."""
    done = [row_id for row_id, row in exported(ledger).items() if row["status"] in ("succeeded", "unchanged")]
    found = engine(service, "verify", ledger)
    assert found["checked"] == len(done)
    assert set(found["different"]) == {row_id for row_id in done if service.bindings[row_id] != wanted[row_id]}


def back(service: Service, night: Night, ledger: Path) -> None:
    for calls in night.kills_of_rollback:
        event("rollback killed" if killed(service, "rollback", ledger, calls, concurrency=4) else "rollback done")
    for _ in range(MOST_REPEATS):
        result = engine(service, "rollback", ledger, max_consecutive_failures=None)
        assert result["pending"] == 0
        if set(result["failures"]) <= {"conflict"}:
            return
    raise AssertionError(f"the rollback never came to an end: {result}")
