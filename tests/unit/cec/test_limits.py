"""What refusals say of limits: every spelling that is known, and nonsense that must be nothing but left out."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.cec.limits import Field, of_limits, quota, wait_s
from bulkroute.model import Quota

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DATE = format_datetime(NOON, usegmt=True)


def fields(**headers: str) -> list[Field]:
    return [Field(name.replace("_", "-"), value) for name, value in headers.items()]


def at(seconds: float) -> str:
    return format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        (" 1.5 ", 1.5),
        (".5", 0.5),
        ("30s", 30),
        ("30 S", 30),
        ("2 seconds", 2),
        ("+3", 3),
        ('"7"', 7),
        ("-5", 0),
        ("5, 120, 30", 120),
        (at(20), 20),
        (at(-20), 0),
        (f"{at(20)}, 45", 45),
        (f"3, {at(20)}", 20),
        ("Monday, 23-Nov-26 12:00:40 GMT", 40),
        (str(int(NOON.timestamp()) + 90), 90),
        (str(int(NOON.timestamp()) - 90), 0),
        ("soon, 9", 9),
        ("Mon, 23 Nov 2026 13:00:20 +0100", 20),
        ("Mon, 23 Nov 2026 12:00:20", 20),
        ("Mon, 23 Nov 2026 12:00:20 UTC", 20),
        ("Mon, 23 Nov 2026 20:00:20 CST", 20),
        ("Mon, 23 Nov 2026 20:00:20 CST, 7", 20),
        ("999999999", 999_999_999),
        ("1000000000", 0),
    ],
)
def test_retry_after_in_every_spelling(value: str, seconds: float) -> None:
    assert wait_s(fields(retry_after=value), DATE) == pytest.approx(seconds)


def test_of_several_headers_the_longest_wait_counts() -> None:
    assert wait_s([Field("retry-after", "3"), Field("retry-after", "11"), Field("retry-after", "7")], DATE) == 11


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "+-5",
        "--1",
        "٣",
        "²",
        "1e3",
        "Mon, 99 Foo 2001",
        "Mon, 23 Nov 2026 12:00:20 XYZ",
        "1m",
        "0x10",
        "nan",
        "inf",
    ],
)
def test_a_retry_after_that_makes_no_sense_is_none(value: str) -> None:
    assert wait_s(fields(retry_after=value, ratelimit="remaining=0, reset=9"), DATE) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"ratelimit": "limit=100, remaining=0, reset=9"},
        {"ratelimit": '"default";r=0;t=9'},
        {"ratelimit_remaining": "0", "ratelimit_reset": "9"},
        {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(NOON.timestamp()) + 9)},
    ],
)
def test_the_end_of_a_window_is_waited_for_if_its_calls_are_used_up(headers: dict[str, str]) -> None:
    assert wait_s(fields(**headers), DATE) == 9
    left = {name: value.replace("remaining=0", "remaining=3").replace("r=0", "r=3") for name, value in headers.items()}
    left |= {name: "3" for name in left if name.endswith("remaining")}
    assert wait_s(fields(**left), DATE) is None


@pytest.mark.parametrize(
    ("headers", "description", "expected"),
    [
        ({}, "policy ip over ratelimit,limit:5,time:1 minute", (5, 60)),
        (
            {},
            "The throttling threshold has been reached: policy api over ratelimit,limit:200,time:10 seconds",
            (200, 10),
        ),
        ({}, "limit: 5 , time: hour", (5, 3600)),
        ({"ratelimit_policy": "100;w=10"}, None, (100, 10)),
        ({"ratelimit_policy": '"burst";q=100;w=60, "daily";q=1000;w=86400'}, None, (1000, 86400)),
        ({"ratelimit_policy": '100;w=10;comment="sliding"'}, None, (100, 10)),
        ({"ratelimit_limit": "10, 10;w=1, 50;w=60"}, None, (50, 60)),
        ({"x_ratelimit_limit": "50;w=60"}, None, (50, 60)),
        ({"x_ratelimit_limit_minute": "30"}, None, (30, 60)),
        ({"x_apig_ratelimit_api": "remain:9,limit:10,time:10 second"}, None, (10, 10)),
        ({"x_apig_ratelimit_user": "remain:0,limit:5,time:1 minute", "ratelimit_policy": "9;w=1"}, None, (5, 60)),
        ({"x_ratelimit_limit": "50"}, None, None),
        ({"ratelimit": '"default";r=50;t=30'}, None, None),
    ],
)
def test_the_tightest_limit_with_a_window_is_the_quota(
    headers: dict[str, str], description: str | None, expected: tuple[float, float] | None
) -> None:
    assert quota(fields(**headers), description) == (None if expected is None else Quota(*expected))


@pytest.mark.parametrize(
    ("headers", "description"),
    [
        ({}, "limit:0,time:1 minute"),
        ({}, "limit:5,time:0 minute"),
        ({}, "limit:5,time:1 fortnight"),
        ({}, "limit:99999999999,time:1 minute"),
        ({}, "limit:-5,time:1 minute"),
        ({}, "limit:5"),
        ({"ratelimit_policy": "0;w=10"}, None),
        ({"ratelimit_policy": "-1;w=10"}, None),
        ({"ratelimit_policy": "10;w=0"}, None),
        ({"ratelimit_policy": "10;w"}, None),
        ({"ratelimit_policy": ";;;,,,=;w=;q=="}, None),
        ({"ratelimit_policy": f"{'9' * 400};w=1"}, None),
        ({"ratelimit_policy": "10;w=1e9"}, None),
        ({"x_ratelimit_limit_minute": "many"}, None),
    ],
)
def test_a_limit_that_makes_no_sense_is_none(headers: dict[str, str], description: str | None) -> None:
    assert quota(fields(**headers), description) is None


@pytest.mark.parametrize(
    ("spelt", "span_s"),
    [
        *(("s", 1), ("Second", 1), ("seconds", 1), ("m", 60), ("min", 60), ("MINUTES", 60)),
        *(("h", 3600), ("hour", 3600), ("hours", 3600), ("d", 86400), ("day", 86400), ("days", 86400)),
    ],
)
def test_every_unit_of_a_gateways_words_is_known(spelt: str, span_s: int) -> None:
    assert quota([], f"Limit:5,Time:2 {spelt}") == Quota(5, 2 * span_s)


def test_limits_below_one_call_or_one_second_are_limits() -> None:
    assert quota(fields(ratelimit_policy=".5;w=10"), None) == Quota(0.5, 10)
    assert quota(fields(ratelimit_policy="1;w=.5"), None) == Quota(1, 0.5)
    assert quota(fields(x_ratelimit_policy="7;w=2"), None) == Quota(7, 2)
    assert quota(fields(ratelimit_policy=f"1;w={'9' * 400}"), None) is None


def test_only_headers_of_limits_are_looked_at() -> None:
    headers = [("Retry-After", "1"), ("Content-Type", "text/html"), ("X-RateLimit-Limit", "5"), ("Retry-After", "2")]
    assert of_limits(headers) == (
        Field("retry-after", "1"),
        Field("x-ratelimit-limit", "5"),
        Field("retry-after", "2"),
    )


RATE_LIMIT = ("", "-policy", "-limit", "-reset", "-remaining", "-limit-day")
NAMES = st.sampled_from(
    ["retry-after", "x-apig-ratelimit-ip", *(f"{x}ratelimit{part}" for x in ("", "x-") for part in RATE_LIMIT)]
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet='0123456789.-+e;=,:"wqrt sdmhGMT', max_size=40),
    st.builds("limit:{},time:{} {}".format, st.integers(-5, 10**12), st.integers(-5, 10**12), st.text(max_size=8)),
)


@given(st.lists(st.builds(Field, NAMES, TEXTS), max_size=6), st.one_of(st.none(), TEXTS), st.one_of(st.none(), TEXTS))
def test_nothing_that_anybody_could_send_does_harm(
    said: list[Field], description: str | None, date: str | None
) -> None:
    seconds = wait_s(said, date)
    assert seconds is None or seconds >= 0
    named = quota(said, description)
    assert named is None or (named.calls > 0 and named.span_s > 0)
