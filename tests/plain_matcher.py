"""Resolves one row by number in the slowest and plainest way, written from the rules alone: an oracle, never a model.

Shares no code with bulkroute. A row is a mapping of cells; routes and targets are plain tuples. What comes back is the
route's id and the binding, or None where the row is a fault.
"""

import unicodedata
from typing import NamedTuple

DROPPED = " \t-–.()/\u00a0\u202f\u2009\u3000\u200b\u200e\u202d\u202c\ufeff"
FULL_WIDTH = "０１２３４５６７８９"
MEDIA = {"5": 5, "voice": 5, "audio-video": 5, "19": 19, "video": 19, "53": 53, "multimedia": 53, "2": 2, "18": 18}
TYPES = {"1": 1, "queue": 1, "skill_queue": 1, "Skill Queue": 1, "3": 3, "ivr": 3, "flow": 3, "IVR": 3}
PREFIXES = {"ivr:": (3, "name"), "queue:": (1, "name"), "ivr-file:": (3, "file"), "ivr-code:": (3, "code")}


class Route(NamedTuple):
    id: str
    access_code: str
    ext_code: str
    media: int | None


class Target(NamedTuple):
    devicetype: int
    device_id: int
    name: str
    loaded: bool = True
    file: str = ""
    code: str = ""


Outcome = tuple[str, tuple[int, int]] | None


def plain_number(text: str) -> str:
    """Return a number without what people put between its digits."""
    text = text.strip()
    if len(text) >= 3 and text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    if text.startswith("'"):
        text = text[1:]
    out = ""
    for char in text:
        if char in FULL_WIDTH:
            out += str(FULL_WIDTH.index(char))
        elif char not in DROPPED:
            out += char
    return out


def is_quantity(text: str) -> bool:
    """Tell whether a program wrote a number as a quantity: 2.0, 55,00, 1.5E+12."""
    bare = plain_number(text.replace(".", "\x00").replace(",", "\x01")).replace("\x00", ".").replace("\x01", ",")
    if "e" in bare.lower() and any(char.isdigit() for char in bare):
        return True
    head, point, zeros = bare.rpartition(".")
    if point and zeros == "0":
        return True
    head, point, zeros = bare.replace(",", ".").rpartition(".")
    return bool(point) and head.lstrip("+-").isdigit() and zeros in ("0", "00")


def is_made_of(number: str, allowed: str) -> bool:
    return all(char in allowed for char in number)


def plain_route(cells: dict[str, str], routes: list[Route]) -> Route | None:
    """Return the one route that the cells name."""
    number, access, ext = (cells.get(name, "") for name in ("number", "accessCode", "extCode"))
    for text in (number, access, ext):
        if is_quantity(text):
            return None
    number, access, ext = map(plain_number, (number, access, ext))
    if not is_made_of(number + access, "0123456789*#+") or not is_made_of(ext, "0123456789*#"):
        return None
    if not (number or access) or len(access) > 32 or len(ext) > 100 or len(number) > 132:
        return None
    candidates = []
    for route in routes:
        its = plain_number(route.access_code), plain_number(route.ext_code)
        if (its[0] + its[1] == number) if "number" in cells else (its == (access, ext)):
            candidates.append(route)
    media_text = cells.get("mediaType", "")
    if media_text:
        if media_text.lower() not in MEDIA:
            return None
        media = MEDIA[media_text.lower()]
        if len(candidates) == 1 and candidates[0].media is None:
            return candidates[0]
        candidates = [route for route in candidates if route.media == media]
    return candidates[0] if len(candidates) == 1 else None


def same_name(one: str, other: str) -> bool:
    return unicodedata.normalize("NFC", one).strip() == unicodedata.normalize("NFC", other).strip() != ""


def plain_target(cells: dict[str, str], targets: list[Target]) -> tuple[int, int] | None:
    """Return the one target that the cells name."""
    type_text, id_text, text = (cells.get(name, "") for name in ("devicetype", "deviceId", "target"))
    if type_text and type_text not in TYPES:
        return None
    devicetype = TYPES.get(type_text)
    if id_text and not (id_text.isascii() and id_text.isdigit()):
        return None
    device_id = int(id_text) if id_text else None
    if not text:
        return (devicetype, device_id) if devicetype and device_id is not None else None
    field = "name"
    prefix = next((each for each in PREFIXES if text.startswith(each)), None)
    if prefix:
        of_type, field = PREFIXES[prefix]
        if devicetype not in (None, of_type):
            return None
        devicetype, text = of_type, text[len(prefix) :].strip()
    if not text or text.startswith("#"):
        return None
    meant = {
        target
        for target in targets
        if devicetype in (None, target.devicetype)
        and (field == "name" or target.devicetype == 3)
        and device_id in (None, target.device_id)
        and is_meant(text, getattr(target, field), target.device_id)
    }
    if len(meant) != 1:
        return None
    (only,) = meant
    return (only.devicetype, only.device_id) if only.loaded else None


def is_meant(text: str, name: str, device_id: int) -> bool:
    """Tell whether a text is that name, or that name with # and that id."""
    head, mark, digits = text.rpartition("#")
    with_id = mark and head and digits.isascii() and digits.isdigit() and int(digits) == device_id
    return same_name(name, text) or bool(with_id and same_name(name, head))


def plain_outcomes(
    table: list[dict[str, str]], routes: list[Route], targets: list[Target]
) -> tuple[list[Outcome], set[int]]:
    """Return what becomes of each row, and the places of those dropped, since a row before them says the same."""
    outcomes: list[Outcome] = []
    dropped = set()
    taken: dict[str, tuple[int, int]] = {}
    for place, cells in enumerate(table):
        route, binding = plain_route(cells, routes), plain_target(cells, targets)
        outcome: Outcome = None
        if route and binding:
            if route.id not in taken:
                taken[route.id] = binding
                outcome = route.id, binding
            elif taken[route.id] == binding:
                dropped.add(place)
        outcomes.append(outcome)
    return outcomes, dropped
