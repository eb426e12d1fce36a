"""The service's lists of skill queues and IVR flows, as far as targets go: all of them, or those of some ids.

Sources: querySkills (cec_07_0037), at most 100 a call, all numbers of the question as text; queryIVRFlowList
(cec_07_0046), which lists all flows at once and tells by `isLoad` whether calls can enter them. A queue is called by its
`name`, a flow by its `description`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from bulkroute.errors import ReadingRefused
from bulkroute.live.read_calls import NOT_THE_SERVICE, Asker, Said, whole_number
from bulkroute.live.target_index import KnownTarget, Overflow
from bulkroute.model import Binding, DeviceType

SKILLS_A_CALL = 100

MOST_SKILLS = 20_000
"""A tenant has 5,000 at most (cec_07_0034); a list that goes on for longer repeats itself."""

MOST_READINGS = 5
"""Of the list of queues, which may change between its pages."""


async def read_skills(asker: Asker, ids: Sequence[int]) -> dict[int, KnownTarget]:
    """Return the skill queues of these ids, 100 at most, that there are. Raises what `Asker.ask` raises."""
    said = await _ask(asker, [str(device_id) for device_id in ids], 0)
    return {skill.device_id: skill for skill in _skills(asker, said)}


async def read_all_skills(asker: Asker) -> list[KnownTarget]:
    """Return all skill queues, read again where their list changed meanwhile.

    Raises what `Asker.ask` raises, and ReadingRefused for a list that has no end or never comes to rest.
    """
    for _reading in range(MOST_READINGS):
        total, found = await _read_once(asker)
        if total is not None and len(found) >= total:
            return list(found.values())
    raise ReadingRefused(
        f"the list of skill queues never came to rest in {MOST_READINGS} readings",
        hint="run the same command again once nobody changes skill queues",
    )


async def _read_once(asker: Asker) -> tuple[int | None, dict[int, KnownTarget]]:
    """Read every page once; return the total that they name, None if they disagree, and the queues."""
    found: dict[int, KnownTarget] = {}
    totals: set[int] = set()
    for offset in range(0, MOST_SKILLS, SKILLS_A_CALL):
        said = await _ask(asker, [], offset)
        at_end = not _items(said, "data")
        found |= {skill.device_id: skill for skill in _skills(asker, said)}
        total = whole_number(said.get("total"))
        if total is not None:
            totals.add(total)
        if at_end or (total is not None and len(found) >= total):
            # A service that names no total is taken at its word: an empty page is the end.
            return (totals.pop() if len(totals) == 1 else None if totals else len(found)), found
    raise ReadingRefused("querySkills lists skill queues without an end", hint=NOT_THE_SERVICE)


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
            yield KnownTarget(
                DeviceType.SKILL_QUEUE.value,
                device_id,
                _name(asker, item, "name"),
                whole_number(item.get("mediaTypeId")),
                overflows=tuple(_overflows(item.get("skillParam"))),
            )


def _overflows(param: Any) -> Iterator[Overflow]:
    """Yield where a queue hands calls on; types and numbers come as numbers or as texts."""
    for reason, rule in param.items() if isinstance(param, dict) else ():
        if isinstance(rule, dict) and str(rule.get("transferType")).strip().casefold() != "release":
            devicetype, number = whole_number(rule.get("deviceType")), whole_number(rule.get("value"))
            if devicetype is not None and number is not None:
                yield Overflow(reason, Binding(devicetype, number))


def _items(said: Said, name: str) -> list[dict[str, Any]]:
    listed = said.get(name)
    if not isinstance(listed, list):
        raise ReadingRefused(f"the answer has no list {name!r}", hint=NOT_THE_SERVICE)
    return [item for item in listed if isinstance(item, dict)]


def _name(asker: Asker, item: dict[str, Any], field: str) -> str:
    """Return a name as it is listed, since names are compared by every blank; one that cannot be shown so, cleaned."""
    text = str(item.get(field) or "")
    cleaned = asker.clean(text)
    return text if text.isprintable() and " ".join(text.split()) == cleaned else cleaned
