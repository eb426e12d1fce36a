"""Options that several commands share, and their way into Settings."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click

from bulkroute.cli.config_file import DEFAULT_FILE
from bulkroute.cli.messages import log_format
from bulkroute.cli.profile import config_options, environment_of_credentials
from bulkroute.cli.times import parse_until
from bulkroute.credentials import Credentials
from bulkroute.settings import (
    FailureLimit,
    OnDrift,
    Settings,
    parse_back_out_on,
    parse_duration,
    parse_failure_limit,
    parse_header,
    parse_rate,
    parse_rewrite_rule,
    parse_share,
    parse_skip,
)

F = TypeVar("F", bound=Callable[..., Any])

CONTEXT = {"auto_envvar_prefix": "BULKROUTE", "max_content_width": 100, "show_default": True}
"""Of every command: BULKROUTE_RATE rather than BULKROUTE_RUN_RATE."""


class Parsed(click.ParamType[Any]):
    """A type whose text is read by a function that raises ValueError for what it does not accept."""

    envvar_list_splitter = "\n"

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the text; values that are read already pass."""
        try:
            return self._read(str(value)) if isinstance(value, str | int | float) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _until(text: str) -> datetime:
    return parse_until(text, now=datetime.now().astimezone())


class ByFlag(click.Option):
    """An option whose variable has the name of its flag, where its parameter goes by another one."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return what the environment says; None where it has no say."""
        if ctx.auto_envvar_prefix is None:
            return None
        flag = max(self.opts, key=len).removeprefix("--").replace("-", "_")
        return os.environ.get(f"{ctx.auto_envvar_prefix}_{flag.upper()}") or None


TEXT = Parsed("text", str)
"""Of flags that are repeatable: in the environment each value is a line, and may hold blanks."""
UNTIL = Parsed("time", _until)
DURATION = Parsed("duration", parse_duration)
WAIT = Parsed("duration", lambda text: 0.0 if text.strip() == "0" else parse_duration(text))
RATE = Parsed("rate", parse_rate)
FAILURES = Parsed("failures", parse_failure_limit)
REFUSED = Parsed("failures", lambda text: FailureLimit(rows=0) if text.strip() == "0" else parse_failure_limit(text))
SHARE = Parsed("share", parse_share)
BACK_OUT_ON = Parsed("reasons", parse_back_out_on)
SKIP = Parsed("kinds", parse_skip)
HEADER = Parsed("header", parse_header)
REWRITE = Parsed("rule", parse_rewrite_rule)
PATH = click.Path(dir_okay=False, readable=False, path_type=Path)
"""Who opens it says what is wrong with it, in more than a word."""


FIELDS = {
    "base_url": "base_url",
    "auth_url": "auth_url",
    "header": "headers",
    "rate": "rate_per_s",
    "head_room": "head_room",
    "concurrency": "concurrency",
    "max_attempts": "max_attempts",
    "backoff": "backoff_s",
    "backoff_cap": "backoff_cap_s",
    "timeout": "timeout_s",
    "max_throttle_wait": "max_throttle_wait_s",
    "max_outage_wait": "max_outage_wait_s",
    "allow_http": "allow_http",
    "service_moved": "service_moved",
    "snapshot": "snapshot",
    "on_drift": "on_drift",
    "approved": "approved",
    "plan_max_age": "plan_max_age_s",
    "require_approval": "require_approval",
    "skip": "skip",
    "max_refused": "max_refused",
    "expect": "expect",
    "canary": "canary",
    "waves": "waves",
    "gate_command": "gate_command",
    "gate_interval": "gate_interval_s",
    "gate_wait": "gate_wait_s",
    "gate_hold": "gate_hold",
    "gate_timeout": "gate_timeout_s",
    "strict_targets": "strict_targets",
    "fresh": "fresh",
    "strict_numbers": "strict_numbers",
    "allow_unloaded": "allow_unloaded",
    "rewrite_number": "rewrite_number",
    "max_failures": "max_failures",
    "max_consecutive_failures": "max_consecutive_failures",
    "back_out_on": "back_out_on",
    "max_rows": "max_rows",
    "max_duration": "max_duration_s",
    "until": "until",
    "wait_for_lock": "wait_for_lock_s",
    "before_run": "before_run",
    "on_event": "on_event",
    "ping_url": "ping_url",
    "ping_ok": "ping_ok",
    "tenant": "tenant",
    "note": "note",
}
"""Which field of Settings each option sets. The field's default is the option's; no command has all of them."""


