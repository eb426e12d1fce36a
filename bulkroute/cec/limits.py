"""What a refusal says of the limit: for how long to wait, and how many calls are allowed in how much time. No I/O.

Everything here comes from elsewhere and may be nonsense: what cannot be read is left out, never an error. Sources:
RFC 9110, 10.2.3 (Retry-After); the drafts of RateLimit and RateLimit-Policy, whose fields changed their form between
06, 07 and 08; `X-RateLimit-*`, which nobody specified; API Gateway's words (`policy ip over ratelimit,limit:5,time:1
minute`) and its `X-Apig-RateLimit-*`, which it sends when it is asked to (`X-Apig-Mode: debug`).
"""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from bulkroute.model import Quota

EPOCH_S = 1e9
"""A number from here on is a moment, in seconds since 1970: the ninth of September 2001 has passed."""

SPANS_S = {"s": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}

_DATE = re.compile(r"[A-Za-z]{3,9},? \d{1,2}[ -][A-Za-z]{3}[ -]\d{2,4} \d\d:\d\d:\d\d(?: [A-Z]{1,5}\b| [+-]\d{4})?")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?|\.\d+", re.ASCII)
_SECONDS = re.compile(rf"\"?(?:\+(?!-))?({_NUMBER.pattern})\s*(?:s|sec|seconds?)?\"?", re.ASCII | re.IGNORECASE)
_APIG = re.compile(r"limit:\s*(\d{1,9})\s*,\s*time:\s*(\d{1,9})?\s*([a-z]+?)s?\b", re.ASCII | re.IGNORECASE)


class Field(NamedTuple):
    """A header: its name in lower case, and its value."""

    name: str
    value: str


def of_limits(headers: Iterable[tuple[str, str]]) -> tuple[Field, ...]:
    """Return the headers that tell of a limit."""
    fields = (Field(name.lower(), value) for name, value in headers)
    return tuple(field for field in fields if field.name == "retry-after" or "ratelimit" in field.name)


def wait_s(fields: Iterable[Field], date: str | None) -> float | None:
    """Return how long to wait before the next call, in seconds; None if nothing is said of it.

    Of several times the longest counts. A moment is held against the answer's own `Date`: clocks may differ by hours.
    Without a Retry-After, the end of a window whose calls are used up counts.
    """
    fields = tuple(fields)
    now = _moment(date or "") or datetime.now(UTC)
    named = [wait for field in fields if field.name == "retry-after" for wait in _waits(field.value, now)]
    if not any(field.name == "retry-after" for field in fields) and 0.0 in _parameters(fields, "remaining", "r"):
        named = [_from(number, now) for number in _parameters(fields, "reset", "t")]
    return max(named, default=None)


def quota(fields: Iterable[Field], description: str | None) -> Quota | None:
    """Return the tightest limit that is named, None if there is none."""
    fields = tuple(fields)
    texts = [description or "", *(field.value for field in fields if field.name.startswith("x-apig-"))]
    quotas = [
        Quota(float(calls), float(times or 1) * SPANS_S[unit.lower()])
        for text in texts
        for calls, times, unit in _APIG.findall(text)
        if unit.lower() in SPANS_S
    ]
    for field in fields:
        quotas += _policies(field)
    sane = [each for each in quotas if 0 < each.calls < math.inf and 0 < each.span_s < math.inf]
    return min(sane, key=lambda each: each.calls / each.span_s, default=None)


def _waits(text: str, now: datetime) -> Iterator[float]:
    for date in _DATE.findall(text):
        if (moment := _moment(date)) is not None:
            yield max(0.0, (moment - now).total_seconds())
    for part in _DATE.sub("", text).split(","):
        if match := _SECONDS.fullmatch(part.strip()):
            yield _from(float(match[1]), now)


def _from(number: float, now: datetime) -> float:
    """Return a number of seconds, or those until a moment."""
    return max(0.0, number - now.timestamp() if number >= EPOCH_S else number)


def _moment(text: str) -> datetime | None:
    """Return an HTTP date, None for anything else, and for a zone that may be any: an hour of waiting is at stake.

    HTTP dates are GMT. A server here that writes its own time writes CST, and means China's, not Chicago's.
    """
    try:
        moment = parsedate_to_datetime(re.sub(r" CST$", " +0800", text))
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is not None:
        return moment
    return None if re.search(r" [A-Z]+$", text) else moment.replace(tzinfo=UTC)


def _parameters(fields: Iterable[Field], long: str, short: str) -> list[float]:
    """Return the numbers that limits name so: as a header of their own, or as a part of `RateLimit`."""
    numbers = []
    for field in fields:
        if field.name in (f"ratelimit-{long}", f"x-ratelimit-{long}"):
            found = _NUMBER.match(field.value.strip())
            numbers += [float(found[0])] if found else []
        elif field.name == "ratelimit":
            pattern = rf"(?:^|[;,\s])(?:{long}|{short})\s*=\s*({_NUMBER.pattern})"
            numbers += [float(number) for number in re.findall(pattern, field.value, re.ASCII)]
    return numbers


def _policies(field: Field) -> Iterator[Quota]:
    """Return the limits of a header that names them with their windows."""
    name, _, unit = field.name.removeprefix("x-").partition("ratelimit-limit-")
    if not name and unit in SPANS_S and (found := _NUMBER.match(field.value.strip())):
        yield Quota(float(found[0]), SPANS_S[unit])
    if field.name not in ("ratelimit-policy", "ratelimit-limit", "x-ratelimit-limit", "x-ratelimit-policy"):
        return
    for policy in field.value.split(","):
        first, *rest = (part.strip() for part in policy.split(";"))
        parameters = {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in rest)}
        calls, span = parameters.get("q", first), parameters.get("w", "")
        if _NUMBER.fullmatch(calls) and _NUMBER.fullmatch(span):
            yield Quota(float(calls), float(span))
