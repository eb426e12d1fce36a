"""A run that was told to takes back by itself what its batch has changed, proves it, and says what is not as before."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bulkroute.engine import Engine
from bulkroute.errors import NotRunning, StopKind, StoppedEarly
from bulkroute.run.control import ask
from bulkroute.settings import BackOutOn, parse_waves
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.flow.engine import spend_night
from tests.harness import Service, Target, bulkroute, exported, ids, serving, started, targets, write_csv
from tests.terminal import at_terminal

FAST = ("--rate", "400", "--concurrency", "4", "--backoff", "0.01", "--backoff-cap", "0.05")
PATIENCE_S = 20


def manifest(folder: Path, rows: int) -> dict[str, Target]:
    wanted = targets(ids(rows))
    write_csv(folder / "night.csv", wanted)
    return wanted


def run_of(service: Service, *more: str) -> tuple[str, ...]:
    return ("run", "night.csv", "--base-url", service.url, *FAST, "--max-failures", "5", *more)


def until(what: Callable[[], Any]) -> Any:
    """Wait for what comes true soon."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    return found


def test_a_limit_leads_back_to_where_it_began_and_the_next_run_begins_anew(tmp_path: Path) -> None:
    wanted = manifest(tmp_path, 60)
    with serving(wanted, Faults(business_ids=0.3)) as service:
        before = dict(service.bindings)
        backed_out = bulkroute(*run_of(service, "--back-out-on", "limit", "--json"), cwd=tmp_path)
        assert backed_out.code == backed_out.summary["exit_code"] == 7, backed_out.err
        assert dict(service.bindings) == before
        called = {row_id for row_id, calls in service.simulator.calls_per_id.items() if calls}
        assert 5 < len(called) < 60
        summary = backed_out.summary
        assert (summary["stop"], summary["batch"], summary["run"]) == ("max_failures", 1, 1)
        assert (summary["backed_out"], summary["pending"]) == (len(called), 60)
        assert f"backing out of batch 1: {len(called)} changed rows to put back" in backed_out.err
        assert f"all {len(called)} changed rows are as before" in backed_out.err
        assert re.search(
            r"^to see again .+: +bulkroute verify night.ledger.db --base-url", backed_out.err, re.MULTILINE
        )

        told = json.loads(bulkroute("status", "night.ledger.db", "--json", cwd=tmp_path).out)
        assert told == summary
        assert bulkroute("verify", "night.ledger.db", "--base-url", service.url, cwd=tmp_path).code == 0
        assert f"{len(called)} of {len(called)}" in bulkroute("status", "night.ledger.db", cwd=tmp_path).out
        service.simulator.set_faults(Faults())
        again = bulkroute(*run_of(service, "--json"), cwd=tmp_path)
        assert (again.code, again.summary["batch"], again.summary["backed_out"]) == (0, 3, None)
        assert dict(service.bindings) == wanted


@pytest.mark.slow
def test_waiting_at_a_gate_makes_no_way_back_longer(tmp_path: Path) -> None:
    wanted = manifest(tmp_path, 10)
    with serving(wanted) as service:
        words = ("--waves", "6,rest", "--gate-wait", "7s", "--max-duration", "14s", "--back-out-on", "deadline")
        waited = bulkroute(*run_of(service, *words), cwd=tmp_path)
        assert waited.code == 0, waited.err
        assert dict(service.bindings) == wanted


@pytest.mark.slow
def test_without_being_told_to_a_run_stays_where_it_stopped(tmp_path: Path) -> None:
    wanted = manifest(tmp_path, 60)
    with serving(wanted, Faults(business_ids=0.3)) as service:
        stopped = bulkroute(*run_of(service, "--back-out-on", "no-go,deadline", "--json"), cwd=tmp_path)
        assert (stopped.code, stopped.summary["backed_out"]) == (3, None)
        assert "warning: --back-out-on deadline, but there is none" in stopped.err
        assert any(service.bindings[row_id] == target for row_id, target in wanted.items())


