"""What each answer means."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from multidict import CIMultiDict
from tenacity import RetryCallState

from bulkroute.cec.answers import TEXT_LIMIT, NoReply, Reply, judge, parse, sign_of
from bulkroute.cec.clean_text import CleanText
from bulkroute.model import FailureKind, Ruling, Verdict, printable
from bulkroute.rate.backoff import full_jitter
from bulkroute.rate.signs import Sign


def plain(text: str) -> str:
    return printable(text, TEXT_LIMIT)


def said(status: int, body: object = None, **headers: str) -> Verdict:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge(Reply.of(status, raw, CIMultiDict(named), whole=True), clean=plain)


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
        *((status, b"", Ruling.AGAIN, FailureKind.SERVER) for status in (501, 505, 520, 521, 522, 523, 524, 529, 598)),
        *((status, b"", Ruling.AGAIN, FailureKind.SERVER) for status in (408, 421, 425)),
        (407, b"", Ruling.BARRED, None),
        (200, b'{"returnCode":"1","returnCode":"0"}', Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, b'{"returnCode":"0","returnCode":"1"}', Ruling.AGAIN, FailureKind.BAD_ANSWER),
        (200, b'{"returnCode":"0","returnCode":0,"description":"a","description":"b"}', Ruling.DONE, None),
        (429, b"", Ruling.THROTTLED, None),
        (400, b"", Ruling.FAILED, FailureKind.BAD_REQUEST),
        (404, b"", Ruling.FAILED, FailureKind.NOT_FOUND),
        (409, b"", Ruling.FAILED, FailureKind.BAD_REQUEST),
        (418, b"", Ruling.FAILED, FailureKind.BAD_REQUEST),
        *((status, {"error_code": "APIG.0308"}, Ruling.THROTTLED, None) for status in (200, 403, 500)),
        *((status, {"error_code": "APIGW.0308"}, Ruling.THROTTLED, None) for status in (200, 400, 502)),
        (499, b"", Ruling.FAILED, FailureKind.BAD_REQUEST),
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
        ({"returnCode": None, "error_code": "9", "message": "not today"}, "9", "not today"),
        ({"description": ["更新", True]}, None, '["更新", true]'),
        (b"gone away", None, "gone away"),
        (b"", None, "empty answer"),
    ],
)
def test_code_and_description_are_kept(body: object, code: str | None, description: str) -> None:
    verdict = said(500, body)
    assert (verdict.return_code, verdict.description) == (code, description)


OK_IN_CHINESE = '{"returnCode":"0","description":"更新成功"}'


@pytest.mark.parametrize(
    ("body", "content_type", "description"),
    [
        (OK_IN_CHINESE.encode("gbk"), "application/json;charset=GBK", "更新成功"),
        (OK_IN_CHINESE.encode("gb18030"), "application/json", "更新成功"),
        (OK_IN_CHINESE.encode("gbk"), "application/json; charset=utf-8", "更新成功"),
        (OK_IN_CHINESE.encode("gbk"), 'application/json; Charset="no-such-charset"', "更新成功"),
        (OK_IN_CHINESE.encode(), 'application/json; charset="UTF-8"', "更新成功"),
        (OK_IN_CHINESE.encode(), None, "更新成功"),
        (OK_IN_CHINESE.encode("utf-8-sig"), "application/json;charset=utf-8", "更新成功"),
        (OK_IN_CHINESE.encode("utf-16"), None, "更新成功"),
        (OK_IN_CHINESE.encode("big5"), "application/json; charset=big5", "更新成功"),
        (b'{"returnCode":"0","description":"caf\xe9"}', "application/json; charset=iso-8859-1", "caf\xe9"),
        (b'{"returnCode":"0","description":"\xff\xff"}', "application/json", "\ufffd\ufffd"),
        (b'{"returnCode":"0","description":"x"}', "application/json; charset=undefined", "x"),
        (b'{"returnCode":"0","description":"x"}', "application/json; charset=hex", "x"),
        (b'{"returnCode":"0","description":"x"}', "application/json; charset=", "x"),
    ],
)
def test_a_success_is_a_success_in_any_charset(body: bytes, content_type: str | None, description: str) -> None:
    verdict = judge(Reply(200, body, content_type=content_type), clean=plain)
    assert (verdict.ruling, verdict.description) == (Ruling.DONE, description)


def test_an_error_in_a_chinese_charset_keeps_its_code_and_its_words() -> None:
    body = '{"returnCode":"170001","description":"参数错误"}'.encode("gb18030")
    verdict = judge(Reply(500, body, content_type="application/json;charset=GB18030"), clean=plain)
    assert (verdict.kind, verdict.return_code, verdict.description) == (FailureKind.SERVER, "170001", "参数错误")


def test_a_proxy_that_lets_nothing_through_is_no_trouble_of_the_row() -> None:
    answer = NoReply(FailureKind.CONNECTION, "the proxy answered 407", sent=False, by_proxy=True)
    assert judge(answer, clean=plain).ruling is Ruling.BARRED


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("-5", 0),
        ("9" * 400, float("inf")),
        ("soon", None),
        ("1.5", 1.5),
        ("30s", 30),
        ('"7"', 7),
        ("5, 120, 30", 120),
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


@pytest.mark.parametrize(
    ("ruling", "kind", "status", "sign"),
    [
        (Ruling.DONE, None, 200, Sign.SUCCESS),
        (Ruling.FAILED, FailureKind.BUSINESS, 200, Sign.LIFE),
        (Ruling.FAILED, FailureKind.BAD_REQUEST, 400, Sign.LIFE),
        (Ruling.FAILED, FailureKind.NOT_FOUND, 404, Sign.LIFE),
        (Ruling.AGAIN, FailureKind.SERVER, 500, Sign.ERROR_500),
        (Ruling.AGAIN, FailureKind.SERVER, 502, Sign.AWAY),
        (Ruling.AGAIN, FailureKind.SERVER, 523, Sign.AWAY),
        (Ruling.AGAIN, FailureKind.SERVER, 408, Sign.AWAY),
        (Ruling.AGAIN, FailureKind.SERVER, 425, Sign.UNCLEAR),
        (Ruling.AGAIN, FailureKind.TIMEOUT, None, Sign.AWAY),
        (Ruling.AGAIN, FailureKind.CONNECTION, None, Sign.UNREACHED),
        (Ruling.AGAIN, FailureKind.BAD_ANSWER, 200, Sign.UNCLEAR),
        (Ruling.FAILED, FailureKind.BAD_ANSWER, 302, Sign.UNCLEAR),
        (Ruling.THROTTLED, None, 429, Sign.NOTHING),
        (Ruling.THROTTLED, None, 503, Sign.NOTHING),
        (Ruling.REFUSED, None, 401, Sign.NOTHING),
        (Ruling.BARRED, None, 407, Sign.NOTHING),
    ],
)
def test_what_an_answer_tells_of_the_service(
    ruling: Ruling, kind: FailureKind | None, status: int | None, sign: Sign
) -> None:
    assert sign_of(Verdict(ruling, kind, status, None, None)) is sign


def test_nothing_but_a_success_is_looked_through_for_limits() -> None:
    headers = {"Retry-After": "7", "Date": "Mon, 23 Nov 2026 12:00:00 GMT", "Content-Type": "text/plain"}
    success = Reply.of(200, b'{"returnCode":"0"}', headers, whole=True)
    assert (success.limits, success.date, success.content_type) == ((), None, "text/plain")
    for status, body in ((429, b""), (200, b'{"error_code":"APIG.0308"}'), (201, b"")):
        refusal = Reply.of(status, body, headers, whole=True)
        assert (refusal.says_when, refusal.date, refusal.content_type) == (True, headers["Date"], "text/plain")


@pytest.mark.parametrize(
    ("status", "headers", "whole", "kept"),
    [
        (200, {}, True, True),
        (500, {}, True, True),
        (501, {}, True, False),
        (503, {}, True, False),
        (503, {"Retry-After": "1"}, True, True),
        (200, {}, False, False),
        (503, {"Retry-After": "1"}, False, False),
    ],
)
def test_a_connection_to_a_gateway_that_failed_is_not_used_again(
    status: int, headers: dict[str, str], whole: bool, kept: bool
) -> None:
    assert Reply.of(status, b"x", headers, whole=whole).keeps_connection is kept


@pytest.mark.parametrize("code", ["returnCode", "retCode"])
def test_an_answer_that_names_two_codes_means_nothing(code: str) -> None:
    assert parse(Reply(200, f'{{"{code}": "1", "{code}": "0"}}'.encode())) is None
    assert parse(Reply(200, f'{{"{code}": "0", "a": 1, "a": 2, "{code}": 0}}'.encode())) == {code: 0, "a": 2}


def test_what_a_gateway_answers_on_a_bad_connection_tells_nothing_of_the_service() -> None:
    assert [sign_of(said(status)) for status in (421, 425)] == [Sign.UNCLEAR] * 2
    assert [sign_of(said(status)) for status in (408, 422, 500)] == [Sign.AWAY, Sign.LIFE, Sign.ERROR_500]


def test_a_secret_that_is_spelt_like_a_code_changes_no_verdict() -> None:
    reply = Reply(200, b'{"returnCode": "0", "description": "0 errors"}', content_type="application/json")
    verdict = judge(reply, clean=CleanText(["0"]))
    assert (verdict.ruling, verdict.return_code, verdict.description) == (Ruling.DONE, "***", "*** errors")