def setting(flag: str, **shown: Any) -> Callable[[F], F]:
    """Return a decorator that adds an option which sets a field of Settings, with that field's default."""
    default = getattr(Settings, FIELDS[flag.partition("/")[0].removeprefix("--").replace("-", "_")], None)
    shown.setdefault("show_default", default not in ("", (), frozenset()))  # which nobody could type
    if isinstance(default, float | StrEnum):
        default = f"{default:g}" if isinstance(default, float) else default.value
    return click.option(flag, default=default, **shown)


def settings_from(options: Mapping[str, Any], **given: Any) -> Settings:
    """Return the settings that a command's options make; `given` comes before them.

    Credentials are taken from the environment if none are given. Raises UsageError.
    """
    fields = {FIELDS[name]: value for name, value in options.items() if name in FIELDS} | given
    if not fields["base_url"]:
        rehearsal = ", or rehearse with --simulate" if "simulate" in options else ""
        raise click.UsageError(
            "no service is named: give --base-url https://host[:port], set BULKROUTE_BASE_URL,"
            f" or write base-url into {DEFAULT_FILE}{rehearsal}"
        )
    if "credentials" not in fields:
        fields["credentials"] = Credentials.from_environment(environment_of_credentials())
    return Settings(**fields)


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that adds several options, in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


manifest_format = click.option(
    "--format",
    "format_",
    cls=ByFlag,
    type=click.Choice(["csv", "yaml", "plan"]),
    help="Of the manifest, where its name does not say.",
)
of_batch = click.option("--batch", type=click.IntRange(1), metavar="N", help="Of this batch. [default: the latest]")
of_shown_batch = click.option(
    "--batch", type=click.IntRange(1), metavar="N", help="Of an earlier batch. [default: the latest, or its rollback]"
)
of_rollback = click.option("--rollback", is_flag=True, help="Of the batch's last rollback instead.")
strict_targets = setting(
    "--strict-targets",
    is_flag=True,
    help="Refuse queues and IVR flows that do not exist, are not loaded or do not fit the route's media type.",
)
skip = setting(
    "--skip",
    type=SKIP,
    metavar="KINDS",
    help="Leave such rows alone and call it no failure: locked, unknown_id or both.",
)
on_drift = setting(
    "--on-drift",
    type=click.Choice([choice.value for choice in OnDrift]),
    callback=lambda _context, _option, value: OnDrift(value) if value else None,
    help="Rows that were done and that another hand has changed since: send them again, keep that, or stop."
    " [default: send; of a saved plan, where rows are not as planned: stop]",
)
back_out_on = setting(
    "--back-out-on",
    type=BACK_OUT_ON,
    metavar="REASONS",
    help="Put back by itself what the batch has changed, if the run stops by one of these: no-go, limit, deadline.",
)
fresh = setting("--fresh", is_flag=True, help="Begin the next batch although the present one is not finished.")
allow_unloaded = setting("--allow-unloaded", is_flag=True, help="Accept IVR flows that are named and not loaded.")
expect = setting("--expect", type=click.IntRange(1), metavar="N", help="Send nothing unless the manifest has N rows.")
number_options = together(
    setting(
        "--strict-numbers",
        is_flag=True,
        help="Refuse a manifest by id whose numbers, media types or target names are not those of its ids.",
    ),
    allow_unloaded,
    setting(
        "--rewrite-number",
        type=REWRITE,
        multiple=True,
        metavar="REGEX=TEXT",
        help="Change the manifest's numbers before they are matched, '^00=+' for example; repeatable, in this order.",
    ),
)
"""How numbers and names of a manifest are taken."""

