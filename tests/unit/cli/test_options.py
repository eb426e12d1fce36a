"""The options of all commands: which settings they make, and that each default stands once."""

import dataclasses
import os
from typing import Any

import click
import pytest

from bulkroute import BackOutOn, Credentials, FailureLimit, Secret, Settings, UsageError
from bulkroute.cli import cli
from bulkroute.cli.options import FAILURES, FIELDS, REFUSED, settings_from
from bulkroute.cli.run import run
from bulkroute.run.control import obey
from bulkroute.run.verbs import VERBS
from bulkroute.settings import parse_back_out_on
from bulkroute.settings.settings import _named
from bulkroute.settings.wave_sizes import parse_waves

NO_OPTION = {"credentials", "service", "command_line"}
"""Fields that no option sets: secrets are never on a command line, a rehearsal alone is named otherwise, and what was
given is known."""

DEFAULTS = {
    field.name: field.default for field in dataclasses.fields(Settings) if field.default is not dataclasses.MISSING
}


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BULKROUTE_")]:
        monkeypatch.delenv(name)


def _options(command: str) -> list[click.Option]:
    found = cli.all_commands()[command]
    return [parameter for parameter in found.params if isinstance(parameter, click.Option)]


@pytest.mark.parametrize("command", cli.all_commands())
def test_the_default_of_an_option_is_that_of_its_setting(command: str) -> None:
    for option in _options(command):
        field = FIELDS.get(option.name or "")
        if field is None or (default := DEFAULTS.get(field)) is None:
            continue
        context = click.Context(click.Command(command))
        assert option.type_cast_value(context, option.get_default(context)) == default, option.name


def test_every_setting_has_an_option_of_run() -> None:
    assert {FIELDS[option.name] for option in _options("run") if option.name in FIELDS} == {
        field.name for field in dataclasses.fields(Settings)
    } - NO_OPTION
    assert len(set(FIELDS.values())) == len(FIELDS)


@pytest.mark.parametrize("command", ["run", "rollback", "plan", "verify", "snapshot"])
def test_options_left_alone_make_the_settings_of_the_python_api(command: str) -> None:
    credentials = Credentials(token=Secret("hush"))
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    arguments = ["x"] if any(isinstance(one, click.Argument) for one in found.params) else ["-o", "x.csv"]
    options: dict[str, Any] = found.make_context(command, [*arguments, "--base-url", "https://a.example"]).params
    made = settings_from(options, credentials=credentials)
    assert made == Settings(base_url="https://a.example", credentials=credentials)


def test_every_option_reaches_its_setting() -> None:
    found = cli.get_command(click.Context(cli), "run")
    assert found is not None
    given = """--base-url https://a.example --auth-url https://b.example --header X-A:1 --header X-B:2 --rate 600/m --head-room 10%
        --concurrency 3 --max-attempts 2 --backoff 1 --backoff-cap 7 --timeout 9 --max-throttle-wait 8
        --max-outage-wait 7 --service-moved --allow-http --back-out-on no-go,deadline --on-drift stop --skip locked --max-refused 3 --expect 5 --waves 4,rest --strict-targets
        --gate-command ./gate --gate-interval 5 --gate-wait 6 --gate-hold --gate-timeout 7
        --fresh --max-failures 5% --max-consecutive-failures 6 --max-rows 11
        --wait-for-lock 5 --tenant eu --note CHG7 --max-duration 1h
        --until 2099-01-01T00:00:00+00:00 --strict-numbers --allow-unloaded --rewrite-number ^00=+
        --before-run ./ask --on-event ./tell --ping-url https://m.example/x --ping-ok 0
        --approved 3f9ca1b277d0 --plan-max-age 2h --require-approval"""
    options = found.make_context("run", ["x.csv", *given.split()]).params
    made = settings_from(options, credentials=Credentials(token=Secret("hush")))
    assert made.headers == (("X-A", "1"), ("X-B", "2"))
    assert (made.rate_per_s, made.max_duration_s) == (10, 3600)
    assert made.back_out_on == {BackOutOn.NO_GO, BackOutOn.DEADLINE}
    same = {
        "rate_per_s",
        "canary",
        "snapshot",
    }  # 600/m is the default; --canary stands for --waves; no back-out goes without a snapshot
    for field in dataclasses.fields(Settings):
        if field.name not in NO_OPTION | same:
            assert getattr(made, field.name) != DEFAULTS.get(field.name), field.name


