"""A selection from a live service; in virtual time, against the simulator. It sends what the ids themselves would."""

import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkroute.cli.select import write_manifest
from bulkroute.engine import Engine
from bulkroute.errors import CredentialsRefused, ExitCode, ReadingRefused, StoppedEarly, UsageError
from bulkroute.events import Event, Notice
from bulkroute.live.selection import Filters, Selection
from bulkroute.manifest.spelling import TYPE_NAMES
from bulkroute.settings import Settings
from bulkroute.simulator import ContactCentre, Faults, Flow, Route, Simulator, Skill, contact_centre
from tests.flow.engine import KEY_PAIR
from tests.plain_matcher import plain_number
from tests.virtual_time import run_virtual

T = TypeVar("T")
OLD, NEW = Flow(3001, "Old", loaded=False), Flow(3002, "New")
SALES = Skill(3001, "Sales", param={"busy": {"transferType": "Transfer", "deviceType": "3", "value": "3001"}})
CENTRE = ContactCentre([Route("1", *OLD.target), Route("2", *SALES.target)], [SALES], [OLD, NEW])


def at(
    centre: ContactCentre,
    work: Callable[[Engine, Simulator], Awaitable[T]],
    faults: Faults | None = None,
    told: list[str] | None = None,
) -> T:
    """Return what work with an engine comes to at a service that holds these routes and targets."""

    def on_event(event: Event) -> None:
        if isinstance(event, Notice) and told is not None:
            told.append(event.text)

    async def scenario() -> T:
        async with Simulator(centre.routes, faults=faults, skills=centre.skills, flows=centre.flows) as simulator:
            chosen = Settings(base_url=simulator.url, credentials=KEY_PAIR, rate_per_s=None, max_attempts=1)
            async with Engine(chosen, on_event=on_event) as engine:
                return await work(engine, simulator)

    return run_virtual(scenario())


def select(
    source: str, to: str, *, faults: Faults | None = None, told: list[str] | None = None, centre: ContactCentre = CENTRE
) -> Selection:
    return at(centre, lambda engine, _simulator: engine.select(to, Filters(source)), faults, told)


def test_each_list_is_read_once() -> None:
    async def work(engine: Engine, simulator: Simulator) -> tuple[Selection, dict[str, int]]:
        return await engine.select("ivr:New", Filters("ivr:Old")), dict(simulator.calls_per_endpoint)

    found, calls = at(CENTRE, work)
    assert [route.id for route in found.routes] == ["1"]
    assert found.still_leading is not None
    assert [(each.queue.name, each.reasons) for each in found.still_leading] == [("Sales", ["busy"])]
    assert [calls[name] for name in ("queryCalledRoute", "querySkills", "queryIVRFlowList")] == [1, 1, 1]
    assert "modifyCalledRoute" not in calls


def test_what_is_gone_can_be_left() -> None:
    """A queue that was deleted: only its routes still have its name."""
    gone = Route("3", 1, 9001, "closed")
    centre = CENTRE._replace(routes=[*CENTRE.routes, gone])
    for source in ("queue:closed", "queue:#9001"):
        assert [route.id for route in select(source, "New", centre=centre).routes] == ["3"]
    with pytest.raises(UsageError, match="no skill queue is called 'closed'"):
        select("Old", "queue:closed", centre=centre)


def test_from_and_to_must_differ() -> None:
    with pytest.raises(UsageError, match=r"--from and --to are the same, New \(ivr 3002\)") as refused:
        select("ivr:#3002", "New")
    assert refused.value.exit_code is ExitCode.USAGE


def test_no_filter_is_refused_before_anything_is_read() -> None:
    async def work(engine: Engine, simulator: Simulator) -> int:
        with pytest.raises(UsageError, match="no filter is given") as refused:
            await engine.select("New", Filters())
        assert refused.value.exit_code is ExitCode.USAGE
        return simulator.calls_per_endpoint.total()

    assert at(CENTRE, work) == 0


def test_a_list_that_never_comes_to_rest_is_no_selection() -> None:
    with pytest.raises(StoppedEarly, match="routes may be missing"):
        select("Old", "New", faults=Faults(wrong_total=3))


@pytest.mark.parametrize(("status", "refusal"), [(404, ReadingRefused), (403, CredentialsRefused)])
def test_queues_that_may_not_be_read_hinder_only_who_names_one(status: int, refusal: type[Exception]) -> None:
    told: list[str] = []
    found = select("ivr:Old", "ivr:New", faults=Faults(skills_status=status), told=told)
    assert [route.id for route in found.routes] == ["1"]
    assert found.still_leading is None
    assert any(text.startswith("which skill queues hand calls on cannot be told:") for text in told)
    with pytest.raises(refusal):
        select("Old", "ivr:New", faults=Faults(skills_status=status))


def written(target: Flow | Skill, rng: random.Random) -> str:
    """Return a target as a person may write it, by name or by number."""
    kind = rng.choice([name for name, number in TYPE_NAMES.items() if number == target.target[0] and name.isascii()])
    return rng.choice(
        [f"{kind}:#{target.id}", f"{kind}:{target.name}#{target.id}" if target.name else f"{kind}:#{target.id}"]
    )


def sent(centre: ContactCentre, rows: object) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
    """Return how often each route is called when these rows are sent, and where all routes lead then."""

    async def work(engine: Engine, simulator: Simulator) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
        with tempfile.TemporaryDirectory() as folder:
            await engine.run(rows, ledger=Path(folder) / "x.ledger.db")  # type: ignore[arg-type]
        return dict(simulator.calls_per_id), dict(simulator.bindings)

    return at(centre, work, Faults(multimedia_enforced=False))


@pytest.mark.slow
@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_a_selection_sends_what_its_ids_would(seed: int) -> None:
    """Over contact centres with extensions, equal access codes, media types, names that are alike, Chinese names."""
    rng = random.Random(seed)
    centre = contact_centre(rng.randrange(20, 60), seed)
    start = rng.choice(centre.routes)
    everything: list[Flow | Skill] = [*centre.skills, *centre.flows]
    wanted = rng.choice([each for each in everything if not isinstance(each, Flow) or each.loaded])
    targets = {each.target: each for each in everything}
    source = targets.get((start.devicetype, start.device_id))
    prefix, ext_code = rng.choice(["", start.access_code[:3]]), rng.choice([None, start.ext_code])
    media = rng.choice([None, start.mediatype_id])
    filters = Filters(
        written(source, rng) if source and source is not wanted else "",
        [f"{prefix}%"],
        [] if ext_code is None else [ext_code],
        [] if media is None else [media],
    )
    meant = [
        (route.id, *wanted.target)
        for route in centre.routes
        if (not filters.source or (source and (route.devicetype, route.device_id) == source.target))
        and plain_number(route.access_code).startswith(plain_number(prefix))
        and (ext_code is None or plain_number(route.ext_code) == plain_number(ext_code))
        and media in (None, route.mediatype_id)
        and route.editable not in ("1", "3")
        and (route.devicetype, route.device_id) != wanted.target
    ]

    async def work(engine: Engine, _simulator: Simulator) -> Selection:
        return await engine.select(written(wanted, rng), filters)

    found = at(centre, work)
    assert sorted(route.id for route in found.routes) == sorted(row[0] for row in meant)
    if meant:
        with tempfile.TemporaryDirectory() as folder:
            write_manifest(found, Path(folder) / "part.csv")
            assert sent(centre, Path(folder) / "part.csv") == sent(centre, meant)
