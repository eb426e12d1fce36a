"""What an answer means. No I/O.

Sources of vendor behaviour: modifyCalledRoute (cec_07_0042): 200 with `returnCode` "0" is success, 500 a business
failure that may or may not pass; apig_03_0047 and the APIG error codes: 429 with APIG.0308 is throttling.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from bulkroute.model import FailureKind, Ruling, Verdict

TEXT_LIMIT = 500
"""Characters kept of what the service says."""

GATEWAY_ERRORS = frozenset({502, 503, 504})


class Reply(NamedTuple):
    """An HTTP answer. `body` holds its first MiB; `whole` tells whether that is all of it; the rest are headers."""

    http_status: int
    body: bytes
    whole: bool = True
    retry_after: str | None = None
    date: str | None = None


class NoReply(NamedTuple):
    """A call that got no whole answer: `kind` is CONNECTION or TIMEOUT. `sent` is False where nobody could have got it."""

    kind: FailureKind
    description: str
    sent: bool = True


def judge(answer: Reply | NoReply, *, clean: Callable[[str], str]) -> Verdict:
    """Return what an answer to modifyCalledRoute means. `clean` makes the service's texts fit to be kept and shown."""
    if isinstance(answer, NoReply):
        return Verdict(Ruling.AGAIN, answer.kind, None, None, clean(answer.description))
    return judge_parsed(answer, parse(answer), clean=clean)


def judge_parsed(answer: Reply, said: Mapping[str, Any] | None, *, clean: Callable[[str], str]) -> Verdict:
    """Return what an answer means whose JSON object is `said`."""
    status = answer.http_status
    if status == 200 and said is not None and (return_code := _text(said.get("returnCode"), clean)) is not None:
        description = _text(said.get("description"), clean)
        if return_code == "0":
            return Verdict(Ruling.DONE, None, status, return_code, description)
        return Verdict(Ruling.FAILED, FailureKind.BUSINESS, status, return_code, description)
    return_code, description = _texts(said, answer, clean)
    if status == 429 or (status == 503 and answer.retry_after is not None):
        return Verdict(Ruling.THROTTLED, None, status, return_code, description, _seconds(answer))
    ruling, kind = _judge_status(status)
    return Verdict(ruling, kind, status, return_code, description)


def _judge_status(status: int) -> tuple[Ruling, FailureKind | None]:
    if status == 200:
        return Ruling.AGAIN, FailureKind.BAD_ANSWER
    if status in (401, 403):
        return Ruling.REFUSED, None
    if status == 500 or status in GATEWAY_ERRORS:
        return Ruling.AGAIN, FailureKind.SERVER
    if status == 404:
        return Ruling.FAILED, FailureKind.NOT_FOUND
    if 400 <= status < 500:
        return Ruling.FAILED, FailureKind.BAD_REQUEST
    if status > 500:
        return Ruling.FAILED, FailureKind.SERVER
    return Ruling.FAILED, FailureKind.BAD_ANSWER


def parse(answer: Reply) -> dict[str, Any] | None:
    """Return the answer's JSON object, None for anything else."""
    if not answer.whole:
        return None
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _texts(said: Mapping[str, Any] | None, answer: Reply, clean: Callable[[str], str]) -> tuple[str | None, str | None]:
    """Return the code and the description; the gateway in front of the service has its own names for both."""
    said = said or {}
    code = _first(said, "returnCode", "error_code")
    description = _first(said, "description", "error_msg", "error_message", "message")
    return _text(code, clean), _text(description, clean) or _shown_body(answer, clean)


def _first(said: Mapping[str, Any], *names: str) -> Any:
    return next((said[name] for name in names if said.get(name) is not None), None)


def _text(value: Any, clean: Callable[[str], str]) -> str | None:
    """Return a JSON value as text; a code may come as the number 0."""
    if value is None or isinstance(value, bool):
        return None
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _shown_body(answer: Reply, clean: Callable[[str], str]) -> str:
    if not answer.body:
        return "empty answer"
    # Not cut before it is clean: half a secret is no longer recognised.
    return clean(answer.body.decode("utf-8", "replace"))


def _seconds(answer: Reply) -> float | None:
    """Return Retry-After in seconds, given as a number or a date; None where it makes no sense.

    A date is held against the answer's own `Date`: the clocks of two machines may differ by hours.
    """
    text = (answer.retry_after or "").strip()
    if text.isascii() and text.removeprefix("-").isdecimal():
        return max(0.0, float(text))
    moment = _moment(text)
    if moment is None:
        return None
    now = _moment(answer.date or "") or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _moment(text: str) -> datetime | None:
    """Return an HTTP date, None for anything else."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
