"""What an answer of the token service means (tokenByAkSk, cec_07_0002). No I/O.

Its body is never shown as it is: it may hold a token. Shown are the status, the code and the message, and of these
nothing that looks like a secret.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

from bulkroute.cec.answers import NoReply, Reply, judge_parsed, parse
from bulkroute.model import Ruling

USUAL_LIFE_S = 600.0
"""How long a token lives whose answer does not say: what the vendor gives where no life is asked for."""

CODES = ("error", "error_code", "errorCode", "returnCode", "retCode", "resultCode", "code")
MESSAGES = ("error_description", "error_msg", "error_message", "description", "message", "msg")

REFUSALS = frozenset({"invalid_client", "unauthorized_client", "access_denied", "401", "403"})
"""Codes that refuse the key pair whatever the status says."""

_UNSEEN = r"(?! )[\s\x00-\x1f\x7f\u200b-\u200f\u2060\ufeff\ufffd]"  # one set: two ways to match would be tried both
LIKE_A_SECRET = re.compile(rf"(?:[A-Za-z0-9+/=_.~%\\&#;-](?:{_UNSEEN})*){{16,}}")
"""Escaped or not, and also where it is split over lines, or by what cannot be seen."""


class Issued(NamedTuple):
    """A token, and how long it lives from the moment it was asked for."""

    value: str
    life_s: float


class KeysWrong(NamedTuple):
    """The key pair is refused: asking again is no use."""

    words: str


class Trouble(NamedTuple):
    """No token this time. `is_throttled`: too many were asked for; `retry_after_s` is the wait it names, if any."""

    words: str
    is_throttled: bool = False
    retry_after_s: float | None = None


def read_token_answer(answer: Reply | NoReply) -> Issued | KeysWrong | Trouble:
    """Return what an answer to tokenByAkSk means."""
    if isinstance(answer, NoReply):
        return Trouble(answer.description)
    said = parse(answer)
    verdict = judge_parsed(answer, said, clean=str)
    words = _words(answer, said)
    if verdict.ruling is Ruling.THROTTLED:
        return Trouble(words, True, verdict.retry_after_s)
    if verdict.ruling is Ruling.REFUSED or answer.http_status == 400 or _first(said, CODES) in REFUSALS:
        return KeysWrong(words)
    if said is None or not 200 <= answer.http_status < 300:
        return Trouble(words)
    if "AccessToken" not in said:
        names = ", ".join(_hide(name) for name in sorted(said)) or "nothing"
        found = f"; {words}" if _first(said, CODES + MESSAGES) else ""
        return Trouble(f"the answer of the token service has no AccessToken, but {names}{found}")
    return _issued(said)


def _issued(said: Mapping[str, Any]) -> Issued | Trouble:
    value, expires = said["AccessToken"], said.get("Expires")
    try:
        life_s = USUAL_LIFE_S if expires is None else float(expires)
    except (ValueError, TypeError, OverflowError):
        life_s = math.nan
    usable = isinstance(value, str) and value.isascii() and value.isprintable() and value and " " not in value
    if not usable or not 0 < life_s < math.inf:
        return Trouble("the answer of the token service has an AccessToken or Expires that cannot be used")
    return Issued(value, life_s)


def _words(answer: Reply, said: Mapping[str, Any] | None) -> str:
    """Return the status, the code and the message."""
    parts = (f"HTTP {answer.http_status}", _first(said, CODES), _first(said, MESSAGES))
    return ", ".join(_hide(part) for part in parts if part)


def _first(said: Mapping[str, Any] | None, names: tuple[str, ...]) -> str | None:
    """Return the first of these fields that is a text or a number, as text."""
    for name in names:
        value = (said or {}).get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def _hide(text: str) -> str:
    if text in REFUSALS:
        return text  # though one is as long as a secret
    return LIKE_A_SECRET.sub("***", unicodedata.normalize("NFKC", text))
