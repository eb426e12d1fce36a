"""What a rehearsal serves: called routes with the ids or numbers that a manifest has, and the targets that it names.

So a manifest finds what it asks for, whichever way it says it. Each route is bound to something earlier.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import LedgerError
from bulkroute.ledger.ledger import Ledger
from bulkroute.manifest import Faults, Kind, Manifest, Reading
from bulkroute.manifest.rows import LabelledRow, TargetKey, WantedTarget
from bulkroute.manifest.saved_plan import PlanRow
from bulkroute.manifest.targets import parse_target, split_id
from bulkroute.model import DeviceType, FailureKind, MediaType, Status
from bulkroute.simulator import ContactCentre, Flow, Route, Skill, made_up_ids, routes_for, targets_for, with_number
from bulkroute.simulator.names import flow_name, queue_name

_QUEUE, _FLOW = DeviceType.SKILL_QUEUE.value, DeviceType.IVR.value


class _Wish(NamedTuple):
    """What one line of a manifest says of its route. Without id where it is by number; "" and None: not said."""

    id: str
    access_code: str
    ext_code: str | None
    media_type: int | None
    target: WantedTarget


def rehearsed(manifest: Manifest, faults: Faults, seed: int = 0) -> ContactCentre:
    """Return a contact centre in which a manifest can be rehearsed; what is wrong with the manifest goes to `faults`."""
    if manifest.format == "plan":
        return _as_planned(manifest.read_plan(faults).rows())
    reading = manifest.read(faults)
    if reading.kind is not Kind.BY_NUMBER and not reading.labels:
        wanted = {row.id: (row.devicetype, row.device_id) for row in reading.rows()}
        return ContactCentre(list(routes_for(wanted, seed)), *targets_for(wanted.values()))
    wishes = list(_wishes(reading))
    skills, flows = targets_for(())
    targets = _Targets(skills, flows)
    # Those that say most come first, so that a bare name finds what others call by the same name.
    for wish in sorted(wishes, key=lambda wish: (wish.target.device_id is None, wish.target.devicetype is None)):
        targets.add(wish.target, wish.media_type)
    return ContactCentre(_routes(wishes, seed), list(targets.skills.values()), list(targets.flows.values()))


def _as_planned(rows: Iterable[PlanRow]) -> ContactCentre:
    """Return the state that a plan was made from; a route without a target leads where it is to lead."""
    targets = _Targets(*targets_for(()))
    routes: list[Route] = []
    for row in rows:
        for target in filter(None, (row.before, row.after)):
            targets.add(WantedTarget(target.devicetype, target.device_id, target.name), row.media_type)
        if row.standing != FailureKind.UNKNOWN_ID:
            bound = row.before or row.after
            codes = row.access_code, row.ext_code
            routes.append(Route(row.id, *bound, *codes, len(routes) + 1, row.media_type, row.editable))
    return ContactCentre(routes, list(targets.skills.values()), list(targets.flows.values()))


def as_left(routes: Iterable[Route], ledger: Path) -> list[Route]:
    """Return routes as earlier rehearsals on this ledger left them, so that a rehearsal can be gone on with."""
    written: dict[str, tuple[int, int]] = {}
    # A ledger that cannot be read is the run's to report.
    with suppress(LedgerError), Ledger(ledger).read() as reader:
        for number in count(1):
            if (batch := reader.find_batch(number)) is None:
                break
            for row in batch.export([Status.SUCCEEDED, Status.UNCHANGED]):
                written[row["id"]] = row["devicetype"], row["deviceId"]
    bound = ((route, written.get(route.id, (route.devicetype, route.device_id))) for route in routes)
    return [replace(route, devicetype=devicetype, device_id=device_id) for route, (devicetype, device_id) in bound]


def _wishes(reading: Reading) -> Iterator[_Wish]:
    if reading.kind is Kind.BY_NUMBER:
        for row in reading.numbered_rows():
            yield _Wish("", row.access_code, row.ext_code, row.media_type, row.target)
    else:
        for labelled in reading.labelled_rows():
            target = WantedTarget(labelled.devicetype, labelled.device_id, _name(labelled))
            yield _Wish(labelled.id, labelled.access_code, labelled.ext_code, labelled.media_type, target)


def _name(row: LabelledRow) -> str:
    try:
        return parse_target(row.target).name
    except ValueError:  # nothing that could be called so
        return ""


def _routes(wishes: Sequence[_Wish], seed: int) -> list[Route]:
    """Return a route for each id, or for each number and its media type.

    A number that is written as callers dial it is that of the route which another line gives in two codes.
    """
    in_codes = {f"{wish.access_code}{wish.ext_code}" for wish in wishes if wish.ext_code is not None}
    known: dict[object, _Wish] = {
        wish.id or (wish.access_code, wish.ext_code, wish.media_type): wish
        for wish in wishes
        if wish.id or wish.ext_code is not None or wish.access_code not in in_codes
    }
    by_id = {wish.id: wish for wish in known.values() if wish.id}
    named = by_id or dict(zip(made_up_ids(len(known), seed), known.values(), strict=True))
    return [_as_wished(route, named[route.id]) for route in routes_for(named, seed)]


def _as_wished(route: Route, wish: _Wish) -> Route:
    code = wish.access_code or route.access_code
    ext_code = route.ext_code if wish.ext_code is None and not wish.access_code else wish.ext_code or ""
    return with_number(route, code, ext_code, wish.media_type or route.mediatype_id)


class _Targets:
    """Queues and flows by their numbers; those asked for by name alone get a number of their own."""

    def __init__(self, skills: Iterable[Skill], flows: Iterable[Flow]) -> None:
        self.skills = {skill.id: skill for skill in skills}
        self.flows = {flow.id: flow for flow in flows}
        self._called: dict[tuple[int, str, str], int] = {}
        self._media: dict[int, int] = {}
        self._new = {_QUEUE: count(1001), _FLOW: count(3001)}
        self._called |= {(_QUEUE, "name", skill.name): skill.id for skill in self.skills.values()}
        self._called |= {(_FLOW, "name", flow.name): flow.id for flow in self.flows.values()}

    def add(self, wanted: WantedTarget, media_type: int | None) -> None:
        """See to it that a wanted target is there."""
        name, number = split_id(wanted.name) or (wanted.name, wanted.device_id)
        kind = wanted.devicetype or self._kind_called(name, media_type)
        if number is None:
            number = self._called.get((kind, wanted.key, name)) or self._new_number(kind)
        if name:
            self._called[kind, wanted.key, name] = number
        if kind == _QUEUE:
            skill = self.skills.get(number) or Skill(number, queue_name(number))
            media = self._media.setdefault(number, media_type) if media_type else skill.mediatype_id
            self.skills[number] = replace(skill, name=name or skill.name, mediatype_id=media)
        else:
            flow = self.flows.get(number) or Flow(number, flow_name(number))
            self.flows[number] = _renamed(flow, name, wanted.key) if name else flow

    def _kind_called(self, name: str, media_type: int | None) -> int:
        return _QUEUE if media_type == MediaType.MULTIMEDIA or (_QUEUE, "name", name) in self._called else _FLOW

    def _new_number(self, kind: int) -> int:
        taken = self.skills if kind == _QUEUE else self.flows
        return next(number for number in self._new[kind] if number not in taken)


def _renamed(flow: Flow, name: str, key: TargetKey) -> Flow:
    if key == "file":
        return replace(flow, file_name=name)
    return replace(flow, access_code=name) if key == "code" else replace(flow, name=name)
