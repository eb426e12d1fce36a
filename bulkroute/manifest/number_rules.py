"""The rules for one row by number, and for what a manifest by id says beside the id.

Which route a number is, and which target a name is, only live bindings tell; here everything is judged by its form.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from bulkroute.manifest.faults import Faults, quote
from bulkroute.manifest.header import FIELDS, LABELS
from bulkroute.manifest.numbers import INT32_OVERFLOW, normalised, number_problem
from bulkroute.manifest.row_rules import MAX_CACHED, MAX_ID_CHARS, RowCheck
from bulkroute.manifest.rows import LabelledRow, NumberedRow, WantedTarget
from bulkroute.manifest.spelling import media_type_of
from bulkroute.manifest.spreadsheet import LostDigits
from bulkroute.manifest.targets import wanted_target

MAX_WAVE = 1_000_000
_MAX_CHARS = 500  # of a row that is remembered
_PLAIN_CODE = re.compile(r"\+?[0-9*#]{1,15}")
_PLAIN_EXT = re.compile(r"[0-9*#]{1,15}")
_new = tuple.__new__


class _Rest(NamedTuple):
    """What a row by number says beside its number: the same in many rows."""

    media_type: int | None
    target: WantedTarget
    wave: int | None


def wave_problem(text: str) -> str | None:
    """Say what is wrong with the text of a wave, and what to do; None if nothing is, or if there is none."""
    if not text or (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_WAVE)) and int(text) <= MAX_WAVE):
        return None
    return f"wave {quote(text)} is no integer from 0 to {MAX_WAVE:,}; write one, or leave the cell empty"


def _media_type_problem(text: str) -> str | None:
    if not text or media_type_of(text) is not None:
        return None
    return (
        f"mediaType {quote(text)} is unknown; write 5 or voice, 19 or video, 53 or multimedia, 2 or voice-click, "
        "18 or video-click"
    )


class NumberedCheck:
    """Turns the texts of one row by number after another into rows; what is wrong goes to `faults`."""

    fields = ("accessCode", "extCode", "number", "mediaType", "devicetype", "deviceId", "target", "wave")

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._rests: dict[tuple[str | None, ...], _Rest] = {}
        self._rows = 0
        self._lost_digits = LostDigits("number")
        self._overflows = 0
        self._overflow_line = 0

    def take(self, line: int, texts: tuple[str, ...]) -> NumberedRow | None:
        """Return the row if its number is plain digits and the rest was met before; None if it wants `examine`."""
        access_code, ext_code, number = texts[:3]
        rest = self._rests.get(texts[3:])
        if rest is None or number or not _PLAIN_CODE.fullmatch(access_code) or access_code == INT32_OVERFLOW:
            return None
        if ext_code and not _PLAIN_EXT.fullmatch(ext_code):
            return None
        self._rows += 1
        return _new(NumberedRow, (line, access_code, ext_code, *rest))

    def examine(self, line: int, texts: Sequence[str | None]) -> NumberedRow | None:
        """Return the row, or None once every fault of it is recorded. None as a text was reported by the caller."""
        access_code, ext_code, number, *others = texts
        self._rows += 1
        problems = []
        if number:
            problems.append(number_problem("number", number))
        elif access_code is not None and number is not None:
            problems.append(number_problem("accessCode", access_code))
        problems.append(number_problem("extCode", ext_code or ""))
        for problem in filter(None, problems):
            self._faults.add(line, problem)
        rest = self._rest(line, tuple(others))
        if any(problems) or rest is None or None in texts:
            return None
        code = normalised(number or access_code or "")
        self._note(line, code)
        return NumberedRow(line, code, None if number else normalised(ext_code or ""), *rest)

    def _rest(self, line: int, texts: tuple[str | None, ...]) -> _Rest | None:
        """Return what the other cells of a row say, or None once every fault of them is recorded."""
        if found := self._rests.get(texts):
            return found
        media_type, devicetype, device_id, target, wave = texts
        wanted, problems = wanted_target(devicetype, device_id, target)
        for problem in filter(None, (_media_type_problem(media_type or ""), *problems, wave_problem(wave or ""))):
            self._faults.add(line, problem)
            wanted = None
        if wanted is None:
            return None
        rest = _Rest(media_type_of(media_type or ""), wanted, int(wave) if wave else None)
        if None not in texts and len(self._rests) < MAX_CACHED and sum(len(text or "") for text in texts) <= _MAX_CHARS:
            self._rests[texts] = rest
        return rest

    def _note(self, line: int, code: str) -> None:
        """Remember what only several numbers together tell, and what deserves a look."""
        self._lost_digits.note(line, code.removeprefix("+"))
        if code == INT32_OVERFLOW:
            self._overflow_line = self._overflow_line or line
            self._overflows += 1

    def finish(self) -> None:
        """Record what only the end of the manifest shows; faults that are found later are a part of their own."""
        self._faults.next_part()
        self._lost_digits.report(self._faults, self._rows)
        if self._overflows:
            rows = "this number is" if self._overflows == 1 else f"{self._overflows:,} numbers from here on are"
            self._faults.warn(
                f"{rows} {INT32_OVERFLOW}, which programs write that cannot hold a longer one; compare with the original",
                self._overflow_line,
            )
        if not self._rows and not self._faults.total:
            self._faults.add(0, "holds no rows; give at least one")
        self._faults.next_part()


class LabelledCheck:
    """Turns the texts of one row by id after another into rows with what stands beside the id."""

    fields = (*FIELDS, *LABELS)

    def __init__(self, faults: Faults, columns: frozenset[str]) -> None:
        """`columns`: the fields that the manifest has."""
        self._faults = faults
        self._check = RowCheck(faults)
        self._no_ext_code = "extCode" not in columns
        self._media_types: dict[str, int | None] = {"": None}
        self._waves: dict[str, int | None] = {"": None}
        self._unknown_media_type = False

    def take(self, line: int, texts: tuple[str, ...]) -> LabelledRow | None:
        """Return the row if it is plainly right; None if it wants `examine`."""
        access_code, ext_code, media_type, target, wave = texts[3:]
        if media_type not in self._media_types or wave not in self._waves:
            return None
        row = self._check.take(line, texts[:3])
        if row is None:
            return None
        ext = None if self._no_ext_code else normalised(ext_code)
        label = (normalised(access_code), ext, self._media_types[media_type], target.strip(), self._waves[wave])
        return _new(LabelledRow, (*row, *label))

    def examine(self, line: int, texts: Sequence[str | None]) -> LabelledRow | None:
        """Return the row, or None once every fault of it is recorded. None as a text was reported by the caller."""
        row = self._check.examine(line, texts[:3])
        access_code, ext_code, media_type, target, wave = (text or "" for text in texts[3:])
        if problem := wave_problem(wave):
            self._faults.add(line, problem)
        if problem or row is None or None in texts:
            return None
        number = media_type_of(media_type)
        if media_type and number is None and not self._unknown_media_type:
            self._unknown_media_type = True
            self._faults.warn(f"{_media_type_problem(media_type)}; it decides nothing here", line)
        if len(self._media_types) < MAX_CACHED and len(media_type) <= MAX_ID_CHARS:
            self._media_types[media_type] = number
        self._waves[wave] = int(wave) if wave else None
        ext = None if self._no_ext_code else normalised(ext_code)
        return LabelledRow(*row, normalised(access_code), ext, number, target.strip(), self._waves[wave])

    def finish(self) -> None:
        """Record what only the end of the manifest shows."""
        self._check.finish()
