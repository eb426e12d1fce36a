"""What is said of targets that calls cannot reach, or should not; in virtual time, against the simulator."""

from collections.abc import Mapping
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import StopKind, UsageError
from bulkroute.ledger.live_bindings import Target, gathered
from bulkroute.live import targets
from bulkroute.model import MediaType
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Flow, Route, Simulator, Skill
from tests.virtual_time import run_virtual

TOKEN = "door-that-nobody-knows"
VOICE = {int(MediaType.VOICE): 1}


def leading(devicetype: int, device_id: int, name: str, rows_by_media: Mapping[Any, int]) -> Target:
    return Target(devicetype, device_id, name, rows_by_media)


class Checked:
    """What came of a check."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.told: list[str] = []
        self.names: list[str] = []
        self.calls: dict[str, int] = {}


def check(*wanted: Target, faults: Faults | None = None, strict: bool = False, **tenant: Any) -> Checked:
    """Look targets up at a service that has some of them."""
    found = Checked()

    async def scenario() -> None:
        async with Simulator([Route("1")], faults=faults or Faults(), static_token=TOKEN, **tenant) as simulator:
            settings = Settings(
                base_url=simulator.url, credentials=Credentials(token=Secret(TOKEN)), rate_per_s=None, max_attempts=1
            )
            async with Engine(settings) as engine:
                checked = await targets.check(engine._asker, list(wanted), found.told.append, strict=strict)
            found.warnings = checked.warnings
            found.names = [name for _binding, name in sorted(checked.names.items(), key=lambda each: each[0].device_id)]
            found.calls = dict(simulator.calls_per_endpoint)

    run_virtual(scenario())
    return found


def test_each_target_is_looked_up_and_named_with_its_rows() -> None:
    found = check(
        leading(1, 101, "", {5: 3}),
        leading(1, 777, "old name", {None: 1}),
        leading(3, 3010, "", {5: 120, None: 4}),
        leading(3, 3011, "", {5: 2}),
        skills=[Skill(101, "Billing")],
        flows=[Flow(3010, "Night", loaded=False), Flow(3011, "", file_name="day.xml")],
    )
    assert found.warnings == [
        "Night (ivr 3010) is not loaded: 124 rows lead there",
        "old name (skill_queue 777) does not exist: 1 row leads there",
    ]
    assert found.names == ["Billing", "old name", "Night", "day.xml"]
    assert found.calls["queryIVRFlowList"] == found.calls["querySkills"] == 1


def test_a_hundred_queues_a_call() -> None:
    queues = range(1, 251)
    found = check(*(leading(1, number, "", VOICE) for number in queues), skills=[Skill(number) for number in queues])
    assert found.warnings == []
    assert found.calls["querySkills"] == 3
    assert "queryIVRFlowList" not in found.calls


def test_what_does_not_fit_the_media_type_of_a_route_is_told_apart() -> None:
    found = check(
        leading(1, 101, "", {5: 7, 19: 2, None: 1}),
        leading(3, 3010, "", {5: 3, 53: 4}),
        skills=[Skill(101, "Billing", MediaType.VOICE)],
        flows=[Flow(3010, "Night")],
    )
    assert found.warnings == [
        "video routes do not fit Billing (skill_queue 101), a queue for voice: 2 rows lead there",
        "multimedia routes cannot lead to Night (ivr 3010): 4 rows lead there",
    ]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (leading(1, 777, "", VOICE), "skill_queue 777 does not exist: 1 row leads there"),
        (leading(3, 3010, "", VOICE), r"Night \(ivr 3010\) is not loaded"),
        (leading(3, 3011, "", {53: 1}), r"multimedia routes cannot lead to flow3011.xml \(ivr 3011\)"),
        (leading(2, 5, "", VOICE), "devicetype 2 5 could not be checked"),
    ],
)
def test_strict_refuses_each_of_them(target: Target, text: str) -> None:
    flows = [Flow(3010, "Night", loaded=False), Flow(3011)]
    with pytest.raises(UsageError, match=text) as refused:
        check(target, strict=True, flows=flows)
    assert refused.value.stop is StopKind.TARGETS


@pytest.mark.parametrize(("name", "shown"), [(f"x {TOKEN} y", "x *** y"), ("a\x1b[2Jb\nc", "a\ufffd[2Jb c")])
def test_a_name_is_fit_to_be_shown(name: str, shown: str) -> None:
    found = check(leading(3, 3010, "", VOICE), flows=[Flow(3010, name, loaded=False)])
    assert found.warnings == [f"{shown} (ivr 3010) is not loaded: 1 row leads there"]
    assert found.names == [shown]


def test_many_faults_are_cut_short() -> None:
    found = check(*(leading(1, number, "", VOICE) for number in range(700, 725)), skills=[])
    assert len(found.warnings) == 21
    assert found.warnings[-1] == "5 more faults like these"


def test_rows_are_gathered_by_target_and_media_type() -> None:
    groups = [(1, 101, "Billing", 5, 2), (1, 101, "Billing", None, 3), (3, 101, None, 5, 1)]
    assert gathered(groups) == [leading(1, 101, "Billing", {5: 2, None: 3}), leading(3, 101, "", {5: 1})]
    assert [target.rows for target in gathered(groups)] == [5, 1]
