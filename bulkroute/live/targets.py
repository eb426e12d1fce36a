"""Do the targets that rows want exist, and what are they called? Asked only of targets that no live row leads to.

Sources: querySkills (cec_07_0037), 100 `skillIds` a call, all numbers as text; queryIVRFlowList (cec_07_0046), which
lists all flows at once and tells by `isLoad` whether calls can enter them.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from bulkroute.errors import ReadingRefused, UsageError
from bulkroute.ledger.live_bindings import Target, TargetState
from bulkroute.live.read_calls import Asker, whole_number
from bulkroute.model import DeviceType

SKILLS_A_CALL = 100
SHOWN = 20

Known = tuple[Target, str]
"""A target and its name."""


async def look_up(asker: Asker, targets: Iterable[Target], tell: Callable[[str], None]) -> list[Known]:
    """Return what the service says of each target; those it does not let us ask about stay UNKNOWN, which `tell` gets."""
    wanted = list(targets)
    skills = iter([target for target in wanted if target.devicetype == DeviceType.SKILL_QUEUE])
    flows = [target for target in wanted if target.devicetype == DeviceType.IVR]
    known: list[Known] = []
    try:
        while chunk := list(islice(skills, SKILLS_A_CALL)):
            known += await _look_up_skills(asker, chunk)
    except ReadingRefused as error:
        tell(f"skill queues cannot be checked: {error.what}")
    try:
        if flows:
            known += await _look_up_flows(asker, flows)
    except ReadingRefused as error:
        tell(f"IVR flows cannot be checked: {error.what}")
    asked = {target.binding for target, _name in known}
    return known + [(target, "") for target in wanted if target.binding not in asked]


async def _look_up_skills(asker: Asker, targets: list[Target]) -> list[Known]:
    question = {
        "skillIds": [str(target.device_id) for target in targets],
        "limit": str(SKILLS_A_CALL),
        "offset": "0",
    }
    said = await asker.ask("skill/querySkills", question)
    names = {whole_number(item.get("skillId")): str(item.get("name") or "") for item in _items(said, "data")}
    return [_found(target, names) for target in targets]


async def _look_up_flows(asker: Asker, targets: list[Target]) -> list[Known]:
    said = await asker.ask("ivrFlow/queryIVRFlowList", {})
    items = list(_items(said, "result"))
    names = {whole_number(item.get("id")): str(item.get("description") or "") for item in items}
    loaded = {whole_number(item.get("id")) for item in items if whole_number(item.get("isLoad")) != 0}
    return [
        (target._replace(state=TargetState.NOT_LOADED), names[target.device_id])
        if target.device_id in names and target.device_id not in loaded
        else _found(target, names)
        for target in targets
    ]


def _items(said: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    if not isinstance(said.get(name), list):
        raise ReadingRefused(f"its answer has no list {name!r}")
    return (item for item in said[name] if isinstance(item, dict))


def _found(target: Target, names: dict[int | None, str]) -> Known:
    state = TargetState.FOUND if target.device_id in names else TargetState.MISSING
    return target._replace(state=state), names.get(target.device_id, "")


def warnings(known: Iterable[Known]) -> list[str]:
    """Say of each target that calls cannot reach why not."""
    words = {TargetState.MISSING: "does not exist", TargetState.NOT_LOADED: "is not loaded"}
    found = [f"{target.binding} {words[target.state]}" for target, _name in known if target.state in words]
    return found if len(found) <= SHOWN else [*found[:SHOWN], f"{len(found) - SHOWN} more targets like these"]


def require_sound(known: Iterable[Known]) -> None:
    """Refuse targets that calls cannot reach, or that could not be checked. Raises UsageError."""
    known = list(known)
    unknown = [
        f"{target.binding} could not be checked" for target, _name in known if target.state is TargetState.UNKNOWN
    ]
    if faults := [*warnings(known), *unknown[:SHOWN]]:
        raise UsageError(
            f"{'; '.join(faults)}; nothing was sent",
            hint="mend the manifest or the target, or leave --strict-targets out",
        )
