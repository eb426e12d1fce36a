"""The lists of skill queues and IVR flows: read to their end, with names as they are listed; in virtual time."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import ReadingRefused
from bulkroute.live import target_lists
from bulkroute.live.read_calls import Asker
from bulkroute.live.target_index import KnownTarget
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Flow, Route, Simulator, Skill
from tests.virtual_time import run_virtual

TOKEN = "door-that-nobody-knows"
T = TypeVar("T")


def ask(read: Callable[[Asker], Awaitable[T]], *, faults: Faults | None = None, **tenant: Any) -> tuple[T, int]:
    """Return what is read at a service that has these queues and flows, and how many calls that takes."""

    async def scenario() -> tuple[T, int]:
        async with Simulator([Route("1")], faults=faults or Faults(), static_token=TOKEN, **tenant) as simulator:
            settings = Settings(base_url=simulator.url, credentials=Credentials(token=Secret(TOKEN)), max_attempts=1)
            async with Engine(settings) as engine:
                found = await read(engine._asker)
            return found, simulator.calls_per_endpoint.total()

    return run_virtual(scenario())


@pytest.mark.parametrize(("queues", "calls"), [(0, 1), (99, 1), (100, 1), (101, 2), (250, 3)])
def test_all_queues_come_a_hundred_a_call(queues: int, calls: int) -> None:
    found, made = ask(target_lists.read_all_skills, skills=[Skill(number, f"Q{number}") for number in range(queues)])
    assert [skill.name for skill in found] == [f"Q{number}" for number in range(queues)]
    assert made == calls


def test_a_name_keeps_its_blanks_and_loses_what_no_terminal_should_get() -> None:
    skills = [Skill(1, "Two  blanks", mediatype_id=53), Skill(2, "\x1b[31mred"), Skill(3, f"says {TOKEN}")]
    found, _calls = ask(target_lists.read_all_skills, skills=skills)
    assert found[0] == KnownTarget(1, 1, "Two  blanks", 53)
    assert [skill.name for skill in found[1:]] == ["\N{REPLACEMENT CHARACTER}[31mred", "says ***"]


def test_a_flow_is_called_by_its_description_alone() -> None:
    flows = [Flow(3001, "夜间", file_name="night.xml", access_code="T1"), Flow(3002, "", loaded=False)]
    found, _calls = ask(target_lists.read_flows, flows=flows)
    assert found == [
        KnownTarget(3, 3001, "夜间", file_name="night.xml", access_code="T1"),
        KnownTarget(3, 3002, "", is_loaded=False, file_name="flow3002.xml"),
    ]


def test_a_list_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_lists, "MOST_SKILLS", 200)
    with pytest.raises(ReadingRefused, match="without an end"):
        ask(target_lists.read_all_skills, skills=[Skill(number) for number in range(300)])
