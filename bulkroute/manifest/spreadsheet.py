"""What spreadsheets and programs do to long numbers. The damage is named, never repaired: digits that are lost are lost.

Excel keeps 15 digits, a 64-bit float some 16 to 17; the ids of called routes have 19.
"""

import math
import re
from decimal import Decimal

from bulkroute.manifest.faults import FAULTS_KEPT, Faults, quote

AGAIN = "export it again and import that column as text"

_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+")
_POINT_ZERO = re.compile(r"[+-]?[0-9]+[.,]0{1,2}|.*\.0")
_DECIMAL_POINT = f"has a decimal point, a program has taken it for a quantity; {AGAIN}"
_QUOTES = "\"'`´“”„‟‘’‚‛«»‹›＂＇"
_DECORATIONS = (
    (re.compile(r"'[0-9.,]+"), "begins with an apostrophe, a spreadsheet's mark for text; remove it"),
    (
        re.compile(r'=(?:".*"|[0-9.,]+)'),
        "is written as a formula, a spreadsheet's way to keep text; write the digits alone",
    ),
    (
        re.compile(f"(?=.*[{_QUOTES}])[{_QUOTES}]*[0-9][0-9.,]*[{_QUOTES}]*"),
        "has quotes that are part of the text; remove them",
    ),
    (
        re.compile(r"[0-9]{1,4}(?:[,'’\s][0-9]{2,4})+(?:\.0*)?|[0-9]{1,3}(?:\.[0-9]{3})+(?:,0*)?"),
        f"has thousands separators, a spreadsheet has taken it for a quantity; {AGAIN}",
    ),
    (re.compile(r"[0-9]+[.,]0*"), _DECIMAL_POINT),
)
_ROUNDED = re.compile(r"[0-9]{15}0+")

CHANCE = 0.001
"""The share of ids that may end in zeros by chance: 1 in 10,000 ids of 19 digits ends in four of them, so that every
honest manifest of some 20,000 rows has two. A spreadsheet rounds all."""


def damage_to_id(text: str) -> str | None:
    """Say what was done to an id of digits, and what to do about it; None for plain digits, and for what is no number.

    The answer goes on after the quoted text: "'1.1E+18' is in scientific notation, ...".
    """
    if found := _damage_to_digits(text):
        return found
    return next((words for pattern, words in _DECORATIONS if pattern.fullmatch(text)), None)


def damage_to_number(text: str) -> str | None:
    """Likewise for a phone number, in which points, blanks and an apostrophe are nothing unusual."""
    if _POINT_ZERO.fullmatch(text):
        return _DECIMAL_POINT
    return _damage_to_digits(text)


def _damage_to_digits(text: str) -> str | None:
    if _SCIENTIFIC.fullmatch(text):
        return f"is in scientific notation, a spreadsheet has changed it; {AGAIN}"
    odd = next((char for char in text if char.isdecimal() and not char.isascii()), None)
    if odd is not None:
        return f"has the digit {odd} (U+{ord(odd):04X}); write it with the digits 0 to 9"
    return None


