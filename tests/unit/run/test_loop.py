"""A process that goes on for hours looks for garbage often, and only among what is new."""

import asyncio
import gc
import socket
from collections.abc import Iterator
from typing import NoReturn

import click
import pytest

from bulkroute.cli.simulate import _serve_until_stopped
from bulkroute.cli.watch import serve
from bulkroute.run.loop import COLLECT_EVERY, run_in_loop
from bulkroute.simulator import Simulator
from bulkroute.web.access import Access


@pytest.fixture(autouse=True)
def lazy() -> Iterator[None]:
    """Begin as every command does, and leave Python as it was."""
    before = gc.get_threshold()
    gc.set_threshold(100_000)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def looks_among_the_new() -> bool:
    return gc.get_threshold()[0] == COLLECT_EVERY and gc.get_freeze_count() > 0


def test_a_run_does() -> None:
    async def main() -> bool:
        return looks_among_the_new()

    assert run_in_loop(main())


def test_a_page_and_a_simulator_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        with pytest.raises(click.UsageError):
            asyncio.run(serve("it", _nothing, address, open_=False, public=False))
        assert looks_among_the_new()
        gc.set_threshold(100_000)
        with pytest.raises(click.UsageError):
            _serve_until_stopped(Simulator([]), *address)
        assert looks_among_the_new()


def _nothing(_access: Access) -> NoReturn:
    raise AssertionError("nothing is served at an address that is taken")
