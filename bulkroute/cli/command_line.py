"""The command as it was given, fit to be shown and kept: without the values of headers, which may be secrets, or a ping's URL."""

import shlex
import sys
from collections.abc import Callable, Container
from pathlib import Path

import click

from bulkroute.ledger.paths import quoted
from bulkroute.model import escaped
from bulkroute.settings import NO_VALUE


def as_given() -> str:
    """Return the command under way; bytes of names that are no text are escaped, so that it can be kept."""
    return escaped(shlex.join(_words()))


def _words() -> list[str]:
    ctx = click.get_current_context(silent=True)
    words: list[str] | None = ctx.obj if ctx else None
    shown: list[str] = []
    for word in words or ["bulkroute", *sys.argv[1:]]:
        flag, given, value = word.partition("=")
        if shown and shown[-1] in _HIDDEN:
            shown.append(_HIDDEN[shown[-1]](word))
        elif given and flag in _HIDDEN:
            shown.append(f"{flag}={_HIDDEN[flag](value)}")
        else:
            shown.append(word)
    return shown


def _header(header: str) -> str:
    name, colon, _value = header.partition(":")
    return f"{name}: {NO_VALUE}" if colon else NO_VALUE


_HIDDEN: dict[str, Callable[[str], str]] = {"--header": _header, "--ping-url": lambda _url: NO_VALUE}
"""What is shown of a value that is not to be seen."""

WHERE = ("--base-url", "--auth-url", "--header", "--config", "--profile")
"""Flags that say which service is meant, and by whom; each has a value."""


def on_ledger(command: str, ledger: Path) -> str:
    """Return another command on a ledger, at the service that the one under way is about."""
    kept: list[str] = []
    words = iter(_words())
    for word in words:
        flag, given, _value = word.partition("=")
        if flag in WHERE:
            kept += [word] if given else [word, next(words, "")]
        elif word in ("--allow-http", "--service-moved"):
            kept.append(word)
    return " ".join(["bulkroute", command, quoted(ledger), *map(shlex.quote, kept)])


def going_on(useless: Container[str] = ()) -> str:
    """Return the command that goes on with the one under way: without --fresh, which would begin once more.

    `useless`: flags to leave out too, with their values.
    """
    kept: list[str] = []
    words = iter(_words())
    for word in words:
        flag, given, _value = word.partition("=")
        if flag in useless and not given:
            next(words, None)
        elif word != "--fresh" and flag not in useless:
            kept.append(word)
    return shlex.join(kept)
