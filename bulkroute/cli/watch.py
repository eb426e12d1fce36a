"""`bulkroute watch`: the live page of a ledger."""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from bulkroute.cli.options import CONTEXT, PATH, ByFlag, Parsed, of_shown_batch, together

if TYPE_CHECKING:
    import asyncio
    import contextlib
    import socket
    from collections.abc import Callable

    from bulkroute.web.access import Access
    from bulkroute.web.connections import Connections
    from bulkroute.web.feed import Feed, News
    from bulkroute.web.server import Server

    class Pages(Protocol):
        """What serves them."""

        def serving(self, listeners: list[socket.socket]) -> contextlib.AbstractAsyncContextManager[Connections]:
            """Serve at these sockets for the block, and give the connections."""


def parse_address(text: str) -> tuple[str, int]:
    """Read HOST:PORT; an IPv6 address stands in brackets. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address to listen on: use 127.0.0.1:8765, for instance")
    return host, int(port)


watch_options = together(
    click.option(
        "--listen",
        type=Parsed("address", parse_address),
        default="127.0.0.1:8765",
        metavar="HOST:PORT",
        help="Where to serve the page; port 0 takes a free one.",
    ),
    click.option("--open", "open_", cls=ByFlag, is_flag=True, help="Open the page in this machine's browser."),
    click.option(
        "--control", is_flag=True, help="Add buttons that pause, resume, pace and stop the run, or say go or no go."
    ),
    click.option(
        "--public", is_flag=True, help="Let in whoever reaches the port, without the link. Never with --control."
    ),
)
"""Of every page that is served live."""


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@of_shown_batch
@watch_options
def watch(ledger: Path, batch: int | None, listen: tuple[str, int], open_: bool, control: bool, public: bool) -> None:
    """Serve a page that shows LEDGER live, before, while and after a run writes it, until Ctrl-C.

    Only who opens the link that is printed gets in: other users of this machine reach the port too. It only reads:
    closing the page or ending this command never touches the run.

    \b
    Example:
        bulkroute watch cutover.ledger.db --open
    """
    import asyncio  # here, since help must not wait for these

    from bulkroute.ledger.batches import Which
    from bulkroute.ledger.ledger import Ledger
    from bulkroute.web.feed import Feed
    from bulkroute.web.server import Server

    require_private(control=control, public=public)
    if ledger.exists():
        with Ledger(ledger).read() as reader:  # what cannot be read is told before a page is served
            if batch is not None:
                reader.require_batch(batch)
    else:
        click.echo(f"{ledger}: there is no such ledger yet; the page waits for it", err=True)

    def made(access: "Access") -> "tuple[Server, Feed]":
        feed = Feed(ledger, Which.SHOWN if batch is None else batch)
        return Server(ledger, feed, access, may_control=control), feed

    asyncio.run(serve(str(ledger), made, listen, open_=open_, public=public))


def require_private(*, control: bool, public: bool) -> None:
    """Refuse buttons for everybody. Raises click.UsageError."""
    if public and control:
        raise click.UsageError(
            "--public lets everybody in, and --control is for who has the link: leave one of them out"
        )


async def serve(
    what: str,
    made: "Callable[[Access], tuple[Pages, News]]",
    listen: tuple[str, int],
    *,
    open_: bool,
    public: bool,
) -> None:
    """Serve a page until a signal comes; `made` with the rules of access gives its server and its news.

    Raises click.UsageError where the address cannot be listened on.
    """
    import asyncio  # here, since help must not wait for these
    import contextlib
    import secrets
    import signal

    from bulkroute.run.loop import mind_the_new
    from bulkroute.web import connections
    from bulkroute.web.access import Access

    mind_the_new()
    token = None if public else secrets.token_urlsafe(24)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host, port = listen
    try:
        listeners = connections.listen(host, port)
    except OSError as error:
        raise click.UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    async with contextlib.AsyncExitStack() as exits:
        server, news = made(Access(host, token))
        visitors = await exits.enter_async_context(server.serving(listeners))
        await exits.enter_async_context(news)
        link = _link(host, listeners[0].getsockname()[1], token)
        _tell(what, link, is_public=token is None)
        ends = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(news.broken())]
        if open_:
            opening = asyncio.create_task(_open(link, visitors.came))
            exits.callback(opening.cancel)
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in done:
            end.result()


async def _open(link: str, came: "asyncio.Event") -> None:
    from bulkroute.web.hand_over import open_link  # here, as above

    if not await open_link(link, came):
        click.echo("no browser could be started: open the link yourself", err=True)


def _tell(what: str, link: str, *, is_public: bool) -> None:
    """Say where the page is, and whom it lets in."""
    whom = "whoever reaches this port" if is_public else "who has this link"
    click.echo(f"watching {what} for {whom}: {link}")
    out = os.fstat(1)
    if not is_public and stat.S_ISREG(out.st_mode) and out.st_mode & 0o044:
        warning = "warning: other users may read the file that the link was written to: chmod 600 it, or use umask 077"
        click.echo(warning, err=True)


def _link(host: str, port: int, token: str | None) -> str:
    """Return the link to the page; one that listens everywhere is best reached by this machine's name."""
    import socket  # here, as above

    name = socket.gethostname() if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104 -- compared, not bound
    return f"http://{name}:{port}/" + (f"#token={token}" if token else "")
