"""Rows that a program hands over, held to the same rules as those of a file."""

from collections.abc import Iterable, Iterator, Mapping

from bulkroute.manifest.faults import Faults, quote
from bulkroute.manifest.row_rules import FIELDS, RowCheck, field_of
from bulkroute.model import Row

GivenRow = Row | tuple[str, int | str, int | str] | list[int | str] | Mapping[str, int | str]
"""A row that a program hands over: (id, devicetype, deviceId), a mapping with these keys, or a `Row`."""


def check_rows(rows: Iterable[GivenRow], faults: Faults) -> Iterator[Row]:
    """Yield the good ones of `rows`, numbered from 1 as their `line`; the others become faults ("row 3: ...").

    A row is a `Row`, a tuple or list (id, devicetype, deviceId), or a mapping with these keys, found without case and
    underscores; other keys are ignored. The id must be text: a number may have lost digits already. devicetype and
    deviceId may be text or integers. Make `faults` without a name to have places read "row 3".
    """
    check = RowCheck(faults)
    for number, given in enumerate(rows, start=1):
        values = _values(given)
        if values is None:
            faults.add(number, f"{quote(repr(given))} is no row; give id, devicetype and deviceId")
            continue
        if not isinstance(values[0], str):
            faults.add(number, f"id is of type {type(values[0]).__name__}; give it as text, numbers may lose digits")
            continue
        texts = values[0], _text(values[1]), _text(values[2])
        row = check.take(number, texts) or check.examine(number, *texts)
        if row is not None:
            yield row
    check.finish()


def _values(given: object) -> tuple[object, object, object] | None:
    if isinstance(given, Row):
        return given.id, given.devicetype, given.device_id
    if isinstance(given, Mapping):
        by_field = {field_of(key): value for key, value in given.items() if isinstance(key, str)}
        if all(field in by_field for field in FIELDS):
            return by_field["id"], by_field["devicetype"], by_field["deviceId"]
        return None
    if isinstance(given, tuple | list) and len(given) == len(FIELDS):
        return given[0], given[1], given[2]
    return None


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value)) if value.bit_length() <= 64 else hex(value)  # str() refuses thousands of digits
    return value if isinstance(value, str) else repr(value)
