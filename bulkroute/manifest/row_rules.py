"""The rules for one row by id: what an id, a devicetype and a deviceId may look like, and what to say when they do not.

An id is text and stays exactly as written. Nothing is guessed or repaired here, and no row is remembered.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bulkroute.manifest.faults import Faults, quote
from bulkroute.manifest.header import FIELDS
from bulkroute.manifest.spelling import devicetype_of
from bulkroute.manifest.spreadsheet import LostDigits, damage_to_id
from bulkroute.model import DeviceType, Row

MAX_ID_CHARS = 64
MAX_DEVICE_ID = 2**63 - 1
MAX_CACHED = 4096

_DEVICETYPES = {
    "1": DeviceType.SKILL_QUEUE.value,
    "skill_queue": DeviceType.SKILL_QUEUE.value,
    "3": DeviceType.IVR.value,
    "ivr": DeviceType.IVR.value,
}
_new = tuple.__new__

AnyRow = TypeVar("AnyRow", covariant=True)


class Check(Protocol[AnyRow]):
    """Turns the texts of one row after another into rows; what is wrong goes to the faults of the manifest."""

    @property
    def fields(self) -> Sequence[str]:
        """What it wants of each row, in this order; "" for a field that the manifest does not have."""

    def take(self, line: int, texts: tuple[str, ...]) -> AnyRow | None:
        """Return the row if it is plainly right; None if it wants `examine`."""

    def examine(self, line: int, texts: Sequence[str | None]) -> AnyRow | None:
        """Return the row, or None once every fault of it is recorded. None as a text was reported by the caller."""

    def finish(self) -> None:
        """Record what only the end of the manifest shows; faults that are found later are a part of their own."""


def id_problem(text: str) -> str | None:
    """Say what is wrong with an id, and what to do about it; None if nothing is."""
    if not text:
        return "id is empty; give the id of the called route"
    if damage := damage_to_id(text):
        return f"id {quote(text)} {damage}"
    if text.split() != [text]:
        return f"id {quote(text)} holds a blank; remove it"
    if not text.isprintable():
        culprit = next(char for char in text if not char.isprintable())
        return f"id {quote(text)} holds U+{ord(culprit):04X}, which cannot be printed; remove it"
    if len(text) > MAX_ID_CHARS:
        return f"id {quote(text)} has {len(text)} characters; at most {MAX_ID_CHARS} are accepted"
    return None


def devicetype_problem(text: str) -> str | None:
    """Likewise for a device type."""
    if not text:
        return "devicetype is empty; write 1 or skill_queue, 3 or ivr"
    if devicetype_of(text) is None:
        return f"devicetype {quote(text)} is unknown; write 1 or skill_queue, 3 or ivr"
    return None


def device_id_problem(text: str) -> str | None:
    """Likewise for the number of a skill queue or IVR flow."""
    if not text:
        return "deviceId is empty; give the number of the skill queue or IVR flow"
    if not (text.isascii() and text.isdecimal()):
        if damage := damage_to_id(text):
            return f"deviceId {quote(text)} {damage}"
        return f"deviceId {quote(text)} is not a decimal integer; write digits only, without sign, point or exponent"
    digits = text.lstrip("0")
    if len(digits) > len(str(MAX_DEVICE_ID)) or whole(digits) > MAX_DEVICE_ID:
        return f"deviceId {quote(text)} is too large; the largest is {MAX_DEVICE_ID}"
    return None


def whole(digits: str) -> int:
    """Return the integer, whatever zeros it begins with: int() refuses thousands of digits."""
    return int(digits.lstrip("0") or "0")


class RowCheck:
    """Turns the texts of one row by id after another into rows; what is wrong goes to `faults`.

    One object serves one manifest: whether a spreadsheet rounded the ids only shows over several of them.
    """

    fields = FIELDS

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._devicetypes = dict(_DEVICETYPES)
        self._device_ids: dict[str, int] = {}
        self._rows = 0
        self._lost_digits = LostDigits("id")
        self._names, self._last_name = 0, (0, "")

    def take(self, line: int, texts: tuple[str, ...]) -> Row | None:
        """Return the row of (id, devicetype, deviceId) if it is plainly right; None if it wants `examine`.

        The short way for nearly every row of a large file. 200,000 rows take 0.02 s less for looking deviceId up among
        those met before than for `int()`, 0.02 s less for `tuple.__new__` than for `Row()`.
        """
        id_, devicetype, device_id = texts
        if id_.isdigit() and id_.isascii() and len(id_) <= MAX_ID_CHARS and (id_[-1] != "0" or id_[15:].strip("0")):
            try:
                row = _new(Row, (line, id_, self._devicetypes[devicetype], self._device_ids[device_id]))
            except KeyError:
                return None
            self._rows += 1
            return row
        return None

    def examine(self, line: int, texts: Sequence[str | None]) -> Row | None:
        """Return the row, or None once every fault of it is recorded. None as a text was reported by the caller."""
        id_, devicetype, device_id = texts
        self._rows += 1
        problems = [
            text
            for text in (
                None if id_ is None else id_problem(id_),
                None if devicetype is None else devicetype_problem(devicetype),
                None if device_id is None else device_id_problem(device_id),
            )
            if text is not None
        ]
        for text in problems:
            self._faults.add(line, text)
        number = None if devicetype is None else devicetype_of(devicetype)
        if problems or id_ is None or devicetype is None or number is None or device_id is None:
            return None
        self._lost_digits.note(line, id_)
        if not id_.isdecimal():
            self._names, self._last_name = self._names + 1, (line, id_)
        row = Row(line, id_, number, whole(device_id))
        if not self._lost_digits.floats.possible:  # until then every row comes this way
            if len(self._device_ids) < MAX_CACHED and len(device_id) <= MAX_ID_CHARS:
                self._device_ids[device_id] = row.device_id
            if len(self._devicetypes) < MAX_CACHED and len(devicetype) <= MAX_ID_CHARS:
                self._devicetypes[devicetype] = number
        return row

    def finish(self) -> None:
        """Record what only the end of the manifest shows; faults that are found later are a part of their own."""
        self._faults.next_part()
        self._lost_digits.report(self._faults, self._rows)
        if self._names == 1 and self._rows > 2:
            line, id_ = self._last_name
            self._faults.warn(f"id {quote(id_)} is the only one that is no number; is this a row of totals?", line)
        if not self._rows and not self._faults.total:
            self._faults.add(0, "holds no rows; give at least one")
        self._faults.next_part()
