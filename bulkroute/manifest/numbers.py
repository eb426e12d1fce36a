"""Phone numbers as people write them, and as they are compared: access code, extension code, or both as dialled.

Blanks and punctuation that people put between digits are dropped; leading zeros, `+`, `*` and `#` are kept, and nothing
else is guessed. Other rules hold only where the operator states them (`--rewrite-number`).
"""

import re

from bulkroute.manifest.faults import quote
from bulkroute.manifest.spreadsheet import damage_to_number

MAX_ACCESS_CHARS = 32
"""createCalledRoute (cec_07_0040)."""

MAX_EXT_CHARS = 100
"""The longest of the three limits that the vendor's pages name."""

INT32_OVERFLOW = "2147483647"
"""What a program writes that kept a number in 32 bits."""

_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_BLANKS = " \t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_FULL_WIDTH = {chr(ord("\N{FULLWIDTH DIGIT ZERO}") + digit): str(digit) for digit in range(10)}
_BUT_POINTS = str.maketrans({**dict.fromkeys(f"{_BLANKS}{_INVISIBLE}-–()/"), **_FULL_WIDTH})
_ALL = str.maketrans({**dict.fromkeys(f"{_BLANKS}{_INVISIBLE}-–()/."), **_FULL_WIDTH})
_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
_ACCESS_CODE = re.compile(r"[0-9*#+]+")
_EXT_CODE = re.compile(r"[0-9*#]+")


def normalised(text: str) -> str:
    """Return a number as it is compared, whether a manifest or the service wrote it.

    Dropped are blanks, `-`, `–`, `.`, `(`, `)`, `/`, one leading `'`, and a formula's `="..."`; full-width digits become
    0 to 9. What is no number comes out as something that `number_problem` refuses.
    """
    if text.isascii() and text.isalnum():
        return text
    return _unwrapped(text).translate(_ALL)


def _unwrapped(text: str) -> str:
    """Return the text without what a spreadsheet puts around a number to keep it text."""
    text = text.strip()
    if formula := _FORMULA.fullmatch(text):
        text = formula[1]
    return text.removeprefix("'")


def number_problem(field: str, written: str) -> str | None:
    """Say what is wrong with the text of an `accessCode`, `extCode` or `number`, and what to do; None if nothing is."""
    number = normalised(written)
    if not number:
        return None if field == "extCode" else f"{field} is empty; give the digits"
    if damage := damage_to_number(_unwrapped(written).translate(_BUT_POINTS)):
        return f"{field} {quote(written)} {damage}"
    allowed, limit = (_EXT_CODE, MAX_EXT_CHARS) if field == "extCode" else (_ACCESS_CODE, MAX_ACCESS_CHARS)
    if field == "number":
        limit += MAX_EXT_CHARS
    if not allowed.fullmatch(number):
        odd = next(char for char in number if not allowed.fullmatch(char))
        digits = "digits, * and #" if field == "extCode" else "digits, *, # and +"
        return f"{field} {quote(written)} holds {quote(odd)}; it is made of {digits}"
    if len(number) > limit:
        return f"{field} {quote(written)} has {len(number)} digits; at most {limit} are accepted"
    return None
