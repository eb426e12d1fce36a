"""A made-up contact centre with everything that real ones have and that goes wrong in a cutover.

Several routes on one access code, with extensions and media types; numbers that look alike; queues and flows of equal
names, in several languages; flows that are not loaded, some with routes on them; queues that overflow into each other;
locked routes. Same seed, same contact centre.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from .names import FLOWS, PLACES, QUEUES, access_code, extension
from .state import MULTIMEDIA, SKILL_QUEUE, VIDEO, VIDEO_CLICK, VOICE, VOICE_CLICK, Flow, Route, Skill, Target
from .synthetic import made_up_ids

_MOST_QUEUES, _MOST_FLOWS = 1000, 500  # a tenant's usual number of queues, and of flows that can be loaded
_FIRST_QUEUE, _FIRST_FLOW = 101, 3001
_QUEUE_MEDIA = (VOICE, VOICE, VOICE, MULTIMEDIA, VOICE, VOICE, VIDEO, VOICE, VOICE, VOICE_CLICK,
                VOICE, VOICE, MULTIMEDIA, VOICE, VIDEO_CLICK, VOICE, VOICE, VOICE, VOICE, VOICE)  # fmt: skip
_CODE_MEDIA = {VOICE: (VOICE, VOICE, VOICE, VOICE, VOICE, VOICE, VOICE, VIDEO, None), MULTIMEDIA: (MULTIMEDIA,),
               VOICE_CLICK: (VOICE_CLICK, VOICE_CLICK, VIDEO_CLICK)}  # fmt: skip

Number = tuple[str, str, int | None]
"""Access code, extension code, media type: what makes a route one of a kind for callers."""


class ContactCentre(NamedTuple):
    """All that a tenant holds."""

    routes: list[Route]
    skills: list[Skill]
    flows: list[Flow]


def contact_centre(count: int, seed: int = 0) -> ContactCentre:
    """Return a contact centre with `count` called routes."""
    rng = random.Random(f"{seed} contact centre")
    flows = _flows(min(max(count // 20, 12), _MOST_FLOWS), rng)
    skills = _skills(min(max(count // 6, 24), _MOST_QUEUES), flows, rng)
    numbers = _numbers(count, rng)
    dnids = rng.sample(range(1, count + 1), count)
    fitting = {media: [skill for skill in skills if skill.mediatype_id == media] for media in set(_QUEUE_MEDIA)}
    loaded = [flow for flow in flows if flow.loaded]
    routes = [
        _route(route_id, number, dnid, fitting[number[2] or VOICE], flows if rng.random() < 0.2 else loaded, rng)
        for route_id, number, dnid in zip(made_up_ids(count, seed), numbers, dnids, strict=True)
    ]
    return ContactCentre(routes, skills, flows)


def _flows(count: int, rng: random.Random) -> list[Flow]:
    """Return flows of which a tenth is not loaded, some have the name of another one, and a few have none."""
    flows: list[Flow] = []
    odd = {6: "", 8: FLOWS[1].lower(), 10: f"{FLOWS[0]} "}  # without a name; names that a person takes for another
    for place in range(count):
        base, where = FLOWS[place % len(FLOWS)], PLACES[place // len(FLOWS) % len(PLACES)]
        round_ = place // (len(FLOWS) * len(PLACES))
        name = " ".join(filter(None, (base, where, f"v{round_ + 1}" if round_ else "")))
        loaded = place % 10 != 9
        if place == 3:
            name, loaded = flows[2].name, False  # the next holiday's flow, waiting to be published
        elif place in odd or (place > 20 and rng.random() < 0.06):
            name = (
                odd[place]
                if place in odd
                else rng.choice(("", flows[place - 1].name, f"{base}  {where}", name.lower()))
            )
        number = _FIRST_FLOW + place
        file_name = f"{base.split()[0].lower()}_{number}.xml" if base.isascii() else f"flow_{number}.xml"
        code = f"T{number}" if rng.random() < 0.4 else ""
        flows.append(Flow(number, name, loaded, file_name, code, rng.randrange(7)))
    return flows


def _skills(count: int, flows: Sequence[Flow], rng: random.Random) -> list[Skill]:
    """Return queues of every media type; some have the name of another one, some the number of a flow."""
    numbers = [1, *range(_FIRST_QUEUE, _FIRST_QUEUE + count - 5), *range(_FIRST_FLOW, _FIRST_FLOW + 4)]
    bare = [Skill(1, "defaultVideoSkill", VIDEO)]
    for place, number in enumerate(numbers[1:]):
        base, where = QUEUES[place % len(QUEUES)], PLACES[place // len(QUEUES) % len(PLACES)]
        round_ = place // (len(QUEUES) * len(PLACES))
        name = "-".join(filter(None, (base, where.replace(" ", ""), f"{round_ + 1}" if round_ else "")))
        if place == 3 or (place > 20 and rng.random() < 0.05):
            name = rng.choice((bare[1].name, bare[place].name))
        bare.append(Skill(number, name, _QUEUE_MEDIA[place % len(_QUEUE_MEDIA)], rng.choice(("", "2021ok", name))))
    return [
        Skill(skill.id, skill.name, skill.mediatype_id, skill.description, _skill_param(skill, bare, flows, rng))
        for skill in bare
    ]


def _skill_param(skill: Skill, skills: Sequence[Skill], flows: Sequence[Flow], rng: random.Random) -> dict[str, object]:
    """Return `skillParam` (cec_07_0034): where calls go that find nobody. Numbers come as numbers or as texts."""
    if rng.random() < 0.04:
        return {}
    param: dict[str, object] = {}
    for reason in ("noAgents", "busy", "timeOut"):
        if rng.random() < 0.55:
            param[reason] = {"transferType": "Release", **rng.choice(({}, {}, {"deviceType": "", "value": None}))}
            continue
        others = [other for other in skills if other.mediatype_id == skill.mediatype_id and other is not skill]
        to_queue = bool(others) and (skill.mediatype_id == MULTIMEDIA or rng.random() < 0.4)
        devicetype, number = _target(others, rng) if to_queue else _target(flows, rng)
        param[reason] = {
            "transferType": "Transfer",
            "deviceType": rng.choice((str(devicetype), str(devicetype), devicetype)),
            "value": rng.choice((number, number, str(number))),
        }
    if skill.mediatype_id in (VOICE, VIDEO):
        param |= {"answerFunction": rng.choice(("0", "2")), "waitVoice": "wait.wav"}
    return param


def _numbers(count: int, rng: random.Random) -> list[Number]:
    """Return numbers, each but once: about every second access code has several routes, and some look alike."""
    numbers: dict[Number, None] = {}
    while len(numbers) < count:
        code = access_code(rng)
        media = _CODE_MEDIA[rng.choices((VOICE, MULTIMEDIA, VOICE_CLICK), (86, 9, 5))[0]]
        for place in range(1 if rng.random() < 0.5 else rng.randrange(2, 12)):
            ext_code = "" if place == 0 and rng.random() < 0.8 else extension(rng, place)
            numbers[code, ext_code, rng.choice(media)] = None
        if rng.random() < 0.04:
            numbers[code, "", VOICE] = numbers[code, "", VIDEO] = None  # two routes, told apart by media type alone
        if code[0] in "+0" and rng.random() < 0.15:
            numbers[code.lstrip("+0"), "", VOICE] = None  # a leading + or 0 makes the difference
        if rng.random() < 0.02:
            numbers[code, "1", VOICE] = numbers[f"{code}1", "", VOICE] = None  # dialled alike
    return list(numbers)[:count]


def _route(
    route_id: str, number: Number, dnid: int, skills: Sequence[Skill], flows: Sequence[Flow], rng: random.Random
) -> Route:
    code, ext_code, media = number
    description = ""
    to_queue = media == MULTIMEDIA or rng.random() < 0.6
    devicetype, device_id = _target(skills, rng) if to_queue else _target(flows, rng)
    if rng.random() < 0.004:
        devicetype, device_id, description = SKILL_QUEUE, 9000 + dnid % 7, "closed"  # a queue that was deleted since
    return Route(
        id=route_id,
        devicetype=devicetype,
        device_id=device_id,
        device_desc=description,
        access_code=code,
        ext_code=ext_code,
        dnid=dnid,
        mediatype_id=media,
        editable=rng.choices(("0", None, "2", "1", "3"), (80, 8, 9, 2, 1))[0],
    )


def _target(among: Sequence[Skill] | Sequence[Flow], rng: random.Random) -> Target:
    """Return a queue or flow; those at the front have most of the routes."""
    return among[int(len(among) * rng.random() ** 2)].target