@pytest.mark.slow
def test_what_another_hand_has_moved_is_left_alone_and_named(tmp_path: Path) -> None:
    wanted = manifest(tmp_path, 80)
    first = next(iter(wanted))
    with serving(wanted, Faults(business_ids=0.2)) as service:
        before = dict(service.bindings)
        slow = run_of(service, "--back-out-on", "limit", "--json", "--rate", "20", "--max-failures", "8")
        with started(*slow, cwd=tmp_path) as run:
            until(lambda: service.bindings[first] == wanted[first])
            service.rebind({first: (1, 999)})
            out, err = run.communicate(timeout=60)
        assert run.returncode == 8, err.decode()
        summary = json.loads(out)
        assert (summary["exit_code"], summary["stop"]) == (8, "max_failures")
        assert service.bindings[first] == (1, 999)
        assert {**service.bindings, first: before[first]} == before
        assert first in err.decode().partition("not back: ")[2].partition("\n")[0]
        assert "conflict" in err.decode().partition("not back: ")[2]
        assert f"{summary['backed_out']} of {summary['backed_out'] + 1} changed rows are proven" in err.decode()
        assert "to see which rows are not as before" in err.decode()
        assert bulkroute("verify", "night.ledger.db", "--base-url", service.url, cwd=tmp_path).code == 6

        # It is over all the same: what could be put back is, and the next run sends again.
        service.simulator.set_faults(Faults())
        again = bulkroute(*run_of(service, "--json"), cwd=tmp_path)
        assert (again.code, again.summary["batch"]) == (0, 3)


@pytest.mark.slow
def test_a_person_stops_it_and_the_same_command_or_a_rollback_goes_on(tmp_path: Path) -> None:
    wanted = manifest(tmp_path, 120)
    with serving(wanted, Faults(business_ids=0.2)) as service:
        before = dict(service.bindings)
        slow = run_of(service, "--back-out-on", "limit", "--json", "--rate", "20", "--max-failures", "10")
        with started(*slow, cwd=tmp_path) as run:
            answer = until(lambda: _backing_out(tmp_path))
            assert answer["reason"].startswith("batch 1 is backed out of: --max-failures 10 is reached")
            asyncio.run(ask(tmp_path / "night.ledger.db", "stop"))
            out, err = run.communicate(timeout=60)
        assert run.returncode == 8, err.decode()
        assert "is not finished" in err.decode()
        assert "to go on putting back: bulkroute rollback night.ledger.db --base-url" in err.decode()
        assert dict(service.bindings) != before
        assert json.loads(out)["exit_code"] == 8
        assert json.loads(bulkroute("status", "night.ledger.db", "--json", cwd=tmp_path).out)["exit_code"] == 8

        service.simulator.set_faults(Faults())
        modified = service.modified
        on = bulkroute(*run_of(service, "--json"), cwd=tmp_path)
        assert on.code == 7, on.err
        assert "going on with the back-out of batch 1, begun at" in on.err
        assert dict(service.bindings) == before
        assert service.modified - modified < 120
        assert on.summary["stop"] == "max_failures"


def _backing_out(folder: Path) -> dict[str, Any] | None:
    answer: dict[str, Any] = {}
    with suppress(NotRunning):
        answer = asyncio.run(ask(folder / "night.ledger.db", "status"))
    return answer if answer.get("state") == "backing_out" else None


@pytest.mark.slow
def test_a_person_who_stops_the_run_itself_gets_no_back_out(tmp_path: Path) -> None:
    wanted = manifest(tmp_path, 200)
    with serving(wanted) as service:
        slow = run_of(
            service, "--back-out-on", "no-go,limit,deadline", "--max-duration", "5h", "--json", "--rate", "40"
        )
        with started(*slow, cwd=tmp_path) as run:
            until(lambda: service.modified > 20)
            going_on = bulkroute("status", "night.ledger.db", cwd=tmp_path).out
            assert re.search(
                r"^a back-out would take .+ s now \(\d+ changed rows\); latest start \d", going_on, re.MULTILINE
            )
            run.terminate()
            out, _err = run.communicate(timeout=60)
        assert run.returncode == 4
        assert json.loads(out)["backed_out"] is None
        changed = sum(row["status"] == "succeeded" for row in exported(tmp_path / "night.ledger.db").values())
        takes_s = (changed + 2 * 2) / 40  # the list has two pages
        stands = bulkroute("status", "night.ledger.db", cwd=tmp_path).out
        assert re.search(
            rf"^a back-out would take {takes_s:.1f} s now \({changed} changed rows\)$", stands, re.MULTILINE
        )


