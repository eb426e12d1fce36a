"""Can calls reach the targets that rows are to lead to, and what are they called? Asked of each, whatever leads there."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from bulkroute.errors import ReadingRefused, StopKind, UsageError
from bulkroute.ledger.live_bindings import Target
from bulkroute.live.read_calls import Asker
from bulkroute.live.target_index import KnownTarget, media_misfit
from bulkroute.live.target_lists import SKILLS_A_CALL, read_flows, read_skills
from bulkroute.model import Binding, DeviceType

SHOWN = 20

NOTHING_SENT = "nothing was sent"
"""What ends the text of an error that comes before the first call."""


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
                f"{'; '.join([*faults, *unknown[:SHOWN]])}; {NOTHING_SENT}",
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
            looked += _held_against(chunk, await read_skills(asker, [target.device_id for target in chunk]))
    except ReadingRefused as error:
        tell(f"skill queues cannot be checked: {error.what}")
    try:
        if flows:
            looked += _held_against(flows, {flow.device_id: flow for flow in await read_flows(asker)})
    except ReadingRefused as error:
        tell(f"IVR flows cannot be checked: {error.what}")
    asked = {each.target.named for each in looked}
    unasked = [target for target in targets if target.named not in asked]
    return looked + [Looked(target, TargetState.UNKNOWN, KnownTarget(*target.named)) for target in unasked]


def _held_against(targets: list[Target], known: Mapping[int, KnownTarget]) -> Iterator[Looked]:
    for target in targets:
        found = known.get(target.device_id)
        if found is None:
            yield Looked(target, TargetState.MISSING, KnownTarget(*target.named))
        else:
            state = TargetState.FOUND if found.is_loaded else TargetState.NOT_LOADED
            yield Looked(target, state, found._replace(name=found.name or target.name or found.file_name))
