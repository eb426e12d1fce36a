"""What is read from flags, environment and settings file, and what is refused."""

import pytest

from bulkroute.model import FailureKind
from bulkroute.settings import (
    BackOutOn,
    FailureLimit,
    parse_back_out_on,
    parse_command,
    parse_duration,
    parse_exit_codes,
    parse_failure_limit,
    parse_fingerprint,
    parse_header,
    parse_rate,
    parse_rewrite_rule,
    parse_share,
    parse_skip,
)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20", 20),
        ("0.5", 0.5),
        (".5", 0.5),
        ("600/m", 10),
        ("36000/h", 10),
        ("5/s", 5),
        ("Unlimited", None),
        ("1/h", 1 / 3600),
    ],
)
def test_rates(text: str, rate: float | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "1e3", "nan", "inf", "10/d", "fast", "٣", "1 0", "0.9/h", "1000001", "9" * 400, f"0.{320 * '0'}1"],
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        parse_rate(text)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0h", "h", "-1m", "2d", "1m1h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "X hush",
        "X y: hush",
        "X: hush\nb",
        "X: húsh",
        "X: ***",
        "Authorization: Bearer x",
        "content-type: text/plain",
        ": x",
    ],
)
def test_what_is_no_header(text: str) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        parse_header(text)
    assert "sh" not in str(caught.value).replace("which is shown nowhere", "")


def test_a_header_keeps_its_colons() -> None:
    assert parse_header("X-TenantSpaceID:  a:b ") == ("X-TenantSpaceID", "a:b")


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1", FailureLimit(rows=1)),
        (" 50 ", FailureLimit(rows=50)),
        ("5%", FailureLimit(share=0.05)),
        ("2.5 %", FailureLimit(share=0.025)),
        (".5%", FailureLimit(share=0.005)),
        ("100%", FailureLimit(share=1.0)),
    ],
)
def test_a_limit_is_a_number_or_a_share(text: str, limit: FailureLimit) -> None:
    assert parse_failure_limit(text) == limit
    assert parse_failure_limit(str(limit)) == limit


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "0%", "101%", "%", "5 rows", "1e3", "٣"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit of failures"):
        parse_failure_limit(text)


def test_whole_lines_with_blanks_around_are_read() -> None:
    assert parse_rate(" 600/m ") == 10
    assert parse_duration(" 1m30s ") == 90
    assert parse_duration("1.5h2.5m0.5s") == 5550.5


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("locked", {FailureKind.LOCKED}),
        (" Unknown_ID ", {FailureKind.UNKNOWN_ID}),
        ("locked, unknown_id", {FailureKind.LOCKED, FailureKind.UNKNOWN_ID}),
    ],
)
def test_refused_rows_that_may_be_skipped(text: str, kinds: set[FailureKind]) -> None:
    assert parse_skip(text) == kinds


@pytest.mark.parametrize("text", ["", "conflict", "locked,", "locked,conflict", "locked locked", "locked,locked"])
def test_what_cannot_be_skipped(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be skipped; write locked or unknown_id, or both with a comma"):
        parse_skip(text)


@pytest.mark.parametrize(("text", "share"), [("20%", 0.2), (" 20 ", 0.2), ("0", 0), ("2.5 %", 0.025), ("99.9", 0.999)])
def test_shares(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "100", "100%", "-1", ".5", "1.%", "20%%", "a fifth", "٣"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        parse_share(text)


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Content-Length", "CONTENT-TYPE", "host", "Transfer-Encoding", "Accept-Encoding", "connection"],
)
def test_headers_that_decide_how_a_call_is_read_are_not_to_be_given(name: str) -> None:
    with pytest.raises(ValueError, match=f"the header {name} is set by bulkroute itself"):
        parse_header(f"{name}: x")


def test_a_rule_that_rewrites_numbers_ends_at_its_last_equals_sign() -> None:
    rule = parse_rewrite_rule("a=b=c")
    assert (rule.pattern.pattern, rule.replacement) == ("a=b", "c")
    assert str(rule) == "a=b=c"
    assert parse_rewrite_rule("^00=").replacement == ""


@pytest.mark.parametrize("text", ["", "=", "^00", "=+"])
def test_what_has_no_pattern_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="is no rule; write REGEX=REPLACEMENT"):
        parse_rewrite_rule(text)


@pytest.mark.parametrize("text", ["(=+", r"^00=\1", r"(0)=\2", r"0=\g<name>"])
def test_a_rule_that_no_number_could_be_rewritten_by_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="is no rule: "):
        parse_rewrite_rule(text)


def test_exit_codes() -> None:
    assert parse_exit_codes("0, 4") == {0, 4}
    for text in ("", "0,", "256", "-1", "x", "٣"):
        with pytest.raises(ValueError, match="exit codes"):
            parse_exit_codes(text)


def test_a_command_is_never_empty() -> None:
    assert parse_command("./ask --now") == "./ask --now"
    for text in ("", " \n", "a\0b"):
        with pytest.raises(ValueError, match="the command"):
            parse_command(text)


def test_the_slowest_and_the_fastest_rate_are_rates() -> None:
    assert parse_rate("1/h") == 1 / 3600
    assert parse_rate("1000000") == 1_000_000


def test_reasons_to_back_out() -> None:
    assert parse_back_out_on(" No-Go ,limit") == {BackOutOn.NO_GO, BackOutOn.LIMIT}
    assert parse_back_out_on("no-go,limit,deadline") == frozenset(BackOutOn)
    for text in ("", "no-go,", "no-go,no-go", "never", "no-go limit"):
        with pytest.raises(ValueError, match="is no reason to back out; write no-go, limit, deadline"):
            parse_back_out_on(text)


def test_a_fingerprint_is_known_by_its_first_twelve_digits_or_more() -> None:
    assert parse_fingerprint(" 3F9C a1b2 77d0 ") == "3f9ca1b277d0"
    assert parse_fingerprint("0" * 64) == "0" * 64
    for text in ("", "3f9c a1b2 77d", "0" * 65, "3f9c a1b2 77dg", "٣" * 12):
        with pytest.raises(ValueError, match="is no fingerprint; write its first 12 digits"):
            parse_fingerprint(text)


def test_the_outermost_exit_codes_are_exit_codes() -> None:
    assert parse_exit_codes("0,255") == {0, 255}
