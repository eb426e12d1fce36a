"""The question before the first call: asked once, on a terminal only, and never where nobody could answer."""

import asyncio
import os
import sys
from typing import Any

import click

from bulkroute.engine import Confirm
from bulkroute.run.prepare import Prepared

LINE_BYTES = 1024


def confirm_with(options: dict[str, Any]) -> Confirm | None:
    """Return what asks on the terminal; None where nothing is to be asked."""
    silent = options["yes"] or options["quiet"] or options.get("simulate")
    return None if silent or not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()) else _confirm


async def _confirm(prepared: Prepared) -> bool:
    click.echo(f"{describe(prepared)}. Send now? [y/N] ", err=True, nl=False)
    answered = asyncio.Event()
    # Not input(): it would keep Ctrl-C waiting.
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
    loop.add_reader(terminal, answered.set)
    try:
        await answered.wait()
    finally:
        loop.remove_reader(terminal)
    return os.read(terminal, LINE_BYTES).strip().lower() in (b"y", b"yes")


def describe(prepared: Prepared) -> str:
    """Return what is about to happen, in rows."""
    counts = prepared.counts
    verb = "to change" if prepared.batch.parent is None else "to put back"
    parts = [f"{counts.pending:,} rows {verb}", f"{counts.succeeded + counts.unchanged:,} already right"]
    parts += [f"{rows:,} failed: {error}" for error, rows in sorted(counts.failures.items())]
    return ", ".join(parts)
