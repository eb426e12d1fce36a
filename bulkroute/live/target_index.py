"""Which skill queue or IVR flow a name means, held against the service's lists. Matches exactly, never guesses.

Names are equal in Unicode's NFC, without the blanks around them, and with case. A queue is called by its name
(querySkills, cec_07_0037), a flow by its description (queryIVRFlowList, cec_07_0046).
"""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from bulkroute.live.route_index import media_text
from bulkroute.manifest.faults import quote
from bulkroute.manifest.rows import TargetKey, WantedTarget
from bulkroute.manifest.targets import split_id
from bulkroute.model import Binding, DeviceType, MediaType, NamedTarget

MOST_NAMED = 5
_KINDS = {None: "skill queue or IVR flow", 1: "skill queue", 3: "IVR flow"}
_CALLED: dict[TargetKey, str] = {"name": "is called", "file": "has the file name", "code": "has the access code"}


class Overflow(NamedTuple):
    """Where a skill queue hands on calls that find nobody (`skillParam` of querySkills, cec_07_0034)."""

    reason: str
    """In which case, as the service writes it: `noAgents`, `busy`, `timeOut`."""
    to: Binding
    """Where they go."""


class KnownTarget(NamedTuple):
    """One skill queue or IVR flow of the service's lists."""

    devicetype: int
    """1 skill queue, 3 IVR flow."""
    device_id: int
    """The number of the queue or flow."""
    name: str
    """A queue's name, a flow's description; may be empty."""
    media_type: int | None = None
    """Of a queue, a `MediaType`; None where it is not told, and for flows."""
    is_loaded: bool = True
    """False for a flow that calls cannot enter now."""
    file_name: str = ""
    """Of a flow."""
    access_code: str = ""
    """Of a flow."""
    overflows: tuple[Overflow, ...] = ()
    """Of a queue."""

    @property
    def binding(self) -> Binding:
        """What routes that lead here are bound to."""
        return Binding(self.devicetype, self.device_id)

    def __str__(self) -> str:
        """Return it with its name, if it has one: `Night (ivr 3015)`."""
        return str(NamedTarget(*self.binding, self.name))


class Meant(NamedTuple):
    """What a wanted target is. `target` is None where only an id is given, which the lists do not have."""

    binding: Binding
    target: KnownTarget | None


class NotMeant(NamedTuple):
    """No target, or not exactly one, is meant. `reason` says why, and what to write instead."""

    reason: str


