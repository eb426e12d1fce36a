"""Can calls reach the targets that rows are to lead to, and what are they called? Asked of each, whatever leads there.

Sources: querySkills (cec_07_0037), 100 `skillIds` a call, all numbers as text; queryIVRFlowList (cec_07_0046), which
lists all flows at once and tells by `isLoad` whether calls can enter them.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from bulkroute.errors import ReadingRefused, StopKind, UsageError
from bulkroute.ledger.live_bindings import Target
from bulkroute.live.read_calls import Asker, whole_number
from bulkroute.live.target_index import KnownTarget, media_misfit
from bulkroute.model import Binding, DeviceType

SKILLS_A_CALL = 100
SHOWN = 20


class TargetState(StrEnum):
    """What the service says of a skill queue or IVR flow."""

    FOUND = "found"
    MISSING = "missing"
    NOT_LOADED = "not_loaded"
    UNKNOWN = "unknown"
    """It does not let us ask."""


class Looked(NamedTuple):
    """A target that was looked up."""

    target: Target
    state: TargetState
    known: KnownTarget
    """What is known of it, little as it may be."""

    def faults(self) -> Iterator[str]:
        """Say why calls cannot get there, or should not, each time with the number of rows that are to lead there."""
        if self.state is TargetState.MISSING:
            yield f"{self.known} does not exist: {_lead(self.target.rows)} there"
            return
        if self.state is TargetState.NOT_LOADED:
            yield f"{self.known} is not loaded: {_lead(self.target.rows)} there"
        for media_type, rows in self.target.rows_by_media.items():
            if misfit := media_misfit(media_type, self.known):
                yield f"{misfit}: {_lead(rows)} there"


def _lead(rows: int) -> str:
    return "1 row leads" if rows == 1 else f"{rows:,} rows lead"


class Checked(NamedTuple):
    """What looking up all targets came to."""

    warnings: list[str]
    """Those of most rows first."""
    names: dict[Binding, str]
    """What the targets are called; without those that have no name."""


async def check(asker: Asker, targets: list[Target], tell: Callable[[str], None], *, strict: bool) -> Checked:
    """Look all targets up; `tell` gets what could not be asked.

    Raises UsageError where `strict` and a target has a fault or cannot be checked.
    """
    looked = sorted(await look_up(asker, targets, tell), key=lambda each: -each.target.rows)
    faults = [text for each in looked for text in each.faults()]
    faults = faults if len(faults) <= SHOWN else [*faults[:SHOWN], f"{len(faults) - SHOWN} more faults like these"]
    if strict:
        unknown = [f"{each.known} could not be checked" for each in looked if each.state is TargetState.UNKNOWN]
        if faults or unknown:
            raise UsageError(
                f"{'; '.join([*faults, *unknown[:SHOWN]])}; nothing was sent",
                hint="put the target or the manifest right, or leave --strict-targets out",
                stop=StopKind.TARGETS,
            )
    return Checked(faults, {each.known.binding: each.known.name for each in looked if each.known.name})


async def look_up(asker: Asker, targets: list[Target], tell: Callable[[str], None]) -> list[Looked]:
    """Return what the service says of each target; those it does not let us ask about stay UNKNOWN, which `tell` gets."""
    skills = [target for target in targets if target.devicetype == DeviceType.SKILL_QUEUE]
    flows = [target for target in targets if target.devicetype == DeviceType.IVR]
    looked: list[Looked] = []
    try:
        remaining = iter(skills)
        while chunk := list(islice(remaining, SKILLS_A_CALL)):
            looked += _held_against(chunk, await _skills(asker, chunk))
    except ReadingRefused as error:
        tell(f"skill queues cannot be checked: {error.what}")
    try:
        if flows:
            looked += _held_against(flows, await _flows(asker))
    except ReadingRefused as error:
        tell(f"IVR flows cannot be checked: {error.what}")
    asked = {each.target.named for each in looked}
    unasked = [target for target in targets if target.named not in asked]
    return looked + [Looked(target, TargetState.UNKNOWN, KnownTarget(*target.named)) for target in unasked]


def _held_against(targets: list[Target], known: dict[int, KnownTarget]) -> Iterator[Looked]:
    for target in targets:
        found = known.get(target.device_id)
        if found is None:
            yield Looked(target, TargetState.MISSING, KnownTarget(*target.named))
        else:
            state = TargetState.FOUND if found.is_loaded else TargetState.NOT_LOADED
            yield Looked(target, state, found._replace(name=found.name or target.name))


async def _skills(asker: Asker, targets: list[Target]) -> dict[int, KnownTarget]:
    question = {
        "skillIds": [str(target.device_id) for target in targets],
        "limit": str(SKILLS_A_CALL),
        "offset": "0",
    }
    said = await asker.ask("skill/querySkills", question)
    return {
        device_id: KnownTarget(
            DeviceType.SKILL_QUEUE, device_id, _name(asker, item, "name"), whole_number(item.get("mediaTypeId"))
        )
        for item in _items(said, "data")
        if (device_id := whole_number(item.get("skillId"))) is not None
    }


async def _flows(asker: Asker) -> dict[int, KnownTarget]:
    said = await asker.ask("ivrFlow/queryIVRFlowList", {})
    return {
        device_id: KnownTarget(
            DeviceType.IVR,
            device_id,
            _name(asker, item, "description", "flowFileName"),
            is_loaded=whole_number(item.get("isLoad")) != 0,
        )
        for item in _items(said, "result")
        if (device_id := whole_number(item.get("id"))) is not None
    }


def _items(said: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    if not isinstance(said.get(name), list):
        raise ReadingRefused(f"its answer has no list {name!r}")
    return (item for item in said[name] if isinstance(item, dict))


def _name(asker: Asker, item: dict[str, Any], *fields: str) -> str:
    """Return the first of these texts that is not empty, fit to be shown."""
    return next((text for field in fields if (text := asker.clean(str(item.get(field) or "")))), "")
