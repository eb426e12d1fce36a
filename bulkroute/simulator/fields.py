"""Strict checks of request bodies: a wrong JSON type is an error, as a missing mandatory field is."""

from collections.abc import Callable, Mapping
from typing import Any

Body = Mapping[str, Any]
Check = Callable[[object], bool]


def text(value: object) -> bool:
    """Accept a JSON string."""
    return isinstance(value, str)


def integer(value: object) -> bool:
    """Accept a JSON integer; true and false are none."""
    return type(value) is int


def digits(value: object) -> bool:
    """Accept a whole number in a JSON string, as querySkills wants `limit`."""
    return isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit()


def digits_or_integer(value: object) -> bool:
    """Accept both: the table of querySkills has `offset` as a string, its example as an integer."""
    return digits(value) or integer(value)


def text_or_null(value: object) -> bool:
    """Accept a JSON string or null, as `editable` is."""
    return value is None or text(value)


def integer_or_null(value: object) -> bool:
    """Accept a JSON integer or null, as `mediatypeId` is."""
    return value is None or integer(value)


def mapping(value: object) -> bool:
    """Accept a JSON object."""
    return isinstance(value, dict)


def texts(value: object) -> bool:
    """Accept an array of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def complaint(body: Body, mandatory: Mapping[str, Check], optional: Mapping[str, Check]) -> str:
    """Return what is wrong with the body, or ''. Fields nobody knows are ignored."""
    for name, check in mandatory.items():
        if name not in body:
            return f"parameter {name} is missing"
        if not check(body[name]):
            return f"parameter {name} is not {check.__name__}"
    for name, check in optional.items():
        if name in body and not check(body[name]):
            return f"parameter {name} is not {check.__name__}"
    return ""


def page(body: Body, *, default: int = 100, most_offset: int | None = None) -> slice:
    """Return the records that limit and offset ask for: 100 at most, a negative offset counts as 0."""
    limit = min(max(int(body.get("limit", default)), 0), 100)
    offset = max(int(body.get("offset", 0)), 0)
    if most_offset is not None:
        offset = min(offset, most_offset)
    return slice(offset, offset + limit)
