"""`bulkroute.toml`: settings by their flags' names, for all commands that know them."""

from collections.abc import Callable
from typing import Any

from bulkroute.errors import UsageError

DEFAULT_FILE = "bulkroute.toml"
SECRETS = frozenset({"token", "app_key", "app_secret", "token_file", "app_secret_file"})


def read_config(file: str | None, known: Callable[[], set[str]]) -> dict[str, Any]:
    """Return the settings of the file, by parameter name; `known` gives the names there are.

    Names are those of the flags, with `-` or `_`. Raises UsageError for a file that is missing, not TOML, holds a
    secret or a setting that no command knows.
    """
    where = file or DEFAULT_FILE
    try:
        # Neither pathlib nor tomllib is imported where there is no file: help must not wait for them.
        with open(where, "rb") as opened:
            text = opened.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        if file is None and isinstance(error, FileNotFoundError):
            return {}
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"cannot be read: {reason}", where=where) from error
    import tomllib

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"is not TOML: {error}", where=where) from error
    settings = {name.replace("-", "_"): value for name, value in content.items()}
    if secrets := sorted(SECRETS & settings.keys()):
        raise UsageError(
            f"holds a secret ({', '.join(secrets)})", where=where, hint="secrets come from the environment"
        )
    if unknown := sorted(settings.keys() - known()):
        raise UsageError(f"no command has the setting {unknown[0]}", where=where, hint="see `bulkroute run --help`")
    return settings
