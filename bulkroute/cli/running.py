"""Wires a run for the command line: settings, simulator, console, signals."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack, closing
from typing import Any, TypeVar

import click

from bulkroute import intake
from bulkroute.cli.asking import confirm_with
from bulkroute.cli.options import limits_of, settings_of
from bulkroute.console import Lines, closing_table
from bulkroute.engine import Engine
from bulkroute.errors import StoppedEarly
from bulkroute.ledger.store import open_for_reading
from bulkroute.manifest import Faults, open_manifest
from bulkroute.settings import Credentials, Secret, Settings
from bulkroute.standing import standing
from bulkroute.summary import Summary

T = TypeVar("T")

SIMULATED = "simulated"
"""App key and secret of the embedded simulator, which nobody but this process can reach for long."""


def run_to_the_end(manifest: str, options: dict[str, Any]) -> int:
    """Run, print the summary, return the exit code."""
    summary = loop_run(_run(manifest, options))
    if options["json_"]:
        click.echo(summary.to_json())
    elif not options["quiet"]:
        ledger = options["ledger"] or intake.default_ledger(manifest)
        with closing(open_for_reading(ledger)) as connection:
            closing_table(summary, standing(connection, ledger).reasons)
    tell_how_to_go_on(summary, quiet=options["quiet"])
    return summary.exit_code or 0


def tell_how_to_go_on(summary: Summary, *, quiet: bool) -> None:
    """Print the command that goes on with a run that was stopped, and why it was where nobody has heard it yet."""
    if summary.stopped is None:
        return
    if quiet:
        click.echo(f"bulkroute: stopped: {summary.stopped}", err=True)
    click.echo(f"to go on: {click.get_current_context().obj}", err=True)


def loop_run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop where it exists (about 1.3 times the calls a second), else on asyncio's loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


async def _run(manifest: str, options: dict[str, Any]) -> Summary:
    async with AsyncExitStack() as exits:
        settings = await _settings(manifest, options, exits)
        lines = Lines(quiet=options["quiet"])
        engine = await exits.enter_async_context(Engine(settings, watch=lines.watch, confirm=confirm_with(options)))
        work = engine.run(manifest, ledger=options["ledger"], format=options["format_"])
        return await until_interrupted(engine, work)


async def until_interrupted(engine: Engine, work: Coroutine[Any, Any, T]) -> T:
    """Do the engine's work; the first SIGINT or SIGTERM stops its run in good order, the second at once.

    Raises StoppedEarly where the signal came before there was a run.
    """
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    names: list[str] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _interrupt, engine, signal.Signals(number).name, task, names)
    try:
        return await task
    except asyncio.CancelledError:
        if not names:
            raise
        raise StoppedEarly(
            f"interrupted by {names[0]} before anything was sent", hint="the same command starts again"
        ) from None


def _interrupt(engine: Engine, name: str, task: asyncio.Future[Any], names: list[str]) -> None:
    """Stop in good order at the first signal, at once at the second; before there is a run, end the work."""
    run = engine.current
    if run is None:
        names.append(name)
        task.cancel()
    elif run.progress().stopping is None:
        run.stop(f"interrupted by {name}")
    else:
        run.abort()


async def _settings(manifest: str, options: dict[str, Any], exits: AsyncExitStack) -> Settings:
    """Return the settings; with --simulate those of a simulator that knows the manifest's ids."""
    if not options["simulate"]:
        return settings_of(options, **_own(options))
    from bulkroute.simulator import Simulator, routes_for, targets_for  # here, since only simulations need it

    with open_manifest(manifest, options["format_"]) as opened:
        wanted = {row.id: (row.devicetype, row.device_id) for row in opened.rows(Faults())}
    skills, flows = targets_for(wanted.values())
    simulator = await exits.enter_async_context(
        Simulator(routes_for(wanted), app_key=SIMULATED, app_secret=SIMULATED, skills=skills, flows=flows)
    )
    credentials = Credentials(app_key=SIMULATED, app_secret=Secret(SIMULATED))
    return settings_of({**options, "base_url": simulator.url}, credentials=credentials, **_own(options))


def _own(options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that only `run` has."""
    return limits_of(options) | {name: options[name] for name in ("fresh", "snapshot", "canary", "strict_targets")}
