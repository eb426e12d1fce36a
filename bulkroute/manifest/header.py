"""What the header of a manifest says: its kind, which column is which field, and what is missing or said twice.

A header with `id` makes a manifest by id; one without, but with `accessCode` or `number`, makes one by number. The keys
of a YAML list's first row, and those of the first mapping that a program gives, are a header too.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from bulkroute.manifest.faults import QUOTED_CHARS, quote
from bulkroute.manifest.saved_plan import FORMAT
from bulkroute.manifest.spelling import BY_ID, BY_NUMBER, fields_by_name, folded

NAMES_SHOWN = 20


class Kind(StrEnum):
    """What tells the called route of a row."""

    BY_ID = "by id"
    """Its id."""
    BY_NUMBER = "by number"
    """What callers dial: access code and extension code."""


FIELDS = ("id", "devicetype", "deviceId")
"""What a manifest by id must have."""

LABELS = ("accessCode", "extCode", "mediaType", "target", "wave")
"""What it may have beside them."""

_BEFORE = frozenset(map(folded, ("before_target", "before_devicetype", "before_deviceId")))
"""Columns for people who read a selection or an export: they decide nothing, which nobody needs to be told."""

_FIELDS = {Kind.BY_ID: fields_by_name(BY_ID), Kind.BY_NUMBER: fields_by_name(BY_NUMBER)}
_ANY = {**_FIELDS[Kind.BY_NUMBER], **_FIELDS[Kind.BY_ID]}
_PRESENT_TARGET = folded("deviceDesc")


def field_of(name: str, kind: Kind) -> str | None:
    """Return the field that a column or key stands for in a manifest of this kind, or None."""
    return _FIELDS[kind].get(folded(name))


def is_known(name: str) -> bool:
    """Tell whether a column of this name stands for a field in a manifest of either kind."""
    return folded(name) in _ANY


def kind_of(names: Iterable[str]) -> Kind | None:
    """Return the kind of a manifest with these columns or keys; None where they tell none."""
    fields = {_ANY.get(folded(name)) for name in names}
    if "id" in fields:
        return Kind.BY_ID
    return Kind.BY_NUMBER if fields & {"accessCode", "number"} else None


class Columns(NamedTuple):
    """The columns of a table: where each field is found, and what is wrong with the header."""

    kind: Kind | None
    names: Sequence[str]
    """All columns, as written."""
    places: dict[str, int]
    """The place of each field's column, from 0."""
    problems: list[str]

    def unused(self, fields: Iterable[str]) -> list[str]:
        """Return the names of the columns that serve none of `fields`; without those of no name, and of what was before."""
        used = {self.places.get(field) for field in fields}
        further = (name for place, name in enumerate(self.names) if place not in used)
        return [name for name in further if name.strip() and folded(name) not in _BEFORE]


def columns_of(names: Sequence[str]) -> Columns:
    """Judge the header of a table."""
    kind = kind_of(names)
    if kind is None:
        return Columns(None, names, {}, [_no_kind(names)])
    found: dict[str, list[str]] = {}
    for name in names:
        if (field := field_of(name, kind)) is not None:
            found.setdefault(field, []).append(name)
    problems = problems_of(kind, found, names)
    problems += [
        f"{field} is the name of several columns ({', '.join(map(quote, doubled))}); keep one"
        for field, doubled in found.items()
        if len(doubled) > 1
    ]
    places = {field: names.index(columns[0]) for field, columns in found.items()}
    return Columns(kind, names, places, problems)


def problems_of(
    kind: Kind, fields: Collection[str], names: Iterable[str] = (), subject: str = "the header"
) -> list[str]:
    """Say what is wrong with the fields that a header, or the keys of one row, have. `names` gives all names as written."""
    by_folded = {folded(name): name for name in names}
    if kind is Kind.BY_ID:
        missing = [field for field in FIELDS if field not in fields]
        return [_missing_beside_id(missing, by_folded, subject)] if missing else []
    problems = []
    if "number" in fields and "accessCode" in fields:
        problems.append(f"{subject} has accessCode and number, which is both codes as they are dialled; keep one")
    elif "number" in fields and "extCode" in fields:
        problems.append(
            f"{subject} has number, which is both codes as they are dialled, and extCode; "
            "rename number to accessCode, or leave extCode out"
        )
    elif "number" not in fields and "accessCode" not in fields:
        problems.append(f"{subject} has no accessCode and no number; add one")
    if "target" not in fields and "deviceId" not in fields:
        if _PRESENT_TARGET in by_folded:
            problems.append(
                f"{subject} has {_shown(by_folded[_PRESENT_TARGET])}, which names the present target, but no target; "
                "rename it to target if it is the wanted one"
            )
        else:
            unknown = [name for name in names if name.strip() and field_of(name, kind) is None]
            rename = f", or rename {' or '.join(map(quote, unknown[:NAMES_SHOWN]))} to target" if unknown else ""
            problems.append(
                f"{subject} has no target and no deviceId; add target, the name of the skill queue or IVR flow{rename}"
            )
    elif "target" not in fields and "devicetype" not in fields:
        problems.append(f"{subject} has deviceId but no devicetype; add it: 1 or skill_queue, 3 or ivr")
    return problems


def _missing_beside_id(missing: list[str], by_folded: dict[str, str], subject: str) -> str:
    """Say what a manifest by id lacks; a column that would do in a manifest by number is to be renamed."""
    renamed = [
        f"rename {quote(name)} to {field}"
        for key, name in by_folded.items()
        if (field := _FIELDS[Kind.BY_NUMBER].get(key)) in missing
    ]
    if _PRESENT_TARGET in by_folded:
        renamed.append(f"{_shown(by_folded[_PRESENT_TARGET])} names the present target and decides nothing")
    hint = "; ".join(renamed) or "name the columns id, devicetype and deviceId in the first row"
    return f"{subject} has no {' and no '.join(missing)}; {hint}"


def _shown(name: str) -> str:
    """Return a name that is known however it is spelt, fit for a message: what cannot be seen may stand within."""
    return name if name.isprintable() and len(name) <= QUOTED_CHARS else quote(name)


def _no_kind(names: Sequence[str]) -> str:
    if names and names[0].startswith(f'{{"format": "{FORMAT}"'):
        return "is a saved plan, by its first line; call it .plan"
    missing = [field for field in FIELDS if not any(_ANY.get(folded(name)) == field for name in names)]
    return (
        f"the header has no {' and no '.join(missing)}; name the columns id, devicetype and deviceId in the first row, "
        "or for a manifest by number accessCode, extCode and target"
    )


def ignored(names: list[str], noun: str) -> str:
    """Return the notice about further columns or keys; the first 20 are named."""
    more = " and more" if len(names) > NAMES_SHOWN else ""
    return f"{noun} not used: {', '.join(map(quote, names[:NAMES_SHOWN]))}{more}"
