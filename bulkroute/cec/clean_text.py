"""The service's texts without secrets: it may echo a token, the app secret or a header that it was sent."""

import json
from collections import deque
from collections.abc import Iterable
from itertools import chain
from urllib.parse import quote

from bulkroute.cec.answers import TEXT_LIMIT
from bulkroute.model import printable

TOKENS_REMEMBERED = 8
"""Tokens kept in mind, beside the fixed secrets: those of the last hours."""


class CleanText:
    """Blots out the secrets it was told of, however they are spelt."""

    def __init__(self, fixed_secrets: Iterable[str]) -> None:
        self._fixed = [spelling for secret in fixed_secrets for spelling in _spellings(secret)]
        self._tokens: deque[list[str]] = deque(maxlen=TOKENS_REMEMBERED)

    def learn(self, token: str) -> None:
        """Blot out this token as well, until `TOKENS_REMEMBERED` others have come since."""
        self._tokens.append(_spellings(token))

    def __call__(self, text: str) -> str:
        """Return `text` fit to be kept and shown: printable, and without any secret the service may have echoed."""
        return printable(self.blot_out(text), TEXT_LIMIT)

    def blot_out(self, text: str) -> str:
        """Return `text` with stars for each secret, else as it is."""
        for secret in chain(self._fixed, *self._tokens):
            if secret in text:
                text = text.replace(secret, "***")
        return text

    @property
    def longest(self) -> int:
        """How many characters the longest spelling of a secret has."""
        return max(map(len, chain(self._fixed, *self._tokens)), default=0)


def _spellings(secret: str) -> list[str]:
    """Return a secret as it is, as JSON writes it and as a URL does."""
    return list(dict.fromkeys((secret, json.dumps(secret)[1:-1], quote(secret, safe=""))))
