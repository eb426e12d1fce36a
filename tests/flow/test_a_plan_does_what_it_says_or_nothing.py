"""A saved plan is applied to the state it was made from, and gives its *after*; on any other state it never overwrites.

For any live state, manifest and what other hands did since: no call goes to a row whose live binding is neither what the
plan found nor what it wants, nor to one that the plan refused, and every other row of the plan gets its one call.
"""

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, event, example, given, settings
from hypothesis import strategies as st

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import StopKind, StoppedEarly, UsageError
from bulkroute.events import Event, WaveEnded
from bulkroute.manifest.open_plan import SavedPlan
from bulkroute.model import FailureKind
from bulkroute.settings import OnDrift, Settings, parse_waves
from bulkroute.simulator import Route, Simulator
from tests.harness import IN_MEMORY, Target, ids, write_csv
from tests.virtual_time import run_virtual

KNOWN = ids(4)
POOL = [*KNOWN, "7700000000000000001"]
TARGETS: list[Target] = [(1, 101), (1, 102), (3, 201)]
LOGIN = Credentials(app_key="demo-key", app_secret=Secret("demo-secret"))
SERVICE = "https://cc.example.com"
"""What plan and ledger know every simulator by: the same service, at another time."""


class Live(NamedTuple):
    """A route as the service has it."""

    target: Target
    is_locked: bool = False
    ext_code: str = ""


@dataclass(frozen=True)
class Nights:
    """Everything that is drawn for one example."""

    planned: Mapping[str, Live]
    now: Mapping[str, Live]
    wanted: Mapping[str, Target]
    between: Sequence[Mapping[str, Target]]
    """What another hand does after each run."""
    on_drift: OnDrift | None
    skip: frozenset[FailureKind]
    rolled_back: bool


target = st.sampled_from(TARGETS)


@st.composite
def nights(draw: st.DrawFn) -> Nights:
    planned = {
        row_id: Live(draw(target), draw(st.sampled_from((False, False, False, True))), str(place))
        for place, row_id in enumerate(KNOWN)
    }
    now: dict[str, Live] = {}
    for row_id, live in planned.items():
        what = draw(st.sampled_from(("as it was",) * 6 + ("elsewhere", "elsewhere", "lock", "number", "gone")))
        changes: dict[str, Live] = {
            "elsewhere": live._replace(target=draw(target)),
            "lock": live._replace(is_locked=not live.is_locked),
            "number": live._replace(ext_code=f"9{live.ext_code}"),
        }
        if what != "gone":
            now[row_id] = changes.get(what, live)
    if draw(st.sampled_from((False, False, True))):
        now[POOL[-1]] = Live(draw(target), ext_code="77")
    return Nights(
        planned,
        now,
        draw(st.dictionaries(st.sampled_from(POOL), target, min_size=1)),
        draw(st.lists(st.dictionaries(st.sampled_from(KNOWN), target, max_size=2), min_size=1, max_size=2)),
        draw(st.sampled_from((None, OnDrift.STOP, OnDrift.KEEP, OnDrift.KEEP))),
        draw(st.frozensets(st.sampled_from((FailureKind.LOCKED, FailureKind.UNKNOWN_ID)))),
        draw(st.booleans()),
    )


def routes(state: Mapping[str, Live]) -> list[Route]:
    return [
        Route(row_id, *live.target, ext_code=live.ext_code, editable="1" if live.is_locked else "0")
        for row_id, live in state.items()
    ]


class Told(NamedTuple):
    """What a plan comes to on a state."""

    to_send: set[str]
    drifted: set[str]
    refused: dict[str, int]


def standing(row_id: str, state: Mapping[str, Live], wanted: Target) -> str:
    if row_id not in state:
        return "unknown_id"
    if state[row_id].target == wanted:
        return "right"
    return "locked" if state[row_id].is_locked else "change"


def told(given: Nights, state: Mapping[str, Live]) -> Told:
    """Say what a plan must come to, by the words of the contract alone."""
    to_send, drifted = set(), set()
    refused: dict[str, int] = {}
    for row_id, wanted in given.wanted.items():
        live, was = state.get(row_id), given.planned.get(row_id)
        kind = standing(row_id, given.planned, wanted)
        is_right = live is not None and live.target == wanted
        same_number = live is not None and was is not None and live.ext_code == was.ext_code
        untouched = live is not None and was is not None and live.target == was.target and not live.is_locked
        if kind in ("unknown_id", "locked"):
            if is_right and was is not None and not same_number:
                refused["moved"] = refused.get("moved", 0) + 1
            elif not is_right and kind not in given.skip:
                refused[kind] = refused.get(kind, 0) + 1
        elif not (same_number and (is_right or untouched)):
            drifted.add(row_id)
        elif not is_right:
            to_send.add(row_id)
    if drifted:
        refused["drifted"] = len(drifted)
    return Told(to_send, drifted, refused)


def chosen(simulator: Simulator, **options: Any) -> Settings:
    return Settings(base_url=simulator.url, service=SERVICE, credentials=LOGIN, rate_per_s=None, **options)


