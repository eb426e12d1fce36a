"""Serves the simulator for the command line: a manifest's ids, the event loop, signals."""

import asyncio
import signal

import click

from bulkroute.manifest import Faults, Manifest, open_manifest
from bulkroute.simulator import Flow, Route, Simulator, Skill, routes_for, targets_for


def serve_until_told(simulator: Simulator, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Raises click.UsageError where the address cannot be listened on."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(simulator, host, port))


def read_targets(manifest: Manifest, faults: Faults) -> dict[str, tuple[int, int]]:
    """Return what each id of a manifest is to be bound to."""
    return {row.id: (row.devicetype, row.device_id) for row in manifest.rows(faults)}


def tenant_of(manifest: str, seed: int, unloaded: tuple[int, ...]) -> tuple[list[Route], list[Skill], list[Flow]]:
    """Return routes for a manifest's ids, and targets among which are those it asks for. Raises ManifestError."""
    faults = Faults()
    with open_manifest(manifest) as opened:
        wanted = read_targets(opened, faults)
    if faults.total:
        raise faults.error()
    skills, flows = targets_for(wanted.values(), unloaded=unloaded)
    return list(routes_for(wanted, seed)), skills, flows


async def _serve(simulator: Simulator, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        url = await simulator.start(host, port)
    except OSError as error:
        raise click.UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    click.echo(f"listening on {url}")
    await stop.wait()
    await simulator.stop()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
