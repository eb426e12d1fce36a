"""`bulkroute watch`: the live page of a ledger."""

from pathlib import Path

import click

from bulkroute.cli.options import CONTEXT, PATH, Parsed, of_shown_batch


def parse_address(text: str) -> tuple[str, int]:
    """Read HOST:PORT; an IPv6 address stands in brackets. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address to listen on: use 127.0.0.1:8765, for instance")
    return host, int(port)


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@of_shown_batch
@click.option(
    "--listen",
    type=Parsed("address", parse_address),
    default="127.0.0.1:8765",
    metavar="HOST:PORT",
    help="Where to serve the page; port 0 takes a free one.",
)
@click.option("--open", "open_", is_flag=True, help="Open the page in this machine's browser.")
@click.option("--control", is_flag=True, help="Add buttons that pause, resume, pace and stop the run.")
@click.option(
    "--private",
    is_flag=True,
    help="Let in only who opens the link that is printed. Always so with --control, and needed beyond loopback.",
)
def watch(ledger: Path, batch: int | None, listen: tuple[str, int], open_: bool, control: bool, private: bool) -> None:
    """Serve a page that shows LEDGER live, before, while and after a run writes it, until Ctrl-C.

    It only reads: closing the page or ending this command never touches the run.

    \b
    Example:
        bulkroute watch cutover.ledger.db --open
    """
    import asyncio  # here, since help must not wait for it

    from bulkroute.ledger.ledger import Ledger
    from bulkroute.web.access import is_loopback

    if not (control or private or is_loopback(listen[0])):
        raise click.UsageError(
            f"whoever reaches {listen[0]} could watch: add --private, so that the page asks for the token in its link"
        )
    if ledger.exists():
        with Ledger(ledger).read() as reader:  # what cannot be read is told before a page is served
            if batch is not None:
                reader.require_batch(batch)
    else:
        click.echo(f"{ledger}: there is no such ledger yet; the page waits for it", err=True)
    asyncio.run(_serve(ledger, batch, listen, open_=open_, may_control=control, private=private or control))


async def _serve(
    ledger: Path, batch: int | None, listen: tuple[str, int], *, open_: bool, may_control: bool, private: bool
) -> None:
    """Serve the page until a signal comes. Raises click.UsageError where the address cannot be listened on."""
    import asyncio  # here, since help must not wait for these
    import secrets
    import signal
    import webbrowser

    from aiohttp import web

    from bulkroute.ledger.batches import Which
    from bulkroute.web.access import Access
    from bulkroute.web.feed import Feed
    from bulkroute.web.server import Server

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    token = secrets.token_urlsafe(24) if private else None
    feed = Feed(ledger, Which.SHOWN if batch is None else batch)
    server = Server(ledger, feed, Access(listen[0], token), may_control=may_control)
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, *listen)
        try:
            await site.start()
        except OSError as error:
            raise click.UsageError(f"cannot listen on {listen[0]}:{listen[1]}: {error.strerror or error}") from error
        async with feed:
            link = _link(listen[0], runner.addresses[0][1], token)
            click.echo(f"watching {ledger} at {link}")
            if open_:
                await asyncio.to_thread(webbrowser.open, link)
            ends = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(feed.broken())]
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in done:
                end.result()
    finally:
        await runner.cleanup()


def _link(host: str, port: int, token: str | None) -> str:
    """Return the link to the page; one that listens everywhere is best reached by this machine's name."""
    import socket  # here, as above

    name = socket.gethostname() if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104 -- compared, not bound
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")