class TargetIndex:
    """The service's queues and flows by name and by number; some ten thousand at most."""

    def __init__(self, targets: Iterable[KnownTarget]) -> None:
        self._by_binding: dict[Binding, KnownTarget] = {}
        self._by_name: dict[tuple[TargetKey, str], list[KnownTarget]] = {}
        self._by_near_name: dict[str, list[KnownTarget]] = {}
        for target in targets:
            self._by_binding[target.binding] = target
            for key, name in _names(target):
                self._by_name.setdefault((key, name), []).append(target)
            self._by_near_name.setdefault(_near(target.name), []).append(target)

    def known(self, binding: Binding) -> KnownTarget | None:
        """Return the target of that type and number, None if the lists do not have it."""
        return self._by_binding.get(binding)

    def find(self, wanted: WantedTarget, *, allow_unloaded: bool = False) -> Meant | NotMeant:
        """Return the one target that is meant, or why there is not exactly one.

        A flow that is named and not loaded is none, unless `allow_unloaded`.
        """
        if not wanted.name:
            binding = Binding(wanted.devicetype or 0, wanted.device_id or 0)
            return Meant(binding, self._by_binding.get(binding))
        found = self._candidates(wanted)
        if not found:
            return NotMeant(self._why_not(wanted))
        if len(found) > 1:
            return NotMeant(self._which(wanted, found))
        target = found[0]
        if not target.is_loaded and not allow_unloaded:
            return NotMeant(f"{target} is not loaded: no call can enter it; load it, or give --allow-unloaded")
        return Meant(target.binding, target)

    def agrees(self, wanted: WantedTarget, binding: Binding) -> bool:
        """Tell whether a name may stand for this target; one that the lists do not have cannot be judged."""
        if binding not in self._by_binding:
            return True
        return any(target.binding == binding for target in self._candidates(wanted))

    def _candidates(self, wanted: WantedTarget) -> list[KnownTarget]:
        """Return the targets that a name means: as it is written, and as name and id where it ends in `#` and digits."""
        readings = [(wanted.name, wanted.device_id)]
        if (parts := split_id(wanted.name)) and wanted.device_id in (None, parts[1]):
            readings.append(parts)
        found = {
            target.binding: target
            for name, device_id in readings
            for target in self._by_name.get((wanted.key, _equal(name)), [])
            if wanted.devicetype in (None, target.devicetype) and device_id in (None, target.device_id)
        }
        return list(found.values())

    def _which(self, wanted: WantedTarget, found: list[KnownTarget]) -> str:
        """Say which targets a name may mean, and how to write the right one."""
        if wanted.key != "name":
            return f"{quote(wanted.name)} may be {_or(found)}; add deviceId"
        one_of_each_type = len({target.devicetype for target in found}) == len(found)
        ways = []
        for target in found[:MOST_NAMED]:
            name = wanted.name if one_of_each_type else f"{target.name.strip()}#{target.device_id}"
            way = WantedTarget(target.devicetype, None, name)
            ways.append(str(way) if len(self._candidates(way)) == 1 else f"deviceId {target.device_id} beside it")
        return f"{quote(wanted.name)} may be {_or(found)}; write {' or '.join(ways)}"

    def _why_not(self, wanted: WantedTarget) -> str:
        """Say why no target is meant, and what comes near: to explain it, never to take it."""
        head, device_id = split_id(wanted.name) or (wanted.name, wanted.device_id)
        if wanted.device_id not in (None, device_id):
            return f"{quote(wanted.name)} and deviceId {wanted.device_id} disagree; correct one of them"
        kind = _KINDS[wanted.devicetype]
        for name in (wanted.name, head):
            same_name = self._by_name.get((wanted.key, _equal(name)), [])
            of_type = [target for target in same_name if wanted.devicetype in (None, target.devicetype)]
            if of_type:
                return f"{quote(name)} is {_or(of_type)}, not {device_id}; correct the name or the id"
            if same_name:
                return f"no {kind} {_CALLED[wanted.key]} {quote(name)}, but {_or(same_name)} is; correct the type"
        text = f"no {kind} {_CALLED[wanted.key]} {quote(head)}"
        near = self._by_near_name.get(_near(head), []) if wanted.key == "name" else []
        if names := {quote(target.name): None for target in near if wanted.devicetype in (None, target.devicetype)}:
            return f"{text}; did you mean {' or '.join([*names][:MOST_NAMED])}?"
        if head.isascii() and head.isdecimal():
            return f"{text}; if it is the number of one, give it as deviceId"
        return text


def media_misfit(media_type: int | None, target: KnownTarget) -> str | None:
    """Say why a route of this media type should not lead to this target; None if nothing is known against it.

    The vendor's rule is stated for new routes (createCalledRoute, cec_07_0040); so it is a warning, unless strict.
    """
    if target.devicetype == DeviceType.IVR:
        return f"multimedia routes cannot lead to {target}" if media_type == MediaType.MULTIMEDIA else None
    if media_type is None or target.media_type in (None, media_type):
        return None
    return f"{media_text(media_type)} routes do not fit {target}, a queue for {media_text(target.media_type)}"


def _names(target: KnownTarget) -> Iterable[tuple[TargetKey, str]]:
    """Yield what a target may be called by."""
    names: tuple[tuple[TargetKey, str], ...] = (("name", target.name),)
    if target.devicetype == DeviceType.IVR:
        names = (*names, ("file", target.file_name), ("code", target.access_code))
    return ((key, _equal(name)) for key, name in names if name.strip())


def _equal(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _near(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _or(targets: list[KnownTarget]) -> str:
    more = [f"{len(targets) - MOST_NAMED:,} more"] if len(targets) > MOST_NAMED else []
    return " or ".join([*map(str, targets[:MOST_NAMED]), *more])
