"""Serves the live page for the command line: address, token, browser, signals."""

import asyncio
import secrets
import signal
import socket
import webbrowser
from pathlib import Path

import click
from aiohttp import web

from bulkroute.web.access import Access
from bulkroute.web.feed import Feed
from bulkroute.web.server import Server


async def serve(ledger: Path, listen: tuple[str, int], *, open_: bool, may_control: bool, private: bool) -> None:
    """Serve the page until a signal comes. Raises click.UsageError where the address cannot be listened on."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    token = secrets.token_urlsafe(24) if private else None
    feed = Feed(ledger)
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
    name = socket.gethostname() if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104 -- compared, not bound
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")
