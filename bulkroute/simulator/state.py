"""What the imitated tenant holds: called routes, their bindings, skill queues and IVR flows.

`Tenant.bindings` is the truth at every moment; what a query shows may lag behind it (`read_delay_s`).
Nothing here knows of HTTP, of faults or of tokens.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

SKILL_QUEUE = 1
IVR = 3

VOICE, VIDEO, MULTIMEDIA, VOICE_CLICK, VIDEO_CLICK = 5, 19, 53, 2, 18
_CODE_MEDIA: Mapping[int | None, int] = {
    VIDEO: VOICE,
    VIDEO_CLICK: VOICE_CLICK,
    None: VOICE,
}  # an access code's own media type (cec_07_0040)

Target = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Route:
    """One called route as cec_07_0043 lists it; (`devicetype`, `device_id`) is its binding at the start.

    `editable`: "0" or None free, "1" no edit, "2" no delete, "3" neither.
    """

    id: str
    devicetype: int = SKILL_QUEUE
    device_id: int = 1
    device_desc: str = ""
    access_code: str = "9911411"
    ext_code: str = ""
    dnid: int = 1
    mediatype_id: int | None = VOICE
    editable: str | None = "0"


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill queue (cec_07_0037). `param` is `skillParam`: what happens to calls that find nobody (cec_07_0034)."""

    id: int
    name: str = ""
    mediatype_id: int = VOICE
    description: str = ""
    param: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def target(self) -> Target:
        """The binding that leads here."""
        return SKILL_QUEUE, self.id


@dataclass(frozen=True, slots=True)
class Flow:
    """An IVR flow (cec_07_0046). `name` is its `description` on the wire; '' for `file_name` makes one of the id."""

    id: int
    name: str = ""
    loaded: bool = True
    file_name: str = ""
    access_code: str = ""
    flow_type: int = 0

    @property
    def target(self) -> Target:
        """The binding that leads here."""
        return IVR, self.id


class Tenant:
    """The routes and targets of one contact centre; times are seconds of the event loop's clock."""

    def __init__(self, routes: Iterable[Route], skills: Iterable[Skill], flows: Iterable[Flow]) -> None:
        self.routes: dict[str, Route] = {}
        self.bindings: dict[str, Target] = {}
        self.order: list[str] = []
        self.skills = {skill.id: skill for skill in skills}
        self.flows = {flow.id: flow for flow in flows}
        self._earlier: dict[str, list[tuple[float, Target]]] = {}
        for route in routes:
            if route.id in self.routes:
                raise ValueError(f"two routes have the id {route.id}")
            self.insert(route, len(self.order))

    def insert(self, route: Route, place: int) -> None:
        """Add a route at `place` of the listing."""
        self.routes[route.id] = route
        self.bindings[route.id] = (route.devicetype, route.device_id)
        self.order.insert(place, route.id)

    def alter(self, route: Route) -> None:
        """Put a route in the place of the one with its id; its binding stays."""
        self.routes[route.id] = route

    def remove(self, route_id: str) -> None:
        """Take a route out."""
        del self.routes[route_id], self.bindings[route_id]
        self.order.remove(route_id)
        self._earlier.pop(route_id, None)

    def rebind(self, route_id: str, target: Target, now: float, read_delay_s: float) -> None:
        """Bind a route; queries show its earlier binding for `read_delay_s` more seconds."""
        if read_delay_s > 0:
            self._earlier.setdefault(route_id, []).append((now + read_delay_s, self.bindings[route_id]))
        self.bindings[route_id] = target

    def shown(self, route_id: str, now: float) -> Target:
        """Return the binding a query shows at `now`."""
        if not self._earlier:
            return self.bindings[route_id]
        waiting = [entry for entry in self._earlier.pop(route_id, ()) if entry[0] > now]
        if not waiting:
            return self.bindings[route_id]
        self._earlier[route_id] = waiting
        return waiting[0][1]

    def target(self, target: Target) -> Skill | Flow | None:
        """Return the skill queue or IVR flow that a binding leads to, loaded or not."""
        return self.skills.get(target[1]) if target[0] == SKILL_QUEUE else self.flows.get(target[1])

    def description(self, route: Route, target: Target) -> str:
        """Return `deviceDesc`: the target's name, or the route's own text where the target is not known."""
        found = self.target(target)
        if found is None:
            return route.device_desc if target == (route.devicetype, route.device_id) else ""
        return found.name

    def listed(self, route_id: str, now: float) -> Mapping[str, object]:
        """Return one element of `calledRouteList`."""
        route = self.routes[route_id]
        target = self.shown(route_id, now)
        return {
            "id": route.id,
            "dnid": route.dnid,
            "accessCode": route.access_code,
            "mediatypeId": route.mediatype_id,
            "extCode": route.ext_code,
            "devicetype": target[0],
            "deviceId": target[1],
            "deviceDesc": self.description(route, target),
            "editable": route.editable,
        }

    def access_codes(self) -> Iterator[tuple[str, int]]:
        """Yield each access code and its media type, which is that of its first route."""
        first = {route.access_code: route.mediatype_id for route in reversed(self.routes.values())}
        return ((code, _CODE_MEDIA.get(media) or media or VOICE) for code, media in first.items())
