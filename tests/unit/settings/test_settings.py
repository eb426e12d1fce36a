"""Settings: what is accepted, and that secrets stay hidden."""

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.errors import UsageError
from bulkroute.settings import Settings, parse_command, parse_duration, parse_exit_codes, parse_header, parse_rate


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
    "url", ["https://cc.example.com", "https://cc.example.com:28443/", "http://127.0.0.1:80", "http://[::1]:1"]
)
def test_roots(url: str) -> None:
    Settings(base_url=url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("cc.example.com", "not the root"),
        ("ftp://cc.example.com", "not the root"),
        ("https://", "not the root"),
        ("https://cc.example.com/apiaccess", "not the root"),
        ("https://cc.example.com:99999", "not the root"),
        ("https://me:secret@cc.example.com", "user name or password"),
        ("http://cc.example.com", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
    ],
)
def test_what_is_no_root(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Settings(base_url=url)
    if why == "unencrypted":
        Settings(base_url=url, allow_http=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_per_s": 0},
        {"rate_per_s": float("nan")},
        {"concurrency": 0},
        {"base_url": "https://cc.example.com:"},
        {"concurrency": 10_001},
        {"headers": (("X-A", "1\r\nX-B: 2"),)},
        {"headers": (("Host", "elsewhere"),)},
        {"max_attempts": 0},
        {"timeout_s": 0},
        {"backoff_s": -1},
    ],
)
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Settings(**{"base_url": "https://cc.example.com", **wrong})  # type: ignore[arg-type]  # wrong on purpose


def test_a_secret_shows_itself_to_nobody() -> None:
    credentials = Credentials(token=Secret("hush"), app_key="key", app_secret=Secret("hush"))
    settings = Settings(base_url="https://cc.example.com", credentials=credentials)
    assert "hush" not in f"{settings} {settings!r} {credentials.token} {credentials.token!r}"
    assert credentials.token is not None
    assert credentials.token.reveal() == "hush"


@pytest.mark.parametrize(
    "url",
    [
        "***",
        "m.example/x",
        "ftp://m.example/x-secret",
        "https://user@m.example/x-secret",
        "https://:word@m.example/x-secret",
        "https://m.example/x-secret?status=up",
        "https://m.example/x-secret#a",
        "https://m.example:0/x-secret",
        "https://m.example/x secret",
        "http://m.example/x-secret",
    ],
)
def test_a_ping_goes_nowhere_unsafe_and_its_address_is_not_shown(url: str) -> None:
    with pytest.raises(UsageError, match=r"ping_url \(--ping-url\)") as raised:
        Settings(base_url="https://a.example", ping_url=url)
    assert "secret" not in str(raised.value)


def test_where_a_ping_may_go() -> None:
    for url, allow_http in (("https://m.example/x", False), ("http://127.0.0.1/x", False), ("http://m.example", True)):
        settings = Settings(base_url="https://a.example", ping_url=url, allow_http=allow_http)
        assert url not in repr(settings)


def test_exit_codes() -> None:
    assert parse_exit_codes("0, 4") == {0, 4}
    for text in ("", "0,", "256", "-1", "x", "٣"):
        with pytest.raises(ValueError, match="exit codes"):
            parse_exit_codes(text)
    with pytest.raises(UsageError, match="ping-ok"):
        Settings(base_url="https://a.example", ping_ok=frozenset({300}))


def test_a_command_is_never_empty() -> None:
    assert parse_command("./ask --now") == "./ask --now"
    for text in ("", " \n", "a\0b"):
        with pytest.raises(ValueError, match="the command"):
            parse_command(text)
    with pytest.raises(UsageError, match=r"before_run \(--before-run\): the command holds a NUL"):
        Settings(base_url="https://a.example", before_run="a\0b")
    with pytest.raises(UsageError, match=r"on_event \(--on-event\)"):
        Settings(base_url="https://a.example", on_event="a\0b")