@pytest.mark.slow
def test_the_question_says_that_it_may_back_out_and_none_is_asked_then(tmp_path: Path) -> None:
    wanted = manifest(tmp_path, 60)
    with serving(wanted, Faults(business_ids=0.3)) as service:
        before = dict(service.bindings)
        with at_terminal(*run_of(service, "--back-out-on", "limit"), cwd=tmp_path, columns=200) as terminal:
            asked = terminal.until("[y/N] ")
            assert "by itself, without a further question, if it stops by limit" in asked
            terminal.type("y\n")
            assert terminal.end() == 7
        assert dict(service.bindings) == before


@pytest.mark.slow
def test_a_gate_that_says_no_leads_back_too(tmp_path: Path) -> None:
    wanted = manifest(tmp_path, 30)
    with serving(wanted) as service:
        before = dict(service.bindings)
        gated = ("--waves", "4,rest", "--gate-command", "echo dead air; exit 1", "--back-out-on", "no-go", "--json")
        ended = bulkroute(*run_of(service, *gated), cwd=tmp_path)
        assert (ended.code, ended.summary["stop"], ended.summary["backed_out"]) == (7, "gate", 4), ended.err
        assert "dead air" in ended.summary["stopped"]
        assert len(service.simulator.calls_per_id) == 4
        assert dict(service.bindings) == before


def slowed_down(engine: Engine, _service: Simulator) -> Any:
    async def act() -> None:
        await asyncio.sleep(10)
        assert engine.current
        engine.current.set_rate(4)

    return act()


IN_TIME: dict[str, Any] = {
    "back_out_on": frozenset({BackOutOn.DEADLINE}),
    "snapshot": True,
    "rate_per_s": 10.0,
    "max_duration_s": 100.0,
}


@pytest.mark.slow
def test_it_turns_round_at_the_last_moment_and_is_back_before_the_window_closes(tmp_path: Path) -> None:
    wanted = targets(ids(400))
    before = {route.id: (route.devicetype, route.device_id) for route in routes_for(wanted, 1)}
    night = spend_night(tmp_path, wanted, meanwhile=slowed_down, **IN_TIME)
    # 100 rows in 10 s, then 4 a second: after some 40 s what is changed takes as long as is left.
    assert (night.summary.exit_code, night.summary.stop) == (7, StopKind.WINDOW)
    assert "the back-out must start now to be done before the window closes at" in (night.summary.stopped or "")
    assert 200 < (night.summary.backed_out or 0) < 240
    assert night.virtual_s < 100
    assert dict(night.simulator.bindings) == before
    assert len(night.starts()) == 2 * (night.summary.backed_out or 0)


@pytest.mark.slow
def test_what_would_not_fit_with_its_way_back_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(StoppedEarly, match="nothing was sent: 600 rows, and the way back if it must be") as refused:
        spend_night(tmp_path, targets(ids(600)), **IN_TIME)
    assert refused.value.stop is StopKind.WINDOW
    assert not (tmp_path / "night.ledger.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("deadline", [True, False])
def test_a_wave_that_no_longer_fits_is_not_begun(tmp_path: Path, deadline: bool) -> None:
    wanted = targets(ids(400))
    before = {route.id: (route.devicetype, route.device_id) for route in routes_for(wanted, 1)}
    settings = {**IN_TIME, "waves": parse_waves("120,rest"), "max_consecutive_failures": None}
    if not deadline:
        settings |= {"back_out_on": frozenset(), "max_duration_s": 60.0}
    night = spend_night(tmp_path, wanted, meanwhile=slowed_down, **settings)
    assert night.summary.stop is StopKind.WINDOW
    assert "wave 2 of 2: 280 rows" in (night.summary.stopped or "")
    assert night.summary.exit_code == (7 if deadline else 4)
    assert (dict(night.simulator.bindings) == before) is deadline
    assert len(night.starts()) == (240 if deadline else 120)
