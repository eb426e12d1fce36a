"""`bulkroute simulate`: serves the imitation of the vendor's service until it is stopped."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.fault_options import InGroups, fault_options, fields_of
from bulkroute.cli.options import CONTEXT, PATH, ByFlag

if TYPE_CHECKING:
    import asyncio

    from bulkroute.simulator import ContactCentre, Flow, Simulator


@click.command(cls=InGroups, context_settings={**CONTEXT, "show_default": False})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on. [default: a free one]")
@click.option("--routes", type=click.IntRange(min=0), metavar="N", help="Serve N made-up routes. [default: 100]")
@click.option("--manifest", metavar="FILE", help="Serve the ids of a manifest, each bound to something earlier.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same routes and same faults.")
@click.option(
    "--unloaded-flow", type=int, multiple=True, metavar="ID", help="An IVR flow that is not loaded; repeatable."
)
@click.option(
    "--write-token", type=PATH, metavar="FILE", help="Write the ready token there, and again when it is replaced."
)
@click.option("--keepalive", "keepalive_s", cls=ByFlag, type=click.FloatRange(min=0), default=75, metavar="S",
              show_default=True, help="Close idle connections after S seconds.")  # fmt: skip
@click.option("--admin/--no-admin", default=True, show_default=True, help="Serve the truth at /_simulator/state.")
@fault_options
def simulate(
    host: str,
    port: int,
    routes: int | None,
    manifest: str | None,
    seed: int,
    unloaded_flow: tuple[int, ...],
    write_token: Path | None,
    keepalive_s: float,
    admin: bool,
    **knobs: Any,
) -> None:
    """Serve an imitation of the vendor's service, with faults drawn from a seed.

    It prints `listening on http://HOST:PORT` once it is ready, and ends on Ctrl-C. It lets in the app key `demo-key`
    with the secret `demo-secret`, and the token `demo-token`; BULKROUTE_SIMULATOR_APP_KEY,
    BULKROUTE_SIMULATOR_APP_SECRET and BULKROUTE_SIMULATOR_TOKEN in the environment change these.

    SHARE is a number from 0 to 1. OUTAGE is BEGIN+LENGTH:KIND: from when on, for how long, and what calls meet then:
    `refused` (the port is closed), `reset`, `hang`, or a status from 400 to 599. `/PERIOD` after the length repeats it,
    `@modify`, `@token` or `@read` after the kind spares the other endpoints, `*SHARE` at the end spares a part of the
    calls. Times are written 500ms, 5s, 1.5m, 2h, and count from the first call.

    \b
    Example:
        bulkroute simulate --routes 1000 --latency 80 --throttle 50 --refuse 0.01 --outage '10s+20s:refused'
    """
    # Heavy imports stand inside, so that help comes at once.
    from bulkroute.simulator import Faults, Simulator, contact_centre

    if manifest is not None and routes is not None:
        raise click.UsageError("--routes and --manifest exclude each other")
    try:
        faults = Faults(keepalive_s=keepalive_s, **fields_of(knobs))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    token = os.environ.get("BULKROUTE_SIMULATOR_TOKEN", "demo-token")
    if write_token is not None:
        _write(token, write_token)
    if manifest is None:
        tenant = contact_centre(100 if routes is None else routes, seed)
    else:
        tenant = _of_manifest(manifest, seed)
    simulator = Simulator(
        tenant.routes,
        faults=faults,
        seed=seed,
        app_key=os.environ.get("BULKROUTE_SIMULATOR_APP_KEY", "demo-key"),
        app_secret=os.environ.get("BULKROUTE_SIMULATOR_APP_SECRET", "demo-secret"),
        static_token=token,
        token_file=write_token,
        skills=tenant.skills,
        flows=_unloaded(tenant, unloaded_flow),
        keep_calls=False,
        admin=admin,
    )
    _serve_until_stopped(simulator, host, port)


def _write(token: str, path: Path) -> None:
    """Hand the ready token out. Raises click.UsageError where that cannot be."""
    from bulkroute.simulator.clockwork import hand_out  # here, as above

    try:
        hand_out(token, path)
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _serve_until_stopped(simulator: "Simulator", host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Raises click.UsageError where the address cannot be listened on."""
    import asyncio  # here, as above

    from bulkroute.run.loop import mind_the_new

    mind_the_new()
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(simulator, host, port))


def _of_manifest(manifest: str, seed: int) -> "ContactCentre":
    """Return what a manifest speaks of. Raises ManifestError."""
    from bulkroute.cli.rehearsal import rehearsed  # here, as above
    from bulkroute.manifest import Faults, open_manifest

    faults = Faults()
    with open_manifest(manifest) as opened:
        tenant = rehearsed(opened, faults, seed)
    if faults.total:
        raise faults.error()
    return tenant


def _unloaded(tenant: "ContactCentre", numbers: tuple[int, ...]) -> list["Flow"]:
    """Return its flows, of which those with these numbers are not loaded; they are added where they are missing."""
    from bulkroute.simulator import Flow  # here, as above

    flows = {flow.id: flow for flow in tenant.flows}
    flows |= {number: replace(flows.get(number, Flow(number)), loaded=False) for number in numbers}
    return list(flows.values())


async def _serve(simulator: "Simulator", host: str, port: int) -> None:
    import asyncio  # here, as above
    import signal

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


def _new_loop() -> "asyncio.AbstractEventLoop":
    import asyncio  # here, as above

    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
