"""The service's texts without secrets: it may echo a token, the app secret or a header that it was sent.

A secret that stands there as it is, as JSON writes it or as a URL does becomes `***`, and the words around it stay. In
any other disguise (escapes within escapes, split over lines, in base64), and where a text ends in the midst of a long
one, it takes the whole text with it: what is left of such a text would not be worth the risk.
"""

import base64
import html
import json
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple, Self
from urllib.parse import quote, unquote

from bulkroute.cec.answers import TEXT_LIMIT
from bulkroute.model import printable

TOKENS_REMEMBERED = 8
"""Tokens kept in mind, beside the fixed secrets: those of the last hours."""

TEXTS_REMEMBERED = 256
"""Short texts that were cleaned already: a service says few, each of them thousands of times."""

STARS = "***"

UNESCAPED_TIMES = 3
"""An escaped text may be quoted in one that is escaped again, by each gateway on its way."""

WIDEST_ESCAPE = 12
"""Characters that one character of a secret may be written with."""

FEWEST_SIGNS = 8
"""Letters and digits from which on a secret is looked for in disguise: fewer are found in many an innocent text."""

FEWEST_CUT = 16
"""Likewise for one that a text ends within, because the service has cut it: the first half of them is enough then."""

# Looked for from the first of its backslashes on, and in one go: an answer may be a MiB of them.
_SLASHES = r"(?<!\\)\\++"
_ESCAPE = re.compile(_SLASHES + r"(?:u00|x)([0-9a-fA-F]{2})")
_CUT_ESCAPE = re.compile(
    rf"(?:{_SLASHES}(?:u[0-9a-fA-F]{{0,3}}|x[0-9a-fA-F]?)?|%[0-9a-fA-F]?|&[a-z;]{{0,12}}#?x?[0-9a-fA-F]{{0,6}})\Z"
)
_LINE_END = re.compile(_SLASHES + "[nrt]")
_NO_SIGN = re.compile(r"[^0-9A-Za-z]+")


class _Signs(NamedTuple):
    """Letters and digits by which a secret is known."""

    enough: str
    """What of them gives the secret away where a text ends within it; all of them if they are few."""
    whole: str

    def are_in(self, shown: str) -> bool:
        """Tell whether these letters and digits are among those of a text, or it ends in the second half of them."""
        if self.enough not in shown:  # nearly always
            return False
        return self.whole in shown or self.whole.startswith(shown[shown.rfind(self.enough) :])

    @classmethod
    def of(cls, whole: str) -> Self:
        """Return these, with what is enough of them."""
        return cls(whole[: len(whole) // 2] if len(whole) >= FEWEST_CUT else whole, whole)


class _Known(NamedTuple):
    """A secret: how it is usually spelt, and the letters and digits by which it is known in any disguise."""

    spellings: tuple[str, ...]
    signs: tuple[_Signs, ...]


class CleanText:
    """Blots out the secrets it was told of, however they are spelt."""

    def __init__(self, fixed_secrets: Iterable[str]) -> None:
        self._fixed = [_known(secret) for secret in fixed_secrets]
        self._tokens: deque[_Known] = deque(maxlen=TOKENS_REMEMBERED)
        self._cleaned = lru_cache(TEXTS_REMEMBERED)(self._clean)

    def learn(self, token: str) -> None:
        """Blot out this token as well, until `TOKENS_REMEMBERED` others have come since."""
        self._tokens.append(_known(token))
        self._cleaned.cache_clear()

    def __call__(self, text: str) -> str:
        """Return `text` fit to be kept and shown: printable, and without any secret the service may have echoed."""
        return self._cleaned(text) if len(text) <= TEXT_LIMIT else self._clean(text)

    def _clean(self, text: str) -> str:
        # More is not shown; a secret that begins in what is shown must be seen to its end.
        return printable(self.blot_out(text[: 4 * TEXT_LIMIT + self.longest]), TEXT_LIMIT)

    def blot_out(self, text: str) -> str:
        """Return `text` with stars for each secret, else as it is; stars alone where one stands in it in disguise."""
        for known in chain(self._fixed, self._tokens):
            for spelling in known.spellings:
                if spelling in text:
                    text = text.replace(spelling, STARS)
        return STARS if self._has_disguised(text) else text

    def fields(self, said: dict[str, Any], text: str) -> dict[str, Any]:
        """Return an answer's object, which was read from `text`, without secrets in any of its names and values."""
        # One look at all of it: nearly no answer has any.
        return (
            {self.blot_out(name): self._value(value) for name, value in said.items()}
            if self.blot_out(text) != text
            else said
        )

    @property
    def longest(self) -> int:
        """How many characters the longest secret may take, however it is written."""
        spellings = (spelling for known in chain(self._fixed, self._tokens) for spelling in known.spellings)
        return WIDEST_ESCAPE * max(map(len, spellings), default=0)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            # An id or a number decides what is bound where: no header of digits may make another one of it.
            return value if value.isdecimal() else self.blot_out(value)
        if isinstance(value, Mapping):
            return {self.blot_out(str(name)): self._value(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner) for inner in value]
        return value

    def _has_disguised(self, text: str) -> bool:
        if not (self._fixed or self._tokens):
            return False
        undone = _undone(text)
        seen = _signs_of(undone)
        if (cut := _CUT_ESCAPE.sub("", undone)) != undone:  # which may be no escape, but a part of the secret
            seen |= _signs_of(cut)
        return any(
            signs.are_in(shown) for shown in seen for known in chain(self._fixed, self._tokens) for signs in known.signs
        )


def _undone(text: str) -> str:
    """Return a text with its escapes undone, those within others too."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)  # full-width letters are as good as any
    for _ in range(UNESCAPED_TIMES):
        if not ("&" in text or "%" in text or "\\" in text):
            break
        text = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), unquote(html.unescape(text)))
    return text


def _signs_of(text: str) -> set[str]:
    """Return the letters and digits of a text, with those of its escaped line ends and without."""
    found = {_NO_SIGN.sub("", text)}
    if "\\" in text:
        found.add(_NO_SIGN.sub("", _LINE_END.sub("", text)))
    return found


def _known(secret: str) -> _Known:
    spellings = tuple(dict.fromkeys((secret, json.dumps(secret)[1:-1], quote(secret, safe=""))))
    bare = _NO_SIGN.sub("", secret)
    if len(bare) < FEWEST_SIGNS:
        return _Known(spellings, ())
    coded = secret.encode().hex()
    undone = _NO_SIGN.sub("", _undone(secret))  # one may hold what looks like an escape
    signs = dict.fromkeys(
        (bare, undone if len(undone) >= FEWEST_SIGNS else bare, coded, coded.upper(), *_base64(secret))
    )
    return _Known(spellings, tuple(map(_Signs.of, signs)))


def _base64(secret: str) -> list[str]:
    """Return the letters and digits of a secret in base64 wherever it begins in what is encoded."""
    found = []
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret.encode())
        # The first and the last signs are shared with the neighbours.
        found.append(_NO_SIGN.sub("", coded[(0, 2, 3)[before] : -4].decode()))
    return found
