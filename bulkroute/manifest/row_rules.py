"""The rules for one row: what an id, a devicetype and a deviceId may look like, and what to say when they do not.

An id is text and stays exactly as written. Nothing is guessed or mended here, and no row is remembered.
"""

import re

from bulkroute.manifest.faults import FAULTS_KEPT, Faults, quote
from bulkroute.model import DeviceType, Row

FIELDS = ("id", "devicetype", "deviceId")
MAX_ID_CHARS = 64
MAX_DEVICE_ID = 2**63 - 1
NAMES_SHOWN = 20

DEVICETYPES = {
    "1": DeviceType.SKILL_QUEUE.value,
    "skill_queue": DeviceType.SKILL_QUEUE.value,
    "3": DeviceType.IVR.value,
    "ivr": DeviceType.IVR.value,
}
_CANONICAL = {"id": "id", "devicetype": "devicetype", "deviceid": "deviceId"}
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+")
_ROUNDED = re.compile(r"[0-9]{15}0+")
_DEVICE_IDS_CACHED = 4096
CHANCE = 0.001
"""The share of ids that may end in zeros by chance: 1 in 10,000 ids of 19 digits ends in four of them, so that every
honest manifest of some 20,000 rows has two. A spreadsheet rounds all."""
_new = tuple.__new__


def field_of(name: str) -> str | None:
    """Return the field a column or key stands for, found without case and underscores, or None."""
    return _CANONICAL.get(name.strip().replace("_", "").lower())


def ignored(names: list[str], noun: str) -> str:
    """Return the notice about further columns or keys; the first 20 are named."""
    more = " and more" if len(names) > NAMES_SHOWN else ""
    return f"{noun} not used: {', '.join(map(quote, names[:NAMES_SHOWN]))}{more}"


def _id_problem(text: str) -> str | None:
    if not text:
        return "id is empty; give the id of the called route"
    if _SCIENTIFIC.fullmatch(text):
        return (
            f"id {quote(text)} is in scientific notation, a spreadsheet has changed it; "
            "export the ids again and import that column as text"
        )
    if text.split() != [text]:
        return f"id {quote(text)} holds a blank; remove it"
    if not text.isprintable():
        culprit = next(char for char in text if not char.isprintable())
        return f"id {quote(text)} holds U+{ord(culprit):04X}, which cannot be printed; remove it"
    if len(text) > MAX_ID_CHARS:
        return f"id {quote(text)} has {len(text)} characters; at most {MAX_ID_CHARS} are accepted"
    return None


def _devicetype_problem(text: str) -> str | None:
    if not text:
        return "devicetype is empty; write 1 or skill_queue, 3 or ivr"
    if text.lower() not in DEVICETYPES:
        return f"devicetype {quote(text)} is unknown; write 1 or skill_queue, 3 or ivr"
    return None


def _device_id_problem(text: str) -> str | None:
    if not text:
        return "deviceId is empty; give the number of the skill queue or IVR flow"
    if not (text.isascii() and text.isdecimal()):
        return f"deviceId {quote(text)} is not a decimal integer; write digits only, without sign, point or exponent"
    digits = text.lstrip("0")
    if len(digits) > len(str(MAX_DEVICE_ID)) or _number(digits) > MAX_DEVICE_ID:
        return f"deviceId {quote(text)} is too large; the largest is {MAX_DEVICE_ID}"
    return None


def _number(digits: str) -> int:
    return int(digits.lstrip("0") or "0")  # int() refuses thousands of digits, zeros too


class RowCheck:
    """Turns the texts of one row after another into rows; what is wrong goes to `faults`.

    One object serves one manifest: whether a spreadsheet rounded the ids only shows over several of them.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._device_ids: dict[str, int] = {}
        self._rows = 0
        self._rounded: list[tuple[int, str]] = []  # the first ones
        self._rounded_count = 0

    def take(self, line: int, texts: tuple[str, str, str]) -> Row | None:
        """Return the row of (id, devicetype, deviceId) if it is plainly right; None if it wants `examine`.

        The short way for nearly every row of a large file. 200,000 rows take 0.02 s less for looking deviceId up among
        those met before than for `int()`, 0.02 s less for `tuple.__new__` than for `Row()`.
        """
        self._rows += 1
        id_, devicetype, device_id = texts
        if id_.isdigit() and len(id_) <= MAX_ID_CHARS and (id_[-1] != "0" or id_[15:].strip("0")):
            try:
                return _new(Row, (line, id_, DEVICETYPES[devicetype], self._device_ids[device_id]))
            except KeyError:
                return None
        return None

    def examine(self, line: int, id_: str | None, devicetype: str | None, device_id: str | None) -> Row | None:
        """Return the row, or None once every fault of it is recorded. None as a value was reported by the caller."""
        problems = [
            text
            for text in (
                None if id_ is None else _id_problem(id_),
                None if devicetype is None else _devicetype_problem(devicetype),
                None if device_id is None else _device_id_problem(device_id),
            )
            if text is not None
        ]
        for text in problems:
            self._faults.add(line, text)
        if problems or id_ is None or devicetype is None or device_id is None:
            return None
        if _ROUNDED.fullmatch(id_):
            self._rounded_count += 1
            if len(self._rounded) < FAULTS_KEPT:
                self._rounded.append((line, id_))
        device_number = _number(device_id)
        if len(self._device_ids) < _DEVICE_IDS_CACHED and len(device_id) <= MAX_ID_CHARS:
            self._device_ids[device_id] = device_number
        return Row(line, id_, DEVICETYPES[devicetype.lower()], device_number)

    def finish(self) -> None:
        """Record what only the end of the manifest shows; faults that are found later are a part of their own."""
        self._faults.next_part()
        if self._rounded_count > max(1, CHANCE * self._rows):
            for line, id_ in self._rounded:
                self._faults.add(
                    line,
                    f"id {quote(id_)} was rounded by a spreadsheet (zeros from the 16th digit on); "
                    "export the ids again and import that column as text",
                )
            self._faults.total += self._rounded_count - len(self._rounded)
        elif self._rounded:
            line, id_ = self._rounded[0]
            ids = f"id {quote(id_)} ends" if self._rounded_count == 1 else f"{self._rounded_count} ids from here on end"
            self._faults.warn(
                f"{ids} in zeros from the 16th digit on, as spreadsheets round; compare with the original", line
            )
        if not self._rows and not self._faults.total:
            self._faults.add(0, "holds no rows; give at least one")
        self._faults.next_part()
