"""`bulkroute.toml`: settings by their flags' names, for all commands that know them; a table for each tenant.

    rate = 20
    [profile.eu]
    base-url = "https://cc-eu.example.com"
    app-key = "eu-key"
    app-secret-file = "/etc/bulkroute/eu.secret"

`--profile eu` takes that table over the top level. The file never holds a secret: it may name the files that do.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bulkroute.errors import UsageError

DEFAULT_FILE = "bulkroute.toml"
SECRETS = frozenset({"token", "app_secret"})
CREDENTIALS = ("app_key", "app_secret_file", "token_file")
"""Not secret, and the flags of no command."""


class Config(NamedTuple):
    """What a settings file says."""

    settings: dict[str, Any] = {}
    """By the names that the commands have for their options."""
    credentials: Mapping[str, str] = {}
    """By the environment variables that say the same."""
    where: str = ""
    """What names the credentials, for messages."""


def read_config(file: str | None, profile: str | None, known: Callable[[], dict[str, str]]) -> Config:
    """Return what the file says, with a profile's table over its top level.

    `known` gives each flag's name, with `_`, and what the commands call it. Raises UsageError for a file that is
    missing, not TOML, holds a secret or a setting that no command has, in any profile, and for an unknown profile.
    """
    where = file or DEFAULT_FILE
    content = _read(where, must_exist=file is not None or profile is not None)
    if content is None:
        return Config()
    profiles = content.pop("profile", {})
    if not isinstance(profiles, dict) or not all(isinstance(each, dict) for each in profiles.values()):
        raise UsageError("profile is no table", where=where, hint="write [profile.NAME], then that tenant's settings")
    tables = {where: content, **{f"{where}, [profile.{name}]": table for name, table in profiles.items()}}
    names = known() if any(tables.values()) else {}
    found = [_checked(table, names, place) for place, table in tables.items()]
    if profile is None:
        return found[0]
    if profile not in profiles:
        has = f"it has {', '.join(profiles)}" if profiles else "it has none; write [profile.NAME]"
        raise UsageError(f"there is no profile {profile}", where=where, hint=has)
    top, own = found[0], found[1 + list(profiles).index(profile)]
    # Those of two tenants are never mixed.
    credentials, place = (own.credentials, own.where) if own.credentials else (top.credentials, top.where)
    return Config({"tenant": profile, **top.settings, **own.settings}, credentials, place)


def _read(where: str, *, must_exist: bool) -> dict[str, Any] | None:
    """Return the file's content; None if there is no file and none was asked for."""
    try:
        # Neither pathlib nor tomllib is imported where there is no file: help must not wait for them.
        with open(where, "rb") as opened:
            text = opened.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        if not must_exist and isinstance(error, FileNotFoundError):
            return None
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        hint = "check --config, and the file's rights; it is to be TOML in UTF-8"
        raise UsageError(f"cannot be read: {reason}", where=where, hint=hint) from error
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = 'correct that line; texts stand in quotes: base-url = "https://host"'
        raise UsageError(f"is not TOML: {error}", where=where, hint=hint) from error


def _checked(table: dict[str, Any], known: Mapping[str, str], where: str) -> Config:
    """Return what a table says. Raises UsageError for secrets and for what no command has."""
    given = {name.replace("-", "_"): value for name, value in table.items()}
    if secrets := sorted(SECRETS & given.keys()):
        hint = "secrets come from the environment, or from the files that token-file and app-secret-file name"
        raise UsageError(f"holds a secret ({', '.join(secrets)})", where=where, hint=hint)
    credentials = {f"BULKROUTE_{name.upper()}": str(given.pop(name)) for name in CREDENTIALS if name in given}
    if unknown := sorted(given.keys() - known.keys()):
        raise UsageError(f"no command has the setting {unknown[0]}", where=where, hint="see `bulkroute run --help`")
    return Config({known[name]: value for name, value in given.items()}, credentials, where)
