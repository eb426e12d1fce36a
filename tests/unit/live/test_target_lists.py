"""The lists of skill queues and IVR flows: read to their end, with names as they are listed; in virtual time."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import ReadingRefused
from bulkroute.live import target_lists
from bulkroute.live.read_calls import Asker
from bulkroute.live.target_index import KnownTarget, Overflow
from bulkroute.model import Binding
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


def moving(move: Callable[[Simulator], None], queues: int) -> tuple[list[KnownTarget], int]:
    """Return what is read while `move` changes the tenant after each call, and how many calls that takes."""

    async def scenario() -> tuple[list[KnownTarget], int]:
        skills = [Skill(number) for number in range(queues)]
        async with Simulator([Route("1")], static_token=TOKEN, skills=skills) as simulator:
            settings = Settings(base_url=simulator.url, credentials=Credentials(token=Secret(TOKEN)), rate_per_s=None)
            async with Engine(settings) as engine:
                ask = engine._asker.ask

                async def asking(endpoint: str, question: Any) -> Any:
                    said = await ask(endpoint, question)
                    move(simulator)
                    return said

                engine._asker.ask = asking  # type: ignore[method-assign]
                found = await target_lists.read_all_skills(engine._asker)
            return found, simulator.calls_per_endpoint["querySkills"]

    return run_virtual(scenario())


def test_a_list_that_moves_while_it_is_read_is_read_again() -> None:
    """A queue of the first page goes, so that the second page lacks the one that has moved up."""

    def move(simulator: Simulator) -> None:
        simulator.tenant.skills.pop(5, None)

    found, calls = moving(move, 150)
    assert [skill.device_id for skill in found] == [number for number in range(150) if number != 5]
    assert calls == 4


def test_a_list_that_never_comes_to_rest_is_refused() -> None:
    numbers = iter(range(1000, 2000))

    def move(simulator: Simulator) -> None:
        simulator.tenant.skills.pop(next(iter(simulator.tenant.skills)))
        simulator.tenant.skills |= {number: Skill(number) for number in (next(numbers), next(numbers))}

    with pytest.raises(ReadingRefused, match="never came to rest in 5 readings"):
        moving(move, 150)


def test_where_queues_hand_calls_on() -> None:
    """A transfer to queue 3001 is none to flow 3001."""
    transfers: dict[str, object] = {
        "noAgents": {"transferType": "Transfer", "deviceType": "3", "value": 3001},
        "busy": {"transferType": "Transfer to", "deviceType": 1, "value": "3001"},
        "timeOut": {"transferType": "Release", "deviceType": "", "value": None},
        "answerFunction": "0",
    }
    odd: dict[str, object] = {
        "busy": {"transferType": " release", "deviceType": 3, "value": 9},
        "timeOut": {"transferType": "Transfer", "deviceType": "x", "value": 9},
    }
    skills = [Skill(101, "VIP", param=transfers), Skill(102, "Odd", param=odd), Skill(103)]
    found, _calls = ask(target_lists.read_all_skills, skills=skills)
    assert [skill.overflows for skill in found] == [
        (Overflow("noAgents", Binding(3, 3001)), Overflow("busy", Binding(1, 3001))),
        (),
        (),
    ]
