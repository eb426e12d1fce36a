"""Made-up routes for given ids, and the queues and flows they lead to: plain, so that tests know what to expect.

A contact centre with everything that real ones have is `made_up`'s business. Same seed, same routes.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

from .names import flow_name, queue_name
from .state import IVR, MULTIMEDIA, SKILL_QUEUE, VIDEO, VIDEO_CLICK, VOICE, VOICE_CLICK, Flow, Route, Skill, Target

_FIRST_ID = 1125397061153369092  # the id of the vendor's example; beyond 2^53, so a float spoils it
_ID_STEP = 2**40  # a million ids still have 19 digits
_EARLIER_SKILLS = range(90001, 90006)
_EARLIER_OTHERS = {MULTIMEDIA: 90006, VIDEO: 90007, VOICE_CLICK: 90008, VIDEO_CLICK: 90009}
_EARLIER_FLOWS = range(90101, 90104)
_CODES = 64


def default_skills() -> list[Skill]:
    """Return the queues a tenant has unless told otherwise: 1, 101 to 160, and 90001 to 90009, the last four no voice."""
    voice = (*range(101, 161), *_EARLIER_SKILLS)
    return [
        Skill(1, "defaultVideoSkill", VIDEO),
        *(Skill(number, queue_name(number)) for number in voice),
        *(Skill(number, queue_name(number), media) for media, number in _EARLIER_OTHERS.items()),
    ]


def default_flows() -> list[Flow]:
    """Return the IVR flows a tenant has unless told otherwise: 1, 201 to 220, and 90101 to 90103."""
    return [Flow(number, flow_name(number)) for number in (1, *range(201, 221), *_EARLIER_FLOWS)]


def made_up_ids(count: int, seed: int) -> list[str]:
    """Return distinct ids of 19 digits, as the vendor makes them."""
    rng = random.Random(f"{seed} ids")
    ids = []
    number = _FIRST_ID
    for _ in range(count):
        ids.append(str(number))
        number += rng.randrange(1, _ID_STEP)
    return ids


def synthetic_routes(count: int, seed: int = 0) -> list[Route]:
    """Return `count` routes with distinct ids of 19 digits, each led to a default target."""
    return list(routes_for(made_up_ids(count, seed), seed))


def routes_for(ids: Iterable[str], seed: int = 0) -> Iterator[Route]:
    """Yield a route for each id, bound to an earlier target that exists and that a manifest hardly asks for.

    What a route looks like comes from its id and the seed, not from its place. No two have the same number, and none
    is locked or takes another medium than voice.
    """
    numbers: set[tuple[str, str]] = set()
    for dnid, route_id in enumerate(ids, start=1):
        rng = random.Random(f"{seed} {route_id}")
        devicetype = rng.choice((SKILL_QUEUE, IVR))
        device_id = rng.choice(_EARLIER_SKILLS if devicetype == SKILL_QUEUE else _EARLIER_FLOWS)
        access_code = f"40088{rng.randrange(_CODES) * 1009 + 10000:05d}"
        length = rng.choice((0, 2, 3, 4))
        while (access_code, ext_code := "".join(rng.choices("0123456789", k=length))) in numbers:
            length += 1
        numbers.add((access_code, ext_code))
        yield Route(
            id=route_id,
            devicetype=devicetype,
            device_id=device_id,
            access_code=access_code,
            ext_code=ext_code,
            dnid=dnid,
            mediatype_id=rng.choice((VOICE, VOICE, VOICE, None)),
            editable=rng.choice(("0", "0", None, "2")),
        )


def with_number(route: Route, access_code: str, ext_code: str, mediatype_id: int | None) -> Route:
    """Return a route with another number and medium, bound to an earlier queue of that medium unless it is voice."""
    route = replace(route, access_code=access_code, ext_code=ext_code, mediatype_id=mediatype_id)
    if mediatype_id in _EARLIER_OTHERS:
        return replace(route, devicetype=SKILL_QUEUE, device_id=_EARLIER_OTHERS[mediatype_id])
    return route


def targets_for(bindings: Iterable[Target], *, unloaded: Iterable[int] = ()) -> tuple[list[Skill], list[Flow]]:
    """Return the default queues and flows and those that `bindings` lead to; flows in `unloaded` are not loaded."""
    skills = {skill.id: skill for skill in default_skills()}
    flows = {flow.id: flow for flow in default_flows()}
    for devicetype, number in bindings:
        if devicetype == SKILL_QUEUE:
            skills.setdefault(number, Skill(number, queue_name(number)))
        else:
            flows.setdefault(number, Flow(number, flow_name(number)))
    flows |= {number: Flow(number, flow_name(number), loaded=False) for number in unloaded}
    return list(skills.values()), list(flows.values())
