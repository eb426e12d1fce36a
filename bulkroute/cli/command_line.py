"""The command as it was given, fit to be shown and kept: without the values of headers, which may be secrets."""

import shlex
import sys
from collections.abc import Container

import click

from bulkroute.model import escaped
from bulkroute.settings import NO_VALUE


def as_given() -> str:
    """Return the command under way; bytes of names that are no text are escaped, so that it can be kept."""
    return escaped(shlex.join(_words()))


def _words() -> list[str]:
    ctx = click.get_current_context(silent=True)
    given: str | None = ctx.obj if ctx else None
    shown: list[str] = []
    for word in shlex.split(given) if given else ["bulkroute", *sys.argv[1:]]:
        if shown and shown[-1] == "--header":
            shown.append(_hidden(word))
        elif word.startswith("--header="):
            shown.append("--header=" + _hidden(word.removeprefix("--header=")))
        else:
            shown.append(word)
    return shown


def _hidden(header: str) -> str:
    name, colon, _value = header.partition(":")
    return f"{name}: {NO_VALUE}" if colon else NO_VALUE


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
