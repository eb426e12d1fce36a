"""Faults as JSON: what the admin endpoint takes and shows."""

import types
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .faults import Faults

_HINTS = get_type_hints(Faults)
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "null"}


def as_json_object(faults: Faults) -> dict[str, Any]:
    """Return every knob by its name."""
    return {name: _plain(value) for name, value in asdict(faults).items()}


def faults_from(body: Mapping[str, Any], others: Faults) -> Faults:
    """Return the faults that a JSON object names; knobs that it does not name are as in `others`.

    Raises ValueError, naming the knob, for an unknown one, a wrong type, or a value out of range.
    """
    named = {knob.name: getattr(others, knob.name) for knob in fields(Faults)}
    for name, value in body.items():
        if name not in named:
            raise ValueError(f"there is no knob {name}")
        wanted = _HINTS[name]
        if not _fits(value, wanted):
            raise ValueError(f"{name} is not {_described(wanted)}")
        if isinstance(value, list):
            value = frozenset(value) if get_origin(wanted) is frozenset else tuple(value)
        named[name] = value
    return Faults(**named)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def _fits(value: object, wanted: Any) -> bool:
    """Tell whether a JSON value is of a type; lists stand for tuples and sets."""
    kind, parts = get_origin(wanted), get_args(wanted)
    if kind in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if kind is Literal:
        return value in parts and not isinstance(value, bool)
    if kind in (tuple, frozenset):
        return isinstance(value, list) and all(_fits(item, parts[0]) for item in value)
    if kind is Mapping:
        return isinstance(value, dict) and all(_fits(item, parts[1]) for item in value.values())
    if wanted is float:
        return type(value) in (int, float)
    return type(value) is wanted


def _described(wanted: Any) -> str:
    kind, parts = get_origin(wanted), get_args(wanted)
    if kind in (Union, types.UnionType):
        return " or ".join(_described(part) for part in parts)
    if kind is Literal:
        return " or ".join(map(repr, parts))
    if kind in (tuple, frozenset):
        return f"a list, each {_described(parts[0])}"
    if kind is Mapping:
        return f"an object, each value {_described(parts[1])}"
    return _NAMES[wanted]