@pytest.mark.parametrize(
    ("in_file", "variable", "is_on"),
    [
        (True, "", True),
        (True, "0", True),
        (True, "false", True),
        (False, "1", True),
        (False, "yes", True),
        (False, "0", False),
    ],
)
def test_a_guard_is_switched_on_from_anywhere_and_off_from_nowhere(
    in_file: bool, variable: str, is_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKROUTE_REQUIRE_APPROVAL", variable)
    found = cli.get_command(click.Context(cli), "run")
    assert found is not None
    context = found.make_context("run", ["x.csv"], default_map={"require_approval": in_file})
    assert context.params["require_approval"] is is_on


def test_a_canary_is_a_wave_before_the_rest() -> None:
    base = "https://a.example"
    assert Settings(base_url=base, canary=4).wave_sizes == parse_waves("4,rest")
    with pytest.raises(UsageError, match="--canary N is the same as --waves N,rest"):
        Settings(base_url=base, canary=4, waves=parse_waves("4,rest"))


def test_a_run_that_keeps_no_earlier_bindings_cannot_promise_to_back_out() -> None:
    assert not Settings(base_url="https://a.example", snapshot=False).snapshot
    with pytest.raises(UsageError, match=r"\(--back-out-on\) could put nothing back; leave --no-snapshot out"):
        Settings(base_url="https://a.example", snapshot=False, back_out_on=frozenset({BackOutOn.LIMIT}))


@pytest.mark.parametrize("text", ["", "failures", "limit,", "limit,limit", "no go"])
def test_other_reasons_to_back_out_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write no-go, limit, deadline, or some of them"):
        parse_back_out_on(text)


def test_without_a_service_all_ways_to_name_it_are_named() -> None:
    with pytest.raises(click.UsageError, match=r"--base-url.*BULKROUTE_BASE_URL.*bulkroute\.toml$"):
        settings_from({"base_url": None})
    with pytest.raises(click.UsageError, match="--simulate"):
        settings_from({"base_url": None, "simulate": False})


def test_what_settings_refuse_is_named_for_programs_and_for_operators() -> None:
    with pytest.raises(UsageError, match=r"backoff_cap_s \(--backoff-cap\) must be"):
        Settings(base_url="https://a.example", backoff_cap_s=0)
    with pytest.raises(UsageError, match=r"rate_per_s \(--rate\) must be"):
        Settings(base_url="https://a.example", rate_per_s=0)


@pytest.mark.parametrize("field", [field for field in FIELDS.values() if field != "base_url"])
def test_the_flag_in_such_a_message_exists(field: str) -> None:
    flag = _named(field).partition("(")[2].removesuffix(")")
    if field != "headers":  # its message says how a header is written
        assert any(flag in option.opts for option in _options("run")), flag


def test_ctl_offers_every_verb_and_the_run_knows_it() -> None:
    found = cli.get_command(click.Context(cli), "ctl")
    assert found is not None
    assert found.help is not None
    for name, verb in VERBS.items():
        assert f"{name} {verb.value}".strip() in found.help
        assert verb.does in found.help
    with pytest.raises(ValueError, match="is none of " + ", ".join(VERBS)):
        obey(None, "dance", None)  # type: ignore[arg-type]  # no run is needed to refuse


def _variable(option: click.Option) -> str:
    return f"BULKROUTE_{max(option.opts, key=len).removeprefix('--').replace('-', '_').upper()}"


ALL = [
    pytest.param(command, option, id=f"{name} {option.opts[0]}")
    for name, command in cli.all_commands().items()
    for option in command.params
    if isinstance(option, click.Option) and option.allow_from_autoenv and option.opts[0] != "--help"
]


@pytest.mark.parametrize(("command", "option"), ALL)
def test_the_variable_of_an_option_has_the_name_of_its_flag(
    command: click.Command, option: click.Option, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_variable(option), "said")
    context = click.Context(command, auto_envvar_prefix="BULKROUTE")
    assert option.resolve_envvar_value(context) == "said"


@pytest.mark.parametrize(("command", "option"), [each for each in ALL if each.values[1].multiple])  # type: ignore[union-attr]
def test_each_value_of_a_repeatable_option_is_a_line_of_its_variable(
    command: click.Command, option: click.Option, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_any_text = option.type.name == "text"
    values = ["+55 11 4002%", ""] if is_any_text else ["+55", "11"]
    monkeypatch.setenv(_variable(option), "\n".join(values))
    context = click.Context(command, auto_envvar_prefix="BULKROUTE")
    assert list(option.value_from_envvar(context)) == values


def test_none_refused_is_a_limit_too_but_no_failure_limit() -> None:
    assert REFUSED.convert("0", None, None) == FailureLimit(rows=0)
    assert REFUSED.convert("2%", None, None) == FailureLimit(share=0.02)
    with pytest.raises(click.BadParameter):
        FAILURES.convert("0", None, None)


def test_for_a_fleet_the_environment_has_no_say_in_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULKROUTE_FORMAT", "yaml")
    with run.make_context("run", ["-"], auto_envvar_prefix=None) as context:
        assert context.params["format_"] is None
