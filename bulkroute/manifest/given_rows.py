"""Rows that a program hands over, held to the same rules as those of a file."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from bulkroute.manifest.faults import Faults, quote
from bulkroute.manifest.header import FIELDS, Kind, field_of, kind_of, problems_of
from bulkroute.manifest.reading import Reading
from bulkroute.manifest.row_rules import AnyRow, Check
from bulkroute.model import Row

GivenRow = Row | tuple[str, int | str, int | str] | list[int | str] | Mapping[str, int | str]
"""A row that a program hands over: (id, devicetype, deviceId), a mapping with these keys, or a `Row`."""

_TEXT_ONLY = frozenset(("id", "accessCode", "extCode", "number"))
"""Numbers lose digits and leading zeros before anybody sees them."""


def check_rows(rows: Iterable[GivenRow], faults: Faults) -> Iterator[Row]:
    """Yield the good ones of `rows` by id, numbered from 1 as their `line`; the others become faults ("row 3: ...").

    A row is a `Row`, a tuple or list (id, devicetype, deviceId), or a mapping with these keys, found without case and
    underscores; other keys are ignored. The id must be text: a number may have lost digits already. devicetype and
    deviceId may be text or integers. Make `faults` without a name to have places read "row 3".
    """
    return GivenReader(rows, faults).rows()


class GivenReader(Reading):
    """Reads rows that a program hands over, once; the first at once. Mappings may be rows by number."""

    def __init__(self, rows: Iterable[GivenRow], faults: Faults) -> None:
        super().__init__(faults)
        remaining = iter(rows)
        first = list(next(zip(remaining, strict=False), ()))
        self._rows: Iterator[object] = chain(first, remaining)
        for given in first:
            names = [key for key in given if isinstance(key, str)] if isinstance(given, Mapping) else FIELDS
            self.kind = kind = kind_of(names) or Kind.BY_ID
            self.columns = frozenset(field for name in names if (field := field_of(name, kind)))

    def _checked(self, check: Check[AnyRow]) -> Iterator[AnyRow]:
        for number, given in enumerate(self._rows, start=1):
            texts = self._texts(number, given, check)
            if texts is not None:
                row = check.take(number, texts)
                if row is None and any(map(str.strip, texts)):
                    row = check.examine(number, texts)
                if row is not None:
                    yield row
        check.finish()

    def _texts(self, number: int, given: object, check: Check[AnyRow]) -> tuple[str, ...] | None:
        """Return what the check wants of a row, or None once its faults are recorded."""
        values = self._values(given)
        if values is None:
            self._faults.add(number, f"{quote(repr(given))} is no row; {self._what_to_give}")
            return None
        problems = []
        if self.kind is Kind.BY_NUMBER:
            problems = problems_of(Kind.BY_NUMBER, values, given if isinstance(given, Mapping) else (), "this row")
        problems += [
            f"{field} is of type {type(value).__name__}; give it as text, numbers may lose digits"
            for field, value in values.items()
            if field in _TEXT_ONLY and not isinstance(value, str)
        ]
        for problem in problems:
            self._faults.add(number, problem)
        return None if problems else tuple(_text(values.get(field, "")) for field in check.fields)

    @property
    def _what_to_give(self) -> str:
        if self.kind is Kind.BY_NUMBER:
            return "give mappings with accessCode, extCode and target, as the first one"
        return "give id, devicetype and deviceId"

    def _values(self, given: object) -> dict[str, Any] | None:
        """Return the fields of a row, or None where it is none of this kind."""
        kind = self.kind or Kind.BY_ID
        if isinstance(given, Mapping):
            keys = {key: value for key, value in given.items() if isinstance(key, str)}
            if kind_of(keys) is not kind:
                return None
            values = {field: value for key, value in keys.items() if (field := field_of(key, kind))}
            return values if kind is Kind.BY_NUMBER or all(field in values for field in FIELDS) else None
        if kind is Kind.BY_ID and isinstance(given, Row):
            return {"id": given.id, "devicetype": given.devicetype, "deviceId": given.device_id}
        if kind is Kind.BY_ID and isinstance(given, tuple | list) and len(given) == len(FIELDS):
            return dict(zip(FIELDS, given, strict=True))
        return None


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value)) if value.bit_length() <= 64 else hex(value)  # str() refuses thousands of digits
    return value if isinstance(value, str) else repr(value)
