"""`--config` and `--profile`, before or after the command's name: which settings and credentials it starts from.

Credentials of two sources are never mixed: a token in the environment must not go to the tenant of a profile.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from bulkroute.cli.config_file import Config, read_config
from bulkroute.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

CONFIG, PROFILE, FOUND = "bulkroute.config", "bulkroute.profile", "bulkroute.found"
"""Where a command line keeps what it was given and what was found there."""

PREFIX = "BULKROUTE_"
SIMULATOR = ("BULKROUTE_SIMULATOR_APP_KEY", "BULKROUTE_SIMULATOR_APP_SECRET", "BULKROUTE_SIMULATOR_TOKEN")
"""What `simulate` reads besides."""
TO_HOOKS = (
    "BULKROUTE_HOOK",
    "BULKROUTE_EVENT",
    "BULKROUTE_REASON",
    "BULKROUTE_WAVE",
    "BULKROUTE_DONE",
    "BULKROUTE_FAILED",
)
"""What a run tells its hooks and gates, which may call bulkroute themselves."""


def config_options(*, after_command: bool = False) -> Callable[[F], F]:
    """Return a decorator that adds both options; `after_command`: to a command, beside those of the group."""

    def keep(key: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
        def callback(ctx: click.Context, _option: click.Parameter, value: str | None) -> None:
            if value is not None:
                ctx.meta[key] = value
                if after_command:
                    take_config(ctx)

        return callback

    # Eager: what they name is the default of all others. The environment is the group's to read.
    how: dict[str, Any] = {"is_eager": True, "expose_value": False, "allow_from_autoenv": not after_command}

    def add(command: F) -> F:
        for flag, key, metavar, text in (
            (
                "--profile",
                PROFILE,
                "NAME",
                "Take [profile.NAME] of the settings file over its top level: a tenant's settings.",
            ),
            ("--config", CONFIG, "FILE", "Settings file. [default: bulkroute.toml in this folder, if there is one]"),
        ):
            command = click.option(flag, metavar=metavar, callback=keep(key), help=text, **how)(command)
        return command

    return add


def take_config(ctx: click.Context) -> None:
    """Make what the settings file says the defaults of the command. Raises UsageError."""
    from bulkroute.cli import COMMANDS, FLEET, known_options  # here, since the group's module imports this one

    found = read_config(ctx.meta.get(CONFIG), ctx.meta.get(PROFILE), known_options)
    ctx.meta[FOUND] = found
    of_all = dict.fromkeys(COMMANDS, found.settings) | {"fleet": dict.fromkeys(FLEET, found.settings)}
    ctx.default_map = found.settings if ctx.parent else of_all


def environment_of_credentials(environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the environment, with the credentials that the settings file names. Raises UsageError for a mixture."""
    from bulkroute.credentials import VARIABLES  # here, since help must not wait for it

    ctx = click.get_current_context(silent=True)
    found: Config = ctx.meta.get(FOUND, Config()) if ctx else Config()
    named, given = found.credentials, [name for name in VARIABLES if environment.get(name)]
    # A key from one and its secret from the other make one pair.
    halves = {frozenset(map(_half, named)), frozenset(map(_half, given))}
    if named and given and halves != {frozenset({"key"}), frozenset({"secret"})}:
        raise UsageError(
            f"names credentials, and so does the environment ({', '.join(given)})",
            where=found.where,
            hint="unset those variables, or leave the credentials out of the file",
        )
    return {**environment, **named}


def _half(name: str) -> str:
    from bulkroute.credentials import KEY, SECRETS  # here, as above

    return "key" if name == KEY else "secret" if name in SECRETS else "token"


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return a notice for each BULKROUTE_* variable that nothing reads: a misspelt limit would be missed in silence."""
    from bulkroute.credentials import VARIABLES  # here, as above

    given = {name for name in environment if name.startswith(PREFIX)} - {*VARIABLES, *SIMULATOR, *TO_HOOKS}
    if not given:
        return []
    from bulkroute.cli import known_options  # here, as above: it imports every command

    known = {*known_options(), "config", "profile"}
    notices = []
    for name in sorted(given):
        setting = name.removeprefix(PREFIX).lower()
        if setting not in known:
            import difflib  # here, since few need it

            near = difflib.get_close_matches(setting, known, 1, 0.8)
            meant = f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""
            notices.append(f"{name} is set in the environment, but no setting has that name{meant}")
    return notices
