"""Options that several commands share, and their way into Settings."""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from bulkroute.cli.times import parse_until
from bulkroute.settings import Credentials, Settings, parse_duration, parse_failure_limit, parse_header, parse_rate

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


UNTIL = Parsed("time", _until)
DURATION = Parsed("duration", parse_duration)
RATE = Parsed("rate", parse_rate)
FAILURES = Parsed("failures", parse_failure_limit)
HEADER = Parsed("header", parse_header)
PATH = click.Path(dir_okay=False, path_type=Path)

log_format: ContextVar[str] = ContextVar("log_format", default="text")
"""How errors that end the command are told; set as soon as --log-format is read."""


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that adds several options, in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


manifest_format = click.option(
    "--format", "format_", type=click.Choice(["csv", "yaml"]), help="Of the manifest, where its name does not say."
)
of_rollback = click.option("--rollback", is_flag=True, help="Of the batch's last rollback instead.")
strict_targets = click.option(
    "--strict-targets", is_flag=True, help="Refuse queues and IVR flows that do not exist or are not loaded."
)
service_moved = click.option(
    "--service-moved", is_flag=True, help="The ledger's service has a new address: --base-url is the same service."
)
ask_nothing = click.option("--yes", is_flag=True, help="Ask nothing. Without a terminal nothing is ever asked.")

connection_options = together(
    click.option("--base-url", metavar="URL", help="The service's root, https://host[:port]. Required."),
    click.option("--auth-url", metavar="URL", help="Root of the token service. [default: the base URL]"),
    click.option("--header", type=HEADER, multiple=True, metavar="'NAME: VALUE'", help="Extra header; repeatable."),
    click.option("--rate", type=RATE, metavar="R", default="10", help="Calls per second: 20, 600/m or unlimited."),
    click.option(
        "--concurrency",
        type=click.IntRange(1),
        metavar="N",
        default=16,
        help="Calls in flight at once, 10,000 at most.",
    ),
    click.option(
        "--max-attempts",
        type=click.IntRange(1),
        metavar="N",
        default=4,
        help="Tries a row gets, the first included.",
    ),
    click.option("--backoff", type=float, metavar="S", default=0.5, help="Base of the full-jitter backoff."),
    click.option("--backoff-cap", type=float, metavar="S", default=20, help="Longest backoff."),
    click.option("--timeout", type=float, metavar="S", default=15, help="For one call, once it is sent."),
    click.option(
        "--max-throttle-wait",
        type=float,
        metavar="S",
        default=900,
        help="How long throttling may hold the run up without one success before it stops.",
    ),
    click.option("--allow-http", is_flag=True, help="Accept http:// to other hosts than this one."),
)
"""What every command needs that talks to the service."""


window_options = together(
    click.option("--max-duration", type=DURATION, metavar="T", help="Start no more calls after 90s, 15m or 2h."),
    click.option(
        "--until",
        type=UNTIL,
        metavar="TIME",
        help="Start no more calls from then on: a local time (04:00, the next one), or ISO 8601 with offset.",
    ),
)
"""When to start no more calls, for commands that may run unattended."""


def window_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of `window_options`."""
    return {"max_duration_s": options["max_duration"], "until": options["until"]}


telling_options = together(
    click.option("--json", "json_", is_flag=True, help="Print the closing summary as one JSON object."),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        is_eager=True,
        callback=lambda _context, _option, value: log_format.set(value) and value,
        help="Of what goes to stderr.",
    ),
    click.option("--quiet", is_flag=True, help="No output at all unless a person must act."),
    click.option("--metrics-file", type=PATH, metavar="FILE", help="Keep Prometheus metrics there, for node_exporter."),
)
"""What a run says, and where."""


limit_options = together(
    click.option("--max-failures", type=FAILURES, metavar="N|N%", help="Stop when so many rows have failed."),
    click.option(
        "--max-consecutive-failures",
        type=click.IntRange(1),
        metavar="N",
        default=20,
        help="Stop when so many rows in a row have failed.",
    ),
    click.option("--max-rows", type=click.IntRange(1), metavar="N", help="Stop cleanly after N rows."),
)
"""When to stop before the end, for commands that change routes."""


def limits_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of `limit_options`."""
    return {name: options[name] for name in ("max_failures", "max_consecutive_failures", "max_rows")}


def settings_of(options: dict[str, Any], **extra: Any) -> Settings:
    """Return the settings of the shared options, and credentials from the environment. Raises UsageError."""
    if not options["base_url"]:
        raise click.UsageError("--base-url is missing: name the service's root, https://host[:port], or use --simulate")
    return Settings(
        base_url=options["base_url"],
        auth_url=options["auth_url"],
        headers=tuple(options["header"]),
        rate_per_s=options["rate"],
        concurrency=options["concurrency"],
        max_attempts=options["max_attempts"],
        backoff_s=options["backoff"],
        backoff_cap_s=options["backoff_cap"],
        timeout_s=options["timeout"],
        max_throttle_wait_s=options["max_throttle_wait"],
        service_moved=options.get("service_moved", False),
        allow_http=options["allow_http"],
        credentials=extra.pop("credentials", None) or Credentials.from_environment(),
        **extra,
    )
