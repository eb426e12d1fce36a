"""Made-up tenants: routes that look like the vendor's, and the targets they lead to. Same seed, same tenant."""

import random
from collections.abc import Iterable, Iterator

from .state import IVR, SKILL_QUEUE, Flow, Route, Skill, Target

_FIRST_ID = 1125397061153369092  # the id of the vendor's example; beyond 2^53, so a float spoils it
_ID_STEP = 2**40  # a million ids still have 19 digits
_MEDIA_TYPES = (5, 19, 53, None)
_EARLIER_SKILLS = range(90001, 90006)
_EARLIER_FLOWS = range(90101, 90104)


def default_skills() -> list[Skill]:
    """Return the queues a tenant has unless told otherwise: 1, 101 to 160, and 90001 to 90005."""
    return [
        Skill(1, "defaultVideoSkill", 19),
        *(Skill(number, f"queue-{number}") for number in range(101, 161)),
        *(Skill(number, f"earlier-queue-{number}") for number in _EARLIER_SKILLS),
    ]


def default_flows() -> list[Flow]:
    """Return the IVR flows a tenant has unless told otherwise: 1, 201 to 220, and 90101 to 90103."""
    return [
        Flow(1, "defaultFlow"),
        *(Flow(number, f"flow-{number}") for number in range(201, 221)),
        *(Flow(number, f"earlier-flow-{number}") for number in _EARLIER_FLOWS),
    ]


def synthetic_routes(count: int, seed: int = 0) -> list[Route]:
    """Return `count` routes with distinct ids of 19 digits, each led to a target that exists."""
    rng = random.Random(f"{seed} ids")
    ids = []
    number = _FIRST_ID
    for _ in range(count):
        ids.append(str(number))
        number += rng.randrange(1, _ID_STEP)
    return list(routes_for(ids, seed))


def routes_for(ids: Iterable[str], seed: int = 0) -> Iterator[Route]:
    """Yield a route for each id, bound to an earlier target that exists and that a manifest hardly asks for.

    What a route looks like comes from its id and the seed, not from its place.
    """
    for dnid, route_id in enumerate(ids, start=1):
        rng = random.Random(f"{seed} {route_id}")
        devicetype = rng.choice((SKILL_QUEUE, IVR))
        device_id = rng.choice(_EARLIER_SKILLS if devicetype == SKILL_QUEUE else _EARLIER_FLOWS)
        yield Route(
            id=route_id,
            devicetype=devicetype,
            device_id=device_id,
            access_code=str(9911411 + rng.randrange(40)),
            ext_code=rng.choice(("", str(rng.randrange(1, 1000)))),
            dnid=dnid,
            mediatype_id=rng.choice(_MEDIA_TYPES),
            editable=rng.choice(("0", "0", None, "2")),
        )


def targets_for(bindings: Iterable[Target], *, unloaded: Iterable[int] = ()) -> tuple[list[Skill], list[Flow]]:
    """Return the default queues and flows and those that `bindings` lead to; flows in `unloaded` are not loaded."""
    skills = {skill.id: skill for skill in default_skills()}
    flows = {flow.id: flow for flow in default_flows()}
    for devicetype, number in bindings:
        if devicetype == SKILL_QUEUE:
            skills.setdefault(number, Skill(number, f"queue-{number}"))
        else:
            flows.setdefault(number, Flow(number, f"flow-{number}"))
    flows |= {number: Flow(number, f"flow-{number}", loaded=False) for number in unloaded}
    return list(skills.values()), list(flows.values())
