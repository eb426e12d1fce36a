"""What each answer means."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tenacity import RetryCallState

from bulkroute.cec.answers import TEXT_LIMIT, NoReply, Reply, judge
from bulkroute.model import FailureKind, Ruling, Verdict, printable
from bulkroute.rate.backoff import full_jitter


def plain(text: str) -> str:
    return printable(text, TEXT_LIMIT)


def said(status: int, body: object = None, **header: str) -> Verdict:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return judge(Reply(status, raw, **header), clean=plain)  # type: ignore[arg-type]  # names of headers


@pytest.mark.parametrize(
    ("status", "body", "ruling", "kind"),
    [
        (200, {"returnCode": "0", "description": "data update success"}, Ruling.DONE, None),
        (200, {"returnCode": 0}, Ruling.DONE, None),
        (200, {"returnCode": "1"}, Ruling.FAILED, FailureKind.BUSINESS),
        (200, {"returnCode": "00"}, Ruling.FAILED, FailureKind.BUSINESS),
        (200, {"returnCode": False}, Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, {"returnCode": None}, Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, {"description": "fine"}, Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, {"error_code": "0"}, Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, ["0"], Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, b"<html>ok</html>", Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, b"\xff\xfe{", Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, b"", Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, b"[" * 100_000, Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (500, {"returnCode": "170001", "description": "no"}, Ruling.AGAIN, FailureKind.SERVER),
        (502, b"", Ruling.AGAIN, FailureKind.SERVER),
        (503, b"", Ruling.AGAIN, FailureKind.SERVER),
        (504, b"", Ruling.AGAIN, FailureKind.SERVER),
        (501, b"", Ruling.FAILED, FailureKind.SERVER),
        (429, b"", Ruling.THROTTLED, None),
        (400, b"", Ruling.FAILED, FailureKind.BAD_REQUEST),
        (404, b"", Ruling.FAILED, FailureKind.NOT_FOUND),
        (409, b"", Ruling.FAILED, FailureKind.BAD_REQUEST),
        (418, b"", Ruling.FAILED, FailureKind.BAD_REQUEST),
        (401, b"", Ruling.REFUSED, None),
        (403, b"", Ruling.REFUSED, None),
        (302, b"", Ruling.FAILED, FailureKind.BAD_ANSWER),
        (204, b"", Ruling.FAILED, FailureKind.BAD_ANSWER),
    ],
)
def test_every_answer_has_its_verdict(status: int, body: object, ruling: Ruling, kind: FailureKind | None) -> None:
    verdict = said(status, body)
    assert (verdict.ruling, verdict.kind, verdict.http_status) == (ruling, kind, status)


@pytest.mark.parametrize("kind", [FailureKind.CONNECTION, FailureKind.TIMEOUT])
def test_no_answer_is_tried_again(kind: FailureKind) -> None:
    verdict = judge(NoReply(kind, "broken\r\npipe"), clean=plain)
    assert (verdict.ruling, verdict.kind, verdict.description) == (Ruling.AGAIN, kind, "broken pipe")


def test_an_answer_cut_at_the_limit_is_no_success_even_if_it_parses() -> None:
    body = json.dumps({"returnCode": "0"}).encode()
    assert judge(Reply(200, body, whole=False), clean=plain).kind is FailureKind.BAD_ANSWER


@pytest.mark.parametrize(
    ("body", "code", "description"),
    [
        ({"returnCode": "17", "description": "no such skill"}, "17", "no such skill"),
        ({"error_code": "APIG.0308", "error_msg": "throttled"}, "APIG.0308", "throttled"),
        ({"error_code": "APIGW.0308", "error_message": "too many"}, "APIGW.0308", "too many"),
        ({"returnCode": 17, "description": ["a", 1]}, "17", '["a", 1]'),
        (b"gone away", None, "gone away"),
    ],
)
def test_code_and_description_are_kept(body: object, code: str | None, description: str) -> None:
    verdict = said(500, body)
    assert (verdict.return_code, verdict.description) == (code, description)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("-5", 0),
        ("9" * 400, float("inf")),
        ("soon", None),
        ("1.5", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after_in_seconds(header: str, seconds: float | None) -> None:
    assert said(429, b"", retry_after=header).retry_after_s == seconds


def test_retry_after_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (said(429, b"", retry_after=later).retry_after_s or 0) <= 30
    assert said(429, b"", retry_after="Mon, 01 Jan 2001 00:00:00 GMT").retry_after_s == 0


def test_a_date_counts_from_the_answers_own_date() -> None:
    verdict = said(429, b"", retry_after="Mon, 01 Jan 2001 00:00:20 GMT", date="Mon, 01 Jan 2001 00:00:00 GMT")
    assert verdict.retry_after_s == 20


@pytest.mark.parametrize("nonsense", ["+-5", "--1", "٣", "1e3", "soon", "", "Mon, 99 Foo 2001"])
def test_retry_after_that_makes_no_sense(nonsense: str) -> None:
    assert said(429, b"", retry_after=nonsense).retry_after_s is None


def test_503_throttles_only_with_retry_after() -> None:
    assert said(503, b"", retry_after="1").ruling is Ruling.THROTTLED
    assert said(503, b"").ruling is Ruling.AGAIN


def test_backoff_is_capped_first_and_jittered_after() -> None:
    wait = full_jitter(0.5, 20)
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]  # waits read the number
    for number, highest in ((1, 0.5), (2, 1), (4, 4), (20, 20)):
        state.attempt_number = number
        waits = [wait(state) for _ in range(300)]
        assert 0 <= min(waits) < highest * 0.2
        assert highest * 0.8 < max(waits) <= highest
