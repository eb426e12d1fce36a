"""Options of commands that work by way of PostgreSQL, so that several hosts may be at one tenant."""

import contextlib
import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from bulkroute.cli.options import F, Parsed, together
from bulkroute.errors import UsageError
from bulkroute.events import WARNING, Event, Notice, OnEvent
from bulkroute.settings import Settings, parse_rate

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.ledger.copied import LedgerCopy
    from bulkroute.rate.limit import Limit


def _require_driver(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    """Refuse a database where the library for it is not there. Raises UsageError."""
    if url is not None and importlib.util.find_spec("psycopg") is None:
        raise UsageError("--on needs psycopg", hint="pip install 'bulkroute[postgres]'")
    return url


def on_database(text: str) -> Callable[[F], F]:
    """Return a decorator that adds the option which names the database; `text` is its help."""
    return click.option("--on", metavar="URL", callback=_require_driver, help=text)


def _shared_rate(text: str) -> tuple[str, float]:
    name, _equals, rate = text.partition("=")
    per_s = parse_rate(rate)
    if not name or per_s is None:
        raise ValueError(f"{text!r} is not a limit; write NAME=RATE, partner-a=50 for example")
    return name, per_s


database_options = together(
    on_database(
        "Keep a copy of the ledger in this PostgreSQL database, postgresql://host/database, and work on the tenant only while"
        " no other process does."
    ),
    click.option(
        "--limit",
        type=Parsed("limit", _shared_rate),
        metavar="NAME=R",
        help="Share this rate with whoever names it too; needs --on.",
    ),
)
"""Of a single run or rollback."""


class How(NamedTuple):
    """What the engine of a single run is given, and whom it tells."""

    on_event: OnEvent
    limit: "Limit | None" = None
    copy: "LedgerCopy | None" = None
    begun: "Callable[[Engine], None]" = lambda _engine: None


@contextlib.asynccontextmanager
async def joined(options: dict[str, Any], settings: Settings, ledger: Path, on_event: OnEvent) -> AsyncIterator[How]:
    """Take the tenant in the database, if one is named, for the block.

    Raises UsageError, StoppedEarly where the database cannot be reached, and LedgerBusy where another process has it.
    """
    if options["on"] is None:
        if options["limit"] is not None:
            raise UsageError("--limit is shared by way of PostgreSQL", hint="give --on postgresql://host/database too")
        yield How(on_event)
        return
    if settings.is_rehearsal:
        raise UsageError("a rehearsal has no other host", hint="leave --on out, or --simulate")
    from bulkroute.fleet.joining import joining  # here, since only who asks for it needs psycopg

    def notice(text: str) -> None:
        on_event(Notice(f"{WARNING}{text}"))

    async with joining(options["on"], settings, ledger, options["limit"], notice) as found:

        def tell(event: Event) -> None:
            found.on_event(event)
            on_event(event)

        yield How(tell, found.footing.limit, found.footing.copy, found.begun)
