"""Which answer of the service means what: each answer is given to `judge`, and what it says is put in words."""

from http import HTTPStatus

from bulkroute.cec.answers import NoReply, Reply, judge
from bulkroute.model import FailureKind, Ruling
from tests.docs.markdown import table
from tests.docs.members import lines_of


def _said(status: int, body: str, *, whole: bool = True, retry_after: str | None = None) -> Reply:
    return Reply.of(status, body.encode(), {} if retry_after is None else {"Retry-After": retry_after}, whole=whole)


def _plain(status: int) -> tuple[str, Reply]:
    return f"{status} {HTTPStatus(status).phrase}", _said(status, "")


THROTTLED = '{"error_code":"APIG.0308","error_msg":"The throttling threshold has been reached"}'

ANSWERS: list[tuple[str, Reply | NoReply]] = [
    ('200, `returnCode` is "0"', _said(200, '{"returnCode":"0","description":"data update success"}')),
    ("200, `returnCode` is the number 0", _said(200, '{"returnCode":0}')),
    ("200, any other `returnCode`", _said(200, '{"returnCode":"2","description":"in use"}')),
    ("200, no `returnCode`", _said(200, '{"description":"success"}')),
    ("200, not a JSON object", _said(200, "<html>")),
    ("200, two codes that differ", _said(200, '{"returnCode":"1","returnCode":"0"}')),
    ("200, longer than 1 MiB", _said(200, '{"returnCode":"0"}', whole=False)),
    ("201, 204 or another 2xx", _said(201, '{"returnCode":"0"}')),
    ("301, 302 or another redirect", _said(302, "")),
    _plain(400),
    _plain(401),
    _plain(403),
    _plain(404),
    _plain(405),
    _plain(407),
    _plain(408),
    _plain(409),
    _plain(421),
    _plain(425),
    ("429, with or without Retry-After", _said(429, THROTTLED)),
    ("another 4xx", _said(418, "")),
    ("a gateway's throttling code (`APIG.0308`) with 403", _said(403, THROTTLED)),
    _plain(500),
    ('500, with a `returnCode` ("business failure")', _said(500, '{"returnCode":"3","description":"in use"}')),
    _plain(501),
    _plain(502),
    _plain(503),
    ("503, with Retry-After", _said(503, "", retry_after="5")),
    _plain(504),
    ("another 5xx, such as 520 to 529", _said(520, "")),
    ("no connection, or it broke", NoReply(FailureKind.CONNECTION, "connection reset")),
    ("the proxy refuses", NoReply(FailureKind.CONNECTION, "the proxy answered 407", by_proxy=True)),
    ("no answer in time", NoReply(FailureKind.TIMEOUT, "no answer within 15 s")),
]


def rulings() -> str:
    """Return what each ruling means."""
    lines = lines_of(Ruling)
    return table(("verdict", "means"), [(f"`{ruling.value}`", lines[ruling.name]) for ruling in Ruling])


def failure_kinds() -> str:
    """Return what each failure kind means."""
    lines = lines_of(FailureKind)
    return table(("kind", "means"), [(f"`{kind.value}`", lines[kind.name]) for kind in FailureKind])


def answers() -> str:
    """Return what `judge` says of each answer."""
    rows = []
    for words, answer in ANSWERS:
        verdict = judge(answer, clean=str)
        rows.append((words, f"`{verdict.ruling.value}`", f"`{verdict.kind.value}`" if verdict.kind else ""))
    return table(("answer", "verdict", "the row fails with"), rows)
