"""A wanted target as a manifest writes it: by id, by name, or by both. Which target a name means, only the service knows.

`Night` is a queue or a flow of that name; `ivr:Night` and `queue:Billing` say which of the two. `Night#3015`, or deviceId
3015 beside the name, says both name and id, which must agree. `ivr-file:night.xml` is a flow by its file name,
`ivr-code:T1` one by its access code.
"""

import re
import unicodedata

from bulkroute.manifest.faults import quote
from bulkroute.manifest.row_rules import device_id_problem, devicetype_problem, whole
from bulkroute.manifest.rows import TargetKey, WantedTarget
from bulkroute.manifest.spelling import TYPE_NAMES, devicetype_of, folded
from bulkroute.model import DeviceType

MAX_NAME_CHARS = 255
"""A flow's file name is the longest (cec_07_1044)."""

_COLON = re.compile("[:\N{FULLWIDTH COLON}]")
_NOT_IN_NAMES = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
_PREFIXES: dict[str, tuple[int, TargetKey]] = {
    **{name: (kind, "name") for name, kind in TYPE_NAMES.items()},
    folded("ivr-file"): (DeviceType.IVR.value, "file"),
    folded("ivr-code"): (DeviceType.IVR.value, "code"),
}


def parse_target(text: str) -> WantedTarget:
    """Return the target that a text like `ivr:Night` or `Night#3015` asks for. Raises ValueError if it names none."""
    name = text.strip()
    devicetype: int | None = None
    key: TargetKey = "name"
    prefix, *rest = _COLON.split(name, maxsplit=1)
    if rest and (meant := _PREFIXES.get(folded(prefix))):
        (devicetype, key), name = meant, rest[0].strip()
    if not name or name.startswith("#"):
        raise ValueError(f"target {quote(text)} has no name; write ivr:Night or queue:Billing, for example")
    if len(name) > MAX_NAME_CHARS:
        raise ValueError(f"target {quote(text)} has {len(name)} characters; at most {MAX_NAME_CHARS} are accepted")
    culprit = next((char for char in name if unicodedata.category(char) in _NOT_IN_NAMES), None)
    if culprit is not None:
        raise ValueError(f"target {quote(text)} holds U+{ord(culprit):04X}, which cannot be printed; remove it")
    return WantedTarget(devicetype, None, name, key)


def named_target(text: str) -> WantedTarget:
    """Return the target that a person means by `ivr:Night`, `Night#3015`, or by type and id alone, `ivr:#3015`.

    The last is for what has no name, or not that of anything there is any more. Raises ValueError if it names none.
    """
    prefix, *rest = _COLON.split(text.strip(), maxsplit=1)
    number = rest[0].strip().removeprefix("#").strip() if rest and rest[0].strip().startswith("#") else ""
    meant = _PREFIXES.get(folded(prefix))
    if number and meant and meant[1] == "name":
        if problem := device_id_problem(number):
            raise ValueError(f"target {quote(text)}: {problem}")
        return WantedTarget(meant[0], whole(number), "")
    return parse_target(text)


def split_id(name: str) -> tuple[str, int] | None:
    """Return name and id where a name ends in `#` and digits, as in `Night#3015`; None where it does not."""
    head, _, digits = name.rpartition("#")
    if head and digits.isascii() and digits.isdecimal() and device_id_problem(digits) is None:
        return head.rstrip(), whole(digits)
    return None


def wanted_target(
    devicetype: str | None, device_id: str | None, target: str | None
) -> tuple[WantedTarget | None, list[str]]:
    """Return the target that the three cells of a row ask for, or None and what is wrong with them.

    None as a cell was reported by the caller. Whether name and id agree is not asked here.
    """
    problems = []
    if device_id == "" and target == "":
        problems.append("target and deviceId are empty; give the name of the skill queue or IVR flow, or its id")
    elif device_id and (problem := device_id_problem(device_id)):
        problems.append(problem)
    if devicetype is not None and (devicetype or (device_id and target == "")):
        problems += filter(None, [devicetype_problem(devicetype)])
    wanted = None
    if target:
        try:
            wanted = parse_target(target)
        except ValueError as error:
            problems.append(str(error))
    if problems or devicetype is None or device_id is None or target is None:
        return None, problems
    kind, number = devicetype_of(devicetype) if devicetype else None, whole(device_id) if device_id else None
    if wanted is None:
        return WantedTarget(kind, number, ""), []
    if kind is not None and wanted.devicetype not in (None, kind):
        return None, [f"target {quote(target)} and devicetype {quote(devicetype)} disagree; correct one of them"]
    return wanted._replace(devicetype=wanted.devicetype or kind, device_id=number), []
