"""Answers of service and token service made up by dice: see `tests/fuzz.py`.

A row is done only by a 200 with returnCode 0, which a plain reading of its bytes finds too; texts are fit to be shown,
numbers are numbers, and no secret is in what is told.
"""

import gzip
import json
import math
import random
from typing import NamedTuple

from bulkroute.cec.answers import TEXT_LIMIT, Reply, judge, sign_of
from bulkroute.cec.clean_text import CleanText
from bulkroute.cec.token_answers import Issued, read_token_answer
from bulkroute.model import Ruling
from bulkroute.rate.signs import Sign
from tests.fuzz_bytes import TEXTS, encoded, json_text, spoil_bytes, spoil_value

SECRET = "q7Lm-Zx9_Tr4Vb2Nc8Wd5"
STATUSES = (
    200,
    200,
    200,
    200,
    200,
    201,
    204,
    302,
    400,
    401,
    403,
    404,
    407,
    408,
    421,
    425,
    429,
    500,
    502,
    503,
    504,
    522,
    599,
)
BODIES = (
    {"returnCode": "0", "description": "success"},
    {"returnCode": "1003", "description": "更新失败"},
    {"returnCode": 0},
    {"error_code": "APIG.0308", "error_msg": "The throttling threshold has been reached: policy ip over ratelimit,limit:5,time:1 minute"},
    {"AccessToken": SECRET, "Expires": "600"},
    {"AccessToken": SECRET, "Expires": 600, "returnCode": "0"},
    {"error": "invalid_client", "error_description": "secret is wrong"},
    {"access_token": SECRET, "expires_in": 600},
)  # fmt: skip
TYPES = (None, "application/json", "application/json;charset=UTF-8", "application/json; charset=GBK", "text/html;charset=nonsense",
         "application/json;charset=utf-16", 'x; charset="', "charset=\x00")  # fmt: skip
HEADERS = (
    ("Retry-After", ("3", "3.5", "0", "-1", "+3", "1e400", "9" * 400, "Sat, 28 Nov 2026 21:00:00 GMT", "Sat, 28 Nov 2026 21:00:00 CST",
                     "1700000000", "3, 120", '"3"', "soon", "", ".5s", "Sat, 99 Nov 0000 99:99:99 GMT")),
    ("X-RateLimit-Remaining", ("0", "12", "-0", "x")),
    ("X-RateLimit-Reset", ("30", "1900000000", "9" * 400)),
    ("RateLimit", ("limit=10, remaining=0, reset=5", "10;w=60;r=0;t=3", '"default";r=0;t=7')),
    ("RateLimit-Policy", ("10;w=60", '"p";q=100;w=60', "0;w=0", "9" * 400 + ";w=1", ";;=;")),
    ("X-Apig-RateLimit-Api", ("remain:0,limit:5,time:1 minute", "limit:9,time:0 day", "limit:,time:")),
)  # fmt: skip


class Made(NamedTuple):
    """An answer as it comes in."""

    status: int
    body: bytes
    headers: dict[str, str]
    whole: bool


def make(dice: random.Random) -> Made:
    """Return an answer, sound or not."""
    value = dice.choice(BODIES)
    for _ in range(dice.choice((0, 0, 0, 1, 1, 2))):
        value = spoil_value(dice, value)
    text = (
        json_text(dice, value) if dice.random() < 0.95 else dice.choice(("", "<html>busy</html>", SECRET, "[" * 5000))
    )
    draw = dice.random()
    body = encoded(text)
    if draw < 0.1:
        body = text.encode("gb18030", "replace")
    elif draw < 0.15:
        body = text.encode(dice.choice(("utf-16", "utf-32", "utf-8-sig")), "replace")
    elif draw < 0.17:
        body = gzip.compress(body, 1)
    if dice.random() < 0.2:
        body = spoil_bytes(dice, body)
    headers = {name: dice.choice(values) for name, values in HEADERS if dice.random() < 0.2}
    if (content_type := dice.choice(TYPES)) is not None:
        headers["Content-Type"] = content_type
    if dice.random() < 0.2:
        headers["Date"] = dice.choice(
            ("Sat, 28 Nov 2026 20:59:00 GMT", "Sat, 28 Nov 2026 20:59:00 +9999", "x", *TEXTS[:6])
        )
    return Made(dice.choice(STATUSES), body, headers, dice.random() < 0.95)


CLEAN = CleanText([SECRET])


def hold(made: Made) -> bool:
    """Judge an answer; return whether it is a success, or a token. Raises AssertionError where that is not right."""
    reply = Reply.of(made.status, made.body, made.headers, whole=made.whole)
    verdict = judge(reply, clean=CLEAN)
    if verdict.ruling is Ruling.DONE:
        assert made.status == 200
        assert made.whole
        assert b'"returnCode"' in made.body.replace(b"\0", b""), "in UTF-16 and UTF-32 too"
        assert b"0" in made.body
        assert sign_of(verdict) is Sign.SUCCESS
    assert (verdict.kind is not None) == (verdict.ruling in (Ruling.FAILED, Ruling.AGAIN))
    for text in (verdict.return_code, verdict.description):
        if text is not None:
            assert text.isprintable()
            assert len(text) <= TEXT_LIMIT
            assert SECRET not in text
    if verdict.retry_after_s is not None:
        assert verdict.retry_after_s >= 0
    if verdict.quota is not None:
        assert 0 < verdict.quota.calls / verdict.quota.span_s < math.inf
    answer = read_token_answer(reply)
    if isinstance(answer, Issued):
        assert 200 <= made.status < 300
        assert 0 < answer.life_s < math.inf
        assert answer.value.isascii()
        assert answer.value.isprintable()
        return True
    assert SECRET not in answer.words
    assert SECRET not in json.dumps(answer.words)
    return verdict.ruling is Ruling.DONE