service_moved = setting(
    "--service-moved",
    is_flag=True,
    help="The ledger's service has a new address, or the tenant a new app key: they are still the same.",
)
wait_for_lock = setting(
    "--wait-for-lock", type=WAIT, metavar="T", help="Wait so long for another run on the ledger to end; else exit 75."
)
ask_nothing = click.option("--yes", is_flag=True, help="Ask nothing. Without a terminal nothing is ever asked.")

connection_options = together(
    config_options(after_command=True),
    setting("--base-url", metavar="URL", help="The service's root, https://host[:port]. Required."),
    setting("--auth-url", metavar="URL", help="Root of the token service. [default: the base URL]"),
    setting("--header", type=HEADER, multiple=True, metavar="'NAME: VALUE'", help="Extra header; repeatable."),
    setting("--rate", type=RATE, metavar="R", help="Calls per second: 20, 600/m or unlimited."),
    setting(
        "--head-room",
        type=SHARE,
        metavar="N%",
        help="Stay so far below a limit once it is found, for others who call the same service.",
    ),
    setting("--concurrency", type=click.IntRange(1), metavar="N", help="Calls in flight at once, 10,000 at most."),
    setting("--max-attempts", type=click.IntRange(1), metavar="N", help="Tries a row gets, the first included."),
    setting("--backoff", type=float, metavar="S", help="Base of the full-jitter backoff."),
    setting("--backoff-cap", type=float, metavar="S", help="Longest backoff."),
    setting("--timeout", type=float, metavar="S", help="For one call, connecting included."),
    setting(
        "--max-throttle-wait",
        type=float,
        metavar="S",
        help="How long throttling may hold the run up without one success before it stops.",
    ),
    setting(
        "--max-outage-wait",
        type=float,
        metavar="S",
        help="How long the service may be down before the run stops; 0: never wait, rows fail by their tries alone.",
    ),
    setting("--allow-http", is_flag=True, help="Accept http:// to other hosts than this one."),
)
"""What every command needs that talks to the service."""

window_options = together(
    setting("--max-duration", type=DURATION, metavar="T", help="Start no more calls after 90s, 15m or 2h."),
    setting(
        "--until",
        type=UNTIL,
        metavar="TIME",
        help="Start no more calls from then on: a local time (04:00, the next one), or ISO 8601 with offset.",
    ),
)
"""When to start no more calls, for commands that may run unattended."""

limit_options = together(
    setting("--max-failures", type=FAILURES, metavar="N|N%", help="Stop when so many rows have failed."),
    setting(
        "--max-consecutive-failures",
        type=click.IntRange(1),
        metavar="N",
        help="Stop when so many rows in a row have failed.",
    ),
    setting("--max-rows", type=click.IntRange(1), metavar="N", help="Stop cleanly after N rows."),
)
"""When to stop before the end, for commands that change routes."""

tenant = setting("--tenant", metavar="NAME", help="Whose routes these are; shown, and kept in ledger and saved plan.")

output_options = together(
    click.option("--json", "json_", cls=ByFlag, is_flag=True, help="Print the closing summary as one JSON object."),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        is_eager=True,
        callback=lambda _context, _option, value: log_format.set(value) and value,
        help="Of what goes to stderr.",
    ),
    click.option(
        "--log-file",
        type=PATH,
        metavar="FILE",
        help="Append all that is reported to FILE too, whatever --quiet leaves out.",
    ),
    click.option("--quiet", is_flag=True, help="No output if all went well."),
    click.option("--metrics-file", type=PATH, metavar="FILE", help="Keep Prometheus metrics there, for node_exporter."),
)
"""What is said of a run, and where."""

telling_options = together(
    tenant,
    setting("--note", metavar="TEXT", help="What this is for, a change number say; shown, and kept in the ledger."),
    output_options,
)
"""Whose a run is and what for, and what is said of it."""