class LostDigits:
    """Looks over one column for numbers that a spreadsheet, or a 64-bit float, has rounded."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._ending_in_zeros: list[tuple[int, str]] = []  # the first ones
        self._count = 0
        self.floats = FloatTrace(noun)

    def note(self, line: int, digits: str) -> None:
        """Take the next value; those that plainly show no loss may be left out once `floats` found none."""
        if _ROUNDED.fullmatch(digits):
            self._count += 1
            if len(self._ending_in_zeros) < FAULTS_KEPT:
                self._ending_in_zeros.append((line, digits))
        if self.floats.possible:
            self.floats.note(line, digits)

    def report(self, faults: Faults, rows: int) -> None:
        """Record what the column as a whole shows."""
        if self._count > max(1, CHANCE * rows):
            for line, digits in self._ending_in_zeros:
                faults.add(
                    line,
                    f"{self._noun} {quote(digits)} was rounded by a spreadsheet (zeros from the 16th digit on); {AGAIN}",
                )
            faults.total += self._count - len(self._ending_in_zeros)
        elif self._ending_in_zeros:
            line, digits = self._ending_in_zeros[0]
            which = (
                f"{self._noun} {quote(digits)} ends"
                if self._count == 1
                else f"{self._count} {self._noun}s from here on end"
            )
            faults.warn(
                f"{which} in zeros from the 16th digit on, as spreadsheets round; compare with the original", line
            )
        self.floats.report(faults)


class _Form:
    """One way to print a float in full. All values of the column must be what this way gives, or nothing is proven."""

    def __init__(self, least: int) -> None:
        self.least = least
        self.possible = True
        self._first: dict[int, int] = {}  # by unit
        self._common = 0

    def note(self, value: int, unit: int) -> None:
        """Take a value that this way may have printed, a multiple of `unit`."""
        first = self._first.setdefault(unit, value)
        self._common = math.gcd(self._common, (value - first) // unit)

    @property
    def has_no_coarser_grid(self) -> bool:
        """Whether the values differ by multiples of their units, and of nothing larger."""
        return self._common == 1


class FloatTrace:
    """Tells whether all ids of a column are long ones that went through a 64-bit float.

    A float near 10^18 is a multiple of 128, so that one id in 128 looks as if it had gone through one; the first that
    does not ends the search, which therefore costs next to nothing. But ids may be made in steps: those of a clock with
    a counter (Snowflake) are often all multiples of 4,096. So it takes ids that are all multiples of the float's step,
    of nothing coarser, that lie scattered, and enough of them; then no honest column is refused.
    """

    LEAST_LONG = 2**58
    """From here on the step of floats is 64 or more; ids below may well be made in steps of 2, 8 or 16."""

    LEAST_EXACT = 8
    """So many random ids are all exact floats once in 2^48 columns."""

    LEAST_SHORTEST = 128
    """Ids that are multiples of 100 print as floats do four times of five; so many of them in a row once in 10^13."""

    LEAST_TO_WARN = 3

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._exact, self._shortest = _Form(self.LEAST_EXACT), _Form(self.LEAST_SHORTEST)
        self._line = 0
        self._count = 0
        self._distinct: set[int] = set()
        self._low, self._high, self._unit = 0, 0, 1

    @property
    def possible(self) -> bool:
        """Whether all values so far are long, and what a float prints."""
        return self._exact.possible or self._shortest.possible

    def note(self, line: int, digits: str) -> None:
        """Take the next value; one that is no long number, or not what a float prints, ends the search."""
        value = int(digits) if digits.isascii() and digits.isdecimal() else 0
        number = float(value)
        self._exact.possible &= value >= self.LEAST_LONG and int(number) == value
        self._shortest.possible &= value >= self.LEAST_LONG and int(Decimal(repr(number))) == value
        if not self.possible:
            return
        if not self._count:
            self._line, self._low, self._high = line, value, value
        self._count += 1
        self._low, self._high = min(self._low, value), max(self._high, value)
        self._unit = max(self._unit, int(math.ulp(number)))
        if len(self._distinct) < self.LEAST_SHORTEST:
            self._distinct.add(value)
        if self._exact.possible:
            self._exact.note(value, int(math.ulp(number)))
        if self._shortest.possible:
            self._shortest.note(value, 10 ** (len(str(value)) - 17))

    def report(self, faults: Faults) -> None:
        """Record a fault where rounding is proven, a warning where it is likely."""
        scattered = self._high - self._low >= 16 * self._count * self._unit
        for form in (self._exact, self._shortest):
            if form.possible and form.has_no_coarser_grid and scattered and len(self._distinct) >= self.LEAST_TO_WARN:
                ids = f"all {self._count:,} {self._noun}s are numbers that a 64-bit float can hold"
                if len(self._distinct) >= form.least:
                    faults.add(self._line, f"{ids}: a program has rounded them; {AGAIN}")
                else:
                    faults.warn(f"{ids}: a program may have rounded them; compare with the original", self._line)
                return
