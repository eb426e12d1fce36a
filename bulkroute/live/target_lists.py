"""The service's lists of skill queues and IVR flows, as far as targets go: all of them, or those of some ids.

Sources: querySkills (cec_07_0037), at most 100 a call, all numbers of the question as text; queryIVRFlowList
(cec_07_0046), which lists all flows at once and tells by `isLoad` whether calls can enter them. A queue is called by its
`name`, a flow by its `description`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from bulkroute.errors import ReadingRefused
from bulkroute.live.read_calls import Asker, Said, whole_number
from bulkroute.live.target_index import KnownTarget
from bulkroute.model import DeviceType

SKILLS_A_CALL = 100

MOST_SKILLS = 20_000
"""A tenant has 5,000 at most (cec_07_0034); a list that goes on for longer repeats itself."""


async def read_skills(asker: Asker, ids: Sequence[int]) -> dict[int, KnownTarget]:
    """Return the skill queues of these ids, 100 at most, that there are. Raises what `Asker.ask` raises."""
    said = await _ask(asker, [str(device_id) for device_id in ids], 0)
    return {skill.device_id: skill for skill in _skills(asker, said)}


async def read_all_skills(asker: Asker) -> list[KnownTarget]:
    """Return all skill queues. Raises what `Asker.ask` raises, and ReadingRefused for a list without an end."""
    found: dict[int, KnownTarget] = {}
    for offset in range(0, MOST_SKILLS, SKILLS_A_CALL):
        said = await _ask(asker, [], offset)
        if not _items(said, "data"):
            return list(found.values())
        found |= {skill.device_id: skill for skill in _skills(asker, said)}
        total = whole_number(said.get("total"))
        if total is not None and len(found) >= total:
            return list(found.values())
    raise ReadingRefused("querySkills lists skill queues without an end")


async def read_flows(asker: Asker) -> list[KnownTarget]:
    """Return all IVR flows. Raises what `Asker.ask` raises."""
    said = await asker.ask("ivrFlow/queryIVRFlowList", {})
    return [
        KnownTarget(
            DeviceType.IVR.value,
            device_id,
            _name(asker, item, "description"),
            is_loaded=whole_number(item.get("isLoad")) != 0,
            file_name=_name(asker, item, "flowFileName"),
            access_code=_name(asker, item, "accessCode"),
        )
        for item in _items(said, "result")
        if (device_id := whole_number(item.get("id"))) is not None
    ]


async def _ask(asker: Asker, ids: list[str], offset: int) -> Said:
    question = {"limit": str(SKILLS_A_CALL), "offset": str(offset)}
    return await asker.ask("skill/querySkills", {"skillIds": ids, **question} if ids else question)


def _skills(asker: Asker, said: Said) -> Iterator[KnownTarget]:
    for item in _items(said, "data"):
        if (device_id := whole_number(item.get("skillId"))) is not None:
            media_type = whole_number(item.get("mediaTypeId"))
            yield KnownTarget(DeviceType.SKILL_QUEUE.value, device_id, _name(asker, item, "name"), media_type)


def _items(said: Said, name: str) -> list[dict[str, Any]]:
    listed = said.get(name)
    if not isinstance(listed, list):
        raise ReadingRefused(f"its answer has no list {name!r}")
    return [item for item in listed if isinstance(item, dict)]


def _name(asker: Asker, item: dict[str, Any], field: str) -> str:
    """Return a name as it is listed, since names are compared by every blank; one that cannot be shown so, cleaned."""
    text = str(item.get(field) or "")
    cleaned = asker.clean(text)
    return text if text.isprintable() and " ".join(text.split()) == cleaned else cleaned