async def apply(given: Nights, simulator: Simulator, engine: Engine, plan: Path) -> None:
    """Run the plan, and hold what it did against what it had to do."""
    live = {row_id: now._replace(target=simulator.bindings[row_id]) for row_id, now in given.now.items()}
    must, calls = told(given, live), dict(simulator.calls_per_id)
    stopped = must.drifted and given.on_drift != OnDrift.KEEP
    if stopped:
        with pytest.raises(StoppedEarly) as error:
            await engine.run(plan)
        assert error.value.stop is StopKind.DRIFT
        assert error.value.what.startswith(f"{len(must.drifted)} row")
    else:
        summary = await engine.run(plan)
        assert summary.failures == must.refused
        assert summary.exit_code == (1 if must.refused else 0)
        assert summary.succeeded + summary.unchanged + summary.skipped == summary.total - sum(must.refused.values())
    sent = set() if stopped else must.to_send
    made = {row_id: count - calls.get(row_id, 0) for row_id, count in simulator.calls_per_id.items()}
    assert {row_id: count for row_id, count in made.items() if count} == dict.fromkeys(sent, 1)
    after = {row_id: given.wanted[row_id] if row_id in sent else each.target for row_id, each in live.items()}
    assert simulator.bindings == after
    event(f"{'stopped' if stopped else 'went on'}, {'some' if sent else 'nothing'} sent")


async def spend(given: Nights, folder: Path) -> None:
    manifest, plan = write_csv(folder / "night.csv", given.wanted), folder / "night.plan"
    async with Simulator(routes(given.planned)) as then, Engine(chosen(then)) as engine:
        async with engine.plan(manifest) as made:
            fingerprint = made.save(plan)
        assert not then.calls_per_id
    with SavedPlan.open(plan) as saved:
        standings = {row.id: row.standing for row in saved.rows()}
        assert standings == {row_id: standing(row_id, given.planned, to) for row_id, to in given.wanted.items()}
    async with Simulator(routes(given.now)) as now:
        approved = chosen(now, on_drift=given.on_drift, skip=given.skip, approved=fingerprint, require_approval=True)
        async with Engine(approved) as engine:
            await apply(given, now, engine, plan)
            for hand in given.between:
                for row_id, to in hand.items():
                    if row_id in given.now:
                        now.rebind(row_id, *to)
                await apply(given, now, engine, plan)
            if given.rolled_back and (folder / "night.ledger.db").exists():
                with contextlib.suppress(UsageError):  # there is nothing to put back
                    await engine.rollback(folder / "night.ledger.db")
                await apply(given, now, engine, plan)


AS_IT_WAS = {row_id: Live((1, 101), ext_code=str(place)) for place, row_id in enumerate(KNOWN)}
RENUMBERED = {row_id: live._replace(ext_code=f"9{live.ext_code}") for row_id, live in AS_IT_WAS.items()}
TO_NIGHT: Mapping[str, Target] = dict.fromkeys(KNOWN, (3, 201))


@pytest.mark.slow
@settings(
    max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck)
)
@given(nights())
@example(Nights(AS_IT_WAS, AS_IT_WAS, TO_NIGHT, [{}], None, frozenset(), True))
@example(
    Nights(
        AS_IT_WAS, AS_IT_WAS, TO_NIGHT, [{KNOWN[0]: (1, 102)}, {KNOWN[0]: (1, 101)}], OnDrift.KEEP, frozenset(), True
    )
)
@example(Nights(AS_IT_WAS, RENUMBERED, {**TO_NIGHT, KNOWN[0]: (1, 101)}, [{}], OnDrift.KEEP, frozenset(), False))
def test_a_plan_sends_the_rows_that_are_as_it_found_them_and_no_others(given: Nights) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        run_virtual(spend(given, Path(folder)))


def test_what_drifts_while_an_earlier_wave_goes_on_stops_the_run_before_its_own(tmp_path: Path) -> None:
    manifest, plan = write_csv(tmp_path / "night.csv", TO_NIGHT), tmp_path / "night.plan"

    async def night() -> None:
        async with Simulator(routes(AS_IT_WAS)) as simulator:

            def another_hand(happened: Event) -> None:
                if isinstance(happened, WaveEnded) and happened.wave == 1:
                    simulator.rebind(KNOWN[3], 1, 102)

            waves = parse_waves("1,1,rest")
            async with Engine(chosen(simulator, waves=waves)) as engine, engine.plan(manifest) as made:
                made.save(plan)
            async with Engine(chosen(simulator), on_event=another_hand) as engine:
                summary = await engine.run(plan)
            assert (summary.exit_code, summary.stop) == (6, StopKind.DRIFT)
            assert str(summary.stopped).startswith("wave 3 of 3: 1 of 2 rows no longer as planned: 9911411")
            assert f"(id {KNOWN[3]}): was " in str(summary.stopped)
            assert dict(simulator.calls_per_id) == dict.fromkeys(KNOWN[:2], 1)
            async with Engine(chosen(simulator)) as engine:
                with pytest.raises(StoppedEarly):
                    await engine.run(plan)
            async with Engine(chosen(simulator, on_drift=OnDrift.KEEP)) as engine:
                summary = await engine.run(plan)
            assert (summary.exit_code, summary.failures) == (1, {"drifted": 1})
            assert simulator.bindings == {**TO_NIGHT, KNOWN[3]: (1, 102)}

    run_virtual(night())
