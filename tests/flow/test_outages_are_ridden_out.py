"""A service that is down fails no row: the run waits, probes, and goes on by itself; bad rows fail as ever. Virtual time."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import ExitCode, StopKind, StoppedEarly
from bulkroute.events import Event, WaitBegan, WaitEnded
from bulkroute.settings import FailureLimit, Settings
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.flow.engine import KEY_PAIR, Night, spend_night
from tests.harness import Target, exported, ids, targets
from tests.virtual_time import run_virtual

KINDS = ("refused", "503", "500", "hang")
BEGIN_S = 2
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _same_jitter() -> None:
    random.seed(7)


def night_of(folder: Path, *outages: str, rows: int = 200, **settings: Any) -> Night:
    """Spend a night at 50/s on which the service is down as written, from the first call on."""
    faults = settings.pop("faults", {})
    night = spend_night(
        folder,
        targets(ids(rows)),
        Faults(latency_ms=60, jitter_ms=60, outages=outages, **faults),
        **{"rate_per_s": 50.0, **settings},
    )
    assert not night.simulator.violations
    return night


def calls_between(night: Night, begin_s: float, end_s: float) -> int:
    """Return how many calls came in between two moments after the first call."""
    first_s = min(call.at for call in night.simulator.calls)
    return sum(begin_s <= call.at - first_s < end_s for call in night.simulator.calls)


def assert_all_done(night: Night) -> None:
    summary = night.summary
    assert (summary.exit_code, summary.failed, summary.pending) == (ExitCode.DONE, 0, 0), summary
    assert dict(night.simulator.bindings) == targets(ids(summary.total))


@pytest.mark.parametrize("seconds", [2, 20, 300])
@pytest.mark.parametrize("kind", KINDS)
def test_an_outage_of_any_kind_and_length_fails_no_row(tmp_path: Path, kind: str, seconds: int) -> None:
    night = night_of(tmp_path, f"{BEGIN_S}s+{seconds}s:{kind}")
    assert_all_done(night)
    assert calls_between(night, BEGIN_S, BEGIN_S + seconds) <= 60
    assert night.virtual_s <= BEGIN_S + seconds + 2 * 15 + 10, "it was under way again soon"
    rows = exported(tmp_path / "night.ledger.db").values()
    if kind != "hang" or seconds > 2:
        assert {row["attempts"] for row in rows} == {"1"}, "no call into the outage used up a try"
    if kind != "refused":  # of those the service knows nothing
        assert night.summary.attempts == night.simulator.calls_per_endpoint["modifyCalledRoute"]
    with closing(sqlite3.connect(tmp_path / "night.ledger.db")) as connection:
        (all_calls, given_back) = connection.execute("SELECT sum(attempts), sum(given_back) FROM row").fetchone()
    assert all_calls == night.summary.attempts, "each call is on the account of its row, probes included"
    assert given_back == all_calls - sum(int(row["attempts"]) for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_that_stays_away_stops_the_run_and_the_same_command_goes_on(tmp_path: Path, kind: str) -> None:
    night = night_of(tmp_path, f"{BEGIN_S}s+100000s:{kind}", max_outage_wait_s=120.0)
    summary = night.summary
    assert (summary.exit_code, summary.stop, summary.failed) == (ExitCode.STOPPED, StopKind.OUTAGE, 0)
    assert 0 < summary.succeeded < 200
    assert summary.pending == 200 - summary.succeeded
    assert "the service was down for --max-outage-wait, 120 s" in (summary.stopped or "")
    assert 120 <= night.virtual_s <= 120 + BEGIN_S + 2 * 15 + 2
    done = summary.succeeded
    again = night_of(tmp_path, service_moved=True)
    assert (again.summary.exit_code, again.summary.succeeded) == (ExitCode.DONE, 200)
    assert again.simulator.calls_per_endpoint["modifyCalledRoute"] == 200 - done


def test_a_brown_out_fails_no_row(tmp_path: Path) -> None:
    night = night_of(tmp_path, "2s+20s:503*0.5", rows=600)
    assert_all_done(night)


def test_without_patience_rows_fail_by_their_tries(tmp_path: Path) -> None:
    night = night_of(tmp_path, f"{BEGIN_S}s+300s:503", max_outage_wait_s=0.0)
    assert night.summary.exit_code == ExitCode.LIMIT
    assert night.summary.failures == {"server": night.summary.failed}
    assert night.summary.failed >= 20


def test_an_outage_is_seen_by_no_limit_of_failures(tmp_path: Path) -> None:
    limit = FailureLimit(rows=1)
    assert_all_done(night_of(tmp_path, f"{BEGIN_S}s+60s:503", max_failures=limit, max_consecutive_failures=1))


def test_a_window_that_ends_in_an_outage_ends_the_run(tmp_path: Path) -> None:
    night = night_of(tmp_path, f"{BEGIN_S}s+3000s:503", max_duration_s=60.0)
    assert (night.summary.exit_code, night.summary.stop) == (ExitCode.STOPPED, StopKind.WINDOW)
    assert night.summary.failed == 0
    assert night.virtual_s == pytest.approx(60, abs=1)


# Bad rows.


def bad(row_ids: list[str], kind: str = "fail_500_ids") -> dict[str, Any]:
    return {"bad_ids": dict.fromkeys(row_ids, kind)}


def with_and_without(folder: Path, bad_ids: list[str], *outages: str, **settings: Any) -> tuple[Night, Night]:
    """Spend the same night with the rule and without it."""
    nights = []
    for name, patience_s in (("with", 900.0), ("without", 0.0)):
        random.seed(7)
        (folder / name).mkdir()
        given = {"max_outage_wait_s": patience_s, "faults": bad(bad_ids), **settings}
        nights.append(night_of(folder / name, *outages, **given))
    return nights[0], nights[1]


def assert_fails_alike(folder: Path, with_it: Night, without: Night, later_s: float) -> None:
    assert with_it.summary.exit_code == without.summary.exit_code
    assert with_it.summary.failures == without.summary.failures
    assert with_it.virtual_s <= without.virtual_s + later_s
    rows, same = (exported(folder / name / "night.ledger.db") for name in ("with", "without"))
    for row_id, row in rows.items():
        for column in ("status", "error", "attempts", "http_status", "return_code", "description"):
            assert row[column] == same[row_id][column]


@pytest.mark.parametrize(
    ("places", "later_s"),
    [
        (range(60, 80), 5),
        (range(0, 200, 10), 5),
        ([199], 5),
        ([197, 198, 199], 5),
        (range(188, 200), 28),
    ],
    ids=["20 in a row", "a tenth", "the last one", "the last three", "the last twelve"],
)
def test_bad_rows_fail_with_the_same_tries_and_hardly_later(
    tmp_path: Path, places: "range | list[int]", later_s: float
) -> None:
    row_ids = ids(200)
    nights = with_and_without(tmp_path, [row_ids[place] for place in places], max_consecutive_failures=None)
    assert_fails_alike(tmp_path, *nights, later_s)
    assert nights[0].summary.failed == len(places)


def test_a_manifest_of_bad_rows_alone_stops_as_soon_as_ever(tmp_path: Path) -> None:
    with_it, without = with_and_without(tmp_path, ids(200))
    assert with_it.summary.stop == without.summary.stop == StopKind.MAX_CONSECUTIVE_FAILURES
    assert with_it.virtual_s <= without.virtual_s + 1


def test_a_manifest_whose_second_half_is_bad_stops_once_a_read_has_told(tmp_path: Path) -> None:
    with_it, without = with_and_without(tmp_path, ids(200)[100:])
    assert with_it.summary.stop == without.summary.stop == StopKind.MAX_CONSECUTIVE_FAILURES
    assert with_it.summary.succeeded == 100
    assert with_it.virtual_s <= 60
    assert with_it.simulator.calls_per_endpoint["queryCalledRoute"] == 1


def test_500_from_modify_alone_is_waited_for_as_long_as_it_may_be_an_outage(tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    assert_all_done(night_of(tmp_path / "short", f"{BEGIN_S}s+20s:500@modify"))
    (tmp_path / "long").mkdir()
    night = night_of(tmp_path / "long", f"{BEGIN_S}s+300s:500@modify")
    assert (night.summary.exit_code, night.summary.stop) == (ExitCode.LIMIT, StopKind.MAX_CONSECUTIVE_FAILURES)
    assert night.summary.failed < 30


# From the very start.


def test_a_gateway_that_answers_503_from_the_start_is_waited_for(tmp_path: Path) -> None:
    night = night_of(tmp_path, "0s+60s:503@modify", "0s+60s:503@read")
    assert_all_done(night)
    assert calls_between(night, 0, 60) <= 60


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_service_that_refuses_connections_from_the_start_is_not_there(tmp_path: Path, snapshot: bool) -> None:
    faults = {"times_from": "start"}
    night = night_of(
        tmp_path, "0s+60s:refused", credentials=Credentials(token=Secret("any")), snapshot=snapshot, faults=faults
    )
    assert (night.summary.exit_code, night.summary.stop) == (ExitCode.UNREACHABLE, StopKind.UNREACHABLE)
    assert night.virtual_s < 30


def test_500_from_the_start_is_taken_for_bad_rows(tmp_path: Path) -> None:
    night = night_of(tmp_path, "0s+300s:500@modify")
    assert night.summary.exit_code == ExitCode.LIMIT
    assert night.virtual_s < 10


# Reading, and everything that reads.


@pytest.mark.parametrize("kind", KINDS)
def test_reading_waits_too(tmp_path: Path, kind: str) -> None:
    night = night_of(tmp_path, f"1s+120s:{kind}", rows=1200, snapshot=True, rate_per_s=5.0, max_rows=10)
    assert night.summary.succeeded == 10
    assert night.summary.failed == 0
    assert night.virtual_s < 120 + 100
    assert calls_between(night, 1, 121) <= 60


def test_a_canary_is_only_delayed(tmp_path: Path) -> None:
    assert_all_done(night_of(tmp_path, "0.5s+60s:503@modify", "0.5s+60s:503@read", snapshot=True, canary=100))


def reading(
    folder: Path, faults: Faults, what: Callable[[Engine], Any], **settings: Any
) -> tuple[Simulator, list[Event]]:
    """Do something with an engine, in virtual time, after a batch was done; the outage begins with its first call."""

    async def scenario() -> tuple[Simulator, list[Event]]:
        told: list[Event] = []
        wanted = targets(ids(60))
        async with Simulator(routes_for(wanted, 1)) as simulator:
            chosen = {"rate_per_s": 50.0, "credentials": KEY_PAIR, **settings}
            async with Engine(Settings(base_url=simulator.url, **chosen), on_event=told.append) as engine:
                await engine.run([(row_id, *to) for row_id, to in wanted.items()], ledger=folder / "l.db")
                simulator.set_faults(faults)
                await what(engine)
        return simulator, told

    return run_virtual(scenario())


AWAY = Faults(latency_ms=50, outages=("0.01s+40s:503",))


def test_a_rollback_waits_too(tmp_path: Path) -> None:
    async def roll_back(engine: Engine) -> None:
        summary = await engine.rollback(tmp_path / "l.db")
        assert (summary.exit_code, summary.failed) == (0, 0)

    simulator, _told = reading(tmp_path, AWAY, roll_back)
    assert dict(simulator.bindings) == bound_at_first(simulator)


def test_plan_and_verify_wait_too_and_tell_so(tmp_path: Path) -> None:
    async def look(engine: Engine) -> None:
        async with engine.plan([(row_id, 1, 101) for row_id in ids(60)]) as plan:
            assert plan.counts.to_change > 0
        assert (await engine.verify(tmp_path / "l.db")).differences == []

    _simulator, told = reading(tmp_path, AWAY, look)
    began = next(event for event in told if isinstance(event, WaitBegan))
    ended = next(event for event in told if isinstance(event, WaitEnded))
    assert (began.cause, began.wait_s) == ("down", None)
    assert began.reason.startswith("service down (1 read: HTTP 503")
    assert began.until is not None
    assert began.until - began.since == pytest.approx(900, abs=1)
    assert ended.outcome.startswith("service back")
    assert ended.going_on


def test_a_read_that_waits_for_too_long_is_given_up(tmp_path: Path) -> None:
    async def look(engine: Engine) -> None:
        with pytest.raises(StoppedEarly) as stopped:
            await engine.verify(tmp_path / "l.db")
        assert (stopped.value.stop, stopped.value.exit_code) == (StopKind.OUTAGE, ExitCode.STOPPED)

    reading(tmp_path, Faults(outages=("0s+1000s:503",)), look, max_outage_wait_s=30.0)


# The operator.


def test_resume_probes_at_once(tmp_path: Path) -> None:
    back_s = []

    async def meanwhile(engine: Engine, simulator: Simulator) -> None:
        await asyncio.sleep(100)
        simulator.set_faults(Faults())
        run = engine.current
        assert run is not None
        progress = run.progress()
        assert progress.state == "down"
        assert progress.reason is not None
        assert progress.reason.startswith("service down (8 rows: HTTP 503")
        assert progress.pauses[0].next_probe_s is not None
        run.resume()
        await asyncio.sleep(0.5)
        assert run.progress().state == "running"
        back_s.append(asyncio.get_running_loop().time())

    night = night_of(tmp_path, f"{BEGIN_S}s+3000s:503", meanwhile=meanwhile)
    assert_all_done(night)
    assert back_s


def test_a_pause_holds_the_probes_and_uses_up_no_patience(tmp_path: Path) -> None:
    async def meanwhile(engine: Engine, simulator: Simulator) -> None:
        await asyncio.sleep(10)
        run = engine.current
        assert run is not None
        run.pause("lunch")
        await asyncio.sleep(15)
        calls = simulator.calls_per_endpoint["modifyCalledRoute"]
        await asyncio.sleep(600)
        assert simulator.calls_per_endpoint["modifyCalledRoute"] == calls
        run.resume()

    assert_all_done(night_of(tmp_path, f"{BEGIN_S}s+300s:503", max_outage_wait_s=200.0, meanwhile=meanwhile))


def test_what_a_call_into_the_outage_changed_is_put_back_by_a_rollback(tmp_path: Path) -> None:
    """The change is made, no answer comes: the tries are given back, but the row may be changed all the same."""

    async def meanwhile(_engine: Engine, simulator: Simulator) -> None:
        await asyncio.sleep(BEGIN_S)
        simulator.set_faults(Faults(hang_after=1.0))

    night = night_of(tmp_path, meanwhile=meanwhile, snapshot=True, max_outage_wait_s=60.0, timeout_s=2.0)
    assert night.summary.stop is StopKind.OUTAGE
    rows = exported(tmp_path / "night.ledger.db")
    unclear = [row_id for row_id, row in rows.items() if row["status"] == "pending" and row["http_status"] == ""]
    before = bound_at_first(night.simulator)
    changed = {row_id for row_id in rows if night.simulator.bindings[row_id] != before[row_id]}
    assert changed.intersection(row_id for row_id in unclear if rows[row_id]["attempts"] == "0")

    async def roll_back() -> None:
        simulator = night.simulator
        simulator.set_faults(Faults())
        async with simulator:
            settings = Settings(base_url=simulator.url, credentials=KEY_PAIR, rate_per_s=None, service_moved=True)
            async with Engine(settings) as engine:
                summary = await engine.rollback(tmp_path / "night.ledger.db")
                assert summary.exit_code == 0

    run_virtual(roll_back())
    assert dict(night.simulator.bindings) == before


def bound_at_first(simulator: Simulator) -> dict[str, Target]:
    return {route_id: (route.devicetype, route.device_id) for route_id, route in simulator.routes.items()}


def test_a_service_that_is_back_gets_a_quarter_of_the_rate_at_first(tmp_path: Path) -> None:
    night = night_of(tmp_path, f"{BEGIN_S}s+20s:503", rows=400)
    assert_all_done(night)
    first_s = min(call.at for call in night.simulator.calls)
    back_s = next(at for at in night.starts() if at >= first_s + BEGIN_S + 20)
    later = [sum(begin <= at - back_s < begin + 1 for at in night.starts()) for begin in (0.2, 1.2, 2.2)]
    assert later[0] <= 16
    assert 20 <= later[1] <= 29
    assert later[2] >= 47
