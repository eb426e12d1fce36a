"""Settings: what is accepted, and that secrets stay hidden."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.errors import UsageError
from bulkroute.settings import SIMULATOR, BackOutOn, OnDrift, Settings, parse_waves

ROOT = "https://cc.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://cc.example.com",
        "https://cc.example.com:28443/",
        "http://127.0.0.1:80",
        "http://localhost",
        "http://[::1]:1",
    ],
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
        ("https://cc.example.com:0", "not the root"),
        ("https://cc.example.com?a=1", "not the root"),
        ("https://cc.example.com#a", "not the root"),
        ("https://:token@cc.example.com", "user name or password"),
        ("https://me:secret@cc.example.com", "user name or password"),
        ("http://cc.example.com", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
    ],
)
def test_what_is_no_root(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"^base_url \(--base-url\) .*{why}"):
        Settings(base_url=url)
    with pytest.raises(UsageError, match=rf"^auth_url \(--auth-url\) .*{why}"):
        Settings(base_url=ROOT, auth_url=url)
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
        {"timeout_s": math.inf},
        {"backoff_cap_s": 0},
        {"max_throttle_wait_s": 0},
        {"max_duration_s": 0},
        {"head_room": -0.1},
        {"head_room": 1},
        {"max_outage_wait_s": -1},
        {"max_outage_wait_s": math.inf},
        {"expect": 0},
        {"max_consecutive_failures": 0},
        {"max_rows": 0},
        {"canary": -1},
        {"wait_for_lock_s": -0.1},
        {"until": datetime(2026, 11, 28, 4)},  # noqa: DTZ001  that is what is wrong with it
        {"tenant": "a" * 201},
        {"note": "CHG 1\n"},
    ],
)
def test_what_is_out_of_range_is_named_and_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        Settings(**{"base_url": ROOT, **wrong})
    flag = next(iter(wrong)).removesuffix("_s").removesuffix("_per").replace("_", "-")
    assert f"(--{flag})" in str(caught.value) or flag == "headers"


@pytest.mark.parametrize(
    "right",
    [
        {"concurrency": 10_000, "max_attempts": 1, "expect": 1, "max_consecutive_failures": 1, "max_rows": 1},
        {"canary": 0, "wait_for_lock_s": 0, "head_room": 0.99, "max_outage_wait_s": 0},
        {"concurrency": 1, "rate_per_s": 0.001, "timeout_s": 0.001, "backoff_s": 0.001, "max_duration_s": 0.5},
        {"rate_per_s": None, "expect": None, "max_consecutive_failures": None, "max_rows": None},
        {"until": datetime(2026, 11, 28, 4, tzinfo=UTC), "tenant": "a" * 200, "note": "CHG 1"},
        {"headers": (("X-Tenant", "a"), ("X-Note", ""))},
    ],
)
def test_the_outermost_that_is_in_range_is_taken(right: dict[str, Any]) -> None:
    settings = Settings(base_url=ROOT, **right)
    assert {name: getattr(settings, name) for name in right} == right


def test_without_flags_a_run_is_as_careful_as_its_help_says() -> None:
    settings = Settings(base_url=ROOT)
    assert (settings.rate_per_s, settings.concurrency, settings.head_room) == (10, 16, 0)
    assert (settings.max_attempts, settings.backoff_s, settings.backoff_cap_s, settings.timeout_s) == (4, 0.5, 20, 15)
    assert (settings.max_throttle_wait_s, settings.max_outage_wait_s, settings.wait_for_lock_s) == (900, 900, 0)
    assert (settings.max_consecutive_failures, settings.canary) == (20, 0)
    assert settings.snapshot
    risks = (settings.allow_http, settings.allow_unloaded, settings.service_moved, settings.fresh)
    assert not any((*risks, settings.strict_targets, settings.strict_numbers))
    assert (settings.plan_max_age_s, settings.gate_interval_s) == (86_400, 30)
    assert not settings.require_approval
    assert not settings.gate_hold


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://CC.example.com:443/", "https://cc.example.com"),
        ("https://cc.example.com:80", "https://cc.example.com:80"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://localhost:443", "http://localhost:443"),
    ],
)
def test_an_address_that_is_written_differently_stays_the_same_service(url: str, name: str) -> None:
    assert Settings(base_url=url).service_name == name


def test_a_service_that_has_a_name_goes_by_it_and_the_simulators_is_a_rehearsal() -> None:
    assert Settings(base_url="http://127.0.0.1:1", service=SIMULATOR).service_name == SIMULATOR
    assert Settings(base_url="http://127.0.0.1:1", service=SIMULATOR).is_rehearsal
    assert not Settings(base_url="http://127.0.0.1:1").is_rehearsal


def test_a_header_too_short_to_be_a_secret_is_not_blotted_out_of_innocent_texts() -> None:
    settings = Settings(base_url=ROOT, headers=(("X-Tenant", "1234567"), ("X-Token", "12345678")))
    assert settings.secret_headers == ["12345678"]


def test_a_header_shows_itself_to_nobody() -> None:
    assert "hush" not in repr(Settings(base_url=ROOT, headers=(("X-Token", "hush-hush"),)))


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
        Settings(base_url=ROOT, ping_url=url)
    assert "secret" not in str(raised.value)


def test_where_a_ping_may_go() -> None:
    for url, allow_http in (("https://m.example/x", False), ("http://127.0.0.1/x", False), ("http://m.example", True)):
        settings = Settings(base_url=ROOT, ping_url=url, allow_http=allow_http)
        assert url not in repr(settings)


def test_exit_codes_that_there_are() -> None:
    with pytest.raises(UsageError, match="ping-ok"):
        Settings(base_url=ROOT, ping_ok=frozenset({300}))


def test_commands_that_can_be_run() -> None:
    with pytest.raises(UsageError, match=r"before_run \(--before-run\): the command holds a NUL"):
        Settings(base_url=ROOT, before_run="a\0b")
    with pytest.raises(UsageError, match=r"on_event \(--on-event\)"):
        Settings(base_url=ROOT, on_event="a\0b")


def test_drift_is_sent_again_but_stops_a_saved_plan_unless_something_else_is_said() -> None:
    assert [Settings(base_url=ROOT).drift_rule(is_plan=plan) for plan in (False, True)] == [OnDrift.SEND, OnDrift.STOP]
    said = Settings(base_url=ROOT, on_drift=OnDrift.KEEP)
    assert [said.drift_rule(is_plan=plan) for plan in (False, True)] == [OnDrift.KEEP] * 2


def test_a_canary_is_a_first_wave_and_the_rest() -> None:
    assert Settings(base_url=ROOT).wave_sizes == ()
    assert Settings(base_url=ROOT, canary=3).wave_sizes == parse_waves("3,rest")
    assert Settings(base_url=ROOT, waves=parse_waves("1,rest")).wave_sizes == parse_waves("1,rest")
    with pytest.raises(UsageError, match="--canary N is the same as --waves N,rest"):
        Settings(base_url=ROOT, canary=3, waves=parse_waves("1,rest"))


def test_what_a_monitor_is_told_by_default_is_an_alarm_but_for_a_run_that_goes_on_later() -> None:
    assert Settings(base_url=ROOT).ping_ok == {0, 4}
    assert Settings(base_url=ROOT, ping_ok=frozenset({0, 255})).ping_ok == {0, 255}
    for wrong in (-1, 256):
        with pytest.raises(UsageError, match=r"ping_ok \(--ping-ok\) must be exit codes"):
            Settings(base_url=ROOT, ping_ok=frozenset({wrong}))


def test_an_approval_is_a_fingerprint() -> None:
    assert Settings(base_url=ROOT, approved="3f9ca1b277d0").approved == "3f9ca1b277d0"
    with pytest.raises(UsageError, match=r"approved \(--approved\): 'x' is no fingerprint"):
        Settings(base_url=ROOT, approved="x")


def test_backing_out_needs_earlier_bindings() -> None:
    reasons = frozenset({BackOutOn.LIMIT})
    assert Settings(base_url=ROOT, back_out_on=reasons).back_out_on == reasons
    assert not Settings(base_url=ROOT, snapshot=False).back_out_on
    with pytest.raises(
        UsageError, match=r"back_out_on \(--back-out-on\) could put nothing back; leave --no-snapshot out"
    ):
        Settings(base_url=ROOT, back_out_on=reasons, snapshot=False)


def test_the_gates_that_are_asked_for_are_named_as_flags() -> None:
    assert Settings(base_url=ROOT).gates == ()
    assert Settings(base_url=ROOT, gate_command="true", gate_wait_s=5, gate_hold=True).gates == (
        "--gate-command",
        "--gate-wait",
        "--gate-hold",
    )
    assert Settings(base_url=ROOT, gate_hold=True).gates == ("--gate-hold",)


def test_the_words_of_flags_and_ledgers_stay_what_they_are() -> None:
    assert [str(word) for word in OnDrift] == ["send", "keep", "stop"]
    assert [str(word) for word in BackOutOn] == ["no-go", "limit", "deadline"]
    with pytest.raises(UsageError, match="stands for an address that is shown nowhere; write it there"):
        Settings(base_url=ROOT, ping_url="***")


def test_a_hundred_waves_are_enough() -> None:
    assert len(parse_waves(",".join(["1"] * 100))) == 100
    with pytest.raises(ValueError, match="101 waves are too many: 100 at most"):
        parse_waves(",".join(["1"] * 101))
