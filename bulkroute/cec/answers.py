"""What an answer means. No I/O.

Sources of vendor behaviour: modifyCalledRoute (cec_07_0042): 200 with `returnCode` "0" is success, 500 a business
failure that may or may not pass; apig_03_0047 and the APIG error codes: 429 with APIG.0308 is throttling.
Texts are decoded by their declared charset, else as Unicode, else as GB18030, which is what older Chinese systems
answer in: codes and ids are ASCII, so a text that cannot be read never hides them.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any, NamedTuple, Self

from bulkroute.cec.limits import Field, of_limits, quota, wait_s
from bulkroute.model import FailureKind, Ruling, Verdict
from bulkroute.rate.signs import Sign

TEXT_LIMIT = 500
"""Characters kept of what the service says."""

PASSING_4XX = frozenset({408, 421, 425})
"""What a gateway answers to a call that came at a bad moment, or on a bad connection."""

THROTTLING_CODES = frozenset({"APIG.0308", "APIGW.0308"})
"""What API Gateway says when it throttles, whatever the status."""

MAY_BE_THROTTLING = b".0308"
"""Part of all of these: a quick look at a body before it is parsed."""

CODES = frozenset({"returnCode", "retCode"})


class Reply(NamedTuple):
    """An HTTP answer. `body` holds its first MiB; `whole` tells whether that is all of it; the rest are headers."""

    http_status: int
    body: bytes
    whole: bool = True
    limits: tuple[Field, ...] = ()
    date: str | None = None
    content_type: str | None = None

    @classmethod
    def of(cls, http_status: int, body: bytes, headers: Mapping[str, str], *, whole: bool) -> Self:
        """Make one, with the headers that count; nearly all answers are successes, which have none."""
        if http_status == 200 and MAY_BE_THROTTLING not in body:
            return cls(http_status, body, whole, content_type=headers.get("Content-Type"))
        fields = of_limits(headers.items())
        return cls(http_status, body, whole, fields, headers.get("Date"), headers.get("Content-Type"))

    @property
    def says_when(self) -> bool:
        """Whether it has a Retry-After."""
        return any(field.name == "retry-after" for field in self.limits)

    @property
    def keeps_connection(self) -> bool:
        """Whether the next call may use the same connection; not where a gateway failed: another may be there by then."""
        return self.whole and (self.http_status <= 500 or self.says_when)


class NoReply(NamedTuple):
    """A call that got no whole answer: `kind` is CONNECTION or TIMEOUT. `sent` is False where nobody could have got it.

    `by_proxy`: the proxy refuses to let calls through.
    """

    kind: FailureKind
    description: str
    sent: bool = True
    by_proxy: bool = False


def judge(answer: Reply | NoReply, *, clean: Callable[[str], str]) -> Verdict:
    """Return what an answer to modifyCalledRoute means. `clean` makes the service's texts fit to be kept and shown."""
    if isinstance(answer, NoReply):
        if answer.by_proxy:
            return Verdict(Ruling.BARRED, None, None, None, clean(answer.description))
        return Verdict(Ruling.AGAIN, answer.kind, None, None, clean(answer.description))
    return judge_parsed(answer, parse(answer), clean=clean)


def judge_parsed(answer: Reply, said: Mapping[str, Any] | None, *, clean: Callable[[str], str]) -> Verdict:
    """Return what an answer means whose JSON object is `said`."""
    status = answer.http_status
    code = _text(said.get("returnCode"), str) if status == 200 and said is not None else None
    if code is not None and said is not None and code not in THROTTLING_CODES:
        description = _text(said.get("description"), clean)
        if code == "0":  # held against the code as it came: a secret of that name is blotted out afterwards
            return Verdict(Ruling.DONE, None, status, clean(code), description)
        return Verdict(Ruling.FAILED, FailureKind.BUSINESS, status, clean(code), description)
    return_code, description = _texts(said, answer, clean)
    if status == 429 or (status == 503 and answer.says_when) or return_code in THROTTLING_CODES:
        return Verdict(
            Ruling.THROTTLED,
            None,
            status,
            return_code,
            description,
            wait_s(answer.limits, answer.date),
            quota(answer.limits, description),
        )
    ruling, kind = _judge_status(status)
    return Verdict(ruling, kind, status, return_code, description)


def _judge_status(status: int) -> tuple[Ruling, FailureKind | None]:
    if status == 200:
        return Ruling.AGAIN, FailureKind.BAD_ANSWER
    if status in (401, 403):
        return Ruling.REFUSED, None
    if status == 407:
        return Ruling.BARRED, None
    if status >= 500 or status in PASSING_4XX:
        return Ruling.AGAIN, FailureKind.SERVER
    if status == 404:
        return Ruling.FAILED, FailureKind.NOT_FOUND
    if status >= 400:
        return Ruling.FAILED, FailureKind.BAD_REQUEST
    return Ruling.FAILED, FailureKind.BAD_ANSWER


def parse(answer: Reply) -> dict[str, Any] | None:
    """Return the answer's JSON object; None for anything else, and for one that names two different codes."""
    if not answer.whole:
        return None
    try:
        said = json.loads(decode(answer), object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError where a code is named twice and differs: the last one need not be true."""
    said = dict(pairs)
    if len(said) < len(pairs):
        for name, value in pairs:
            if name in CODES and str(value) != str(said[name]):
                raise ValueError(f"{name} is there twice")
    return said


def decode(answer: Reply) -> str:
    """Return the body as text; what cannot be decoded becomes U+FFFD."""
    for encoding in (_charset(answer.content_type), json.detect_encoding(answer.body), "gb18030"):
        if encoding is not None:
            with contextlib.suppress(LookupError, ValueError):  # an encoding that nobody knows, or another one
                return answer.body.decode(encoding).removeprefix("\ufeff")
    return answer.body.decode("utf-8", "replace")


def _charset(content_type: str | None) -> str | None:
    """Return the charset that a Content-Type names."""
    if content_type is None or "charset" not in content_type.lower():
        return None
    message = Message()
    message["Content-Type"] = content_type
    return message.get_content_charset()


_SIGNS = {
    FailureKind.BUSINESS: Sign.LIFE,
    FailureKind.BAD_REQUEST: Sign.LIFE,
    FailureKind.NOT_FOUND: Sign.LIFE,
    FailureKind.SERVER: Sign.AWAY,
    FailureKind.TIMEOUT: Sign.AWAY,
    FailureKind.CONNECTION: Sign.UNREACHED,
}


def sign_of(verdict: Verdict) -> Sign:
    """Return what the answer behind a verdict tells of the service."""
    if verdict.ruling is Ruling.DONE:
        return Sign.SUCCESS
    if verdict.kind is None:
        return Sign.NOTHING
    if verdict.http_status == 500:
        return Sign.ERROR_500
    if verdict.http_status in (421, 425):
        return Sign.UNCLEAR
    return _SIGNS.get(verdict.kind, Sign.UNCLEAR)


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
    return clean(decode(answer))
