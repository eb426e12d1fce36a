"""`bulkroute simulate`: serves the imitation of the vendor's service until it is told to stop."""

import os
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.options import CONTEXT

if TYPE_CHECKING:
    import asyncio

    from bulkroute.manifest import Faults as ManifestFaults
    from bulkroute.manifest import Manifest
    from bulkroute.simulator import Flow, Route, Simulator, Skill

_SHARE = click.FloatRange(0, 1)


@click.command(context_settings={**CONTEXT, "show_default": False})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on. [default: a free one]")
@click.option("--routes", type=click.IntRange(min=0), metavar="N", help="Serve N made-up routes. [default: 100]")
@click.option("--manifest", metavar="FILE", help="Serve the ids of a manifest, each bound to something earlier.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same routes and same faults.")
@click.option(
    "--latency", "latency_ms", type=click.FloatRange(min=0), default=0, metavar="MS", help="Time a call takes."
)
@click.option(
    "--jitter", "jitter_ms", type=click.FloatRange(min=0), default=0, metavar="MS", help="More time, at random."
)
@click.option("--fail-500", type=_SHARE, default=0, metavar="SHARE", help="Share of calls answered 500.")
@click.option("--fail-502", type=_SHARE, default=0, metavar="SHARE", help="Share of calls answered 502.")
@click.option("--fail-503", type=_SHARE, default=0, metavar="SHARE", help="Share of calls answered 503.")
@click.option("--fail-504", type=_SHARE, default=0, metavar="SHARE", help="Share of calls answered 504.")
@click.option("--reset", type=_SHARE, default=0, metavar="SHARE", help="Share of calls reset, half after the change.")
@click.option("--hang", type=_SHARE, default=0, metavar="SHARE", help="Share of calls never answered, half changed.")
@click.option("--half-answer", type=_SHARE, default=0, metavar="SHARE", help="Share of answers cut in the middle.")
@click.option("--garbage", type=_SHARE, default=0, metavar="SHARE", help="Share of answers that are no JSON.")
@click.option(
    "--close-after", type=_SHARE, default=0, metavar="SHARE", help="Share of answers that end the connection."
)
@click.option("--fail-500-ids", type=_SHARE, default=0, metavar="SHARE", help="Share of ids that answer 500 for ever.")
@click.option("--business-ids", type=_SHARE, default=0, metavar="SHARE", help="Share of ids that fail with 200.")
@click.option(
    "--not-applied-ids", type=_SHARE, default=0, metavar="SHARE", help="Share of ids whose success is untrue."
)
@click.option("--locked-ids", type=_SHARE, default=0, metavar="SHARE", help="Share of ids that must not be edited.")
@click.option(
    "--throttle", type=click.FloatRange(min=0, min_open=True), metavar="R", help="Calls a second let through."
)
@click.option("--throttle-burst", type=click.IntRange(min=0), metavar="N", help="Throttle as nginx does, with a burst.")
@click.option("--throttle-forever", is_flag=True, help="Answer every call 429.")
@click.option("--retry-after", metavar="TEXT", help="Of a 429: seconds, date, or any text as it is. [default: none]")
@click.option("--token-life", "token_life_s", type=click.FloatRange(min=0), metavar="S", help="Tokens live S seconds.")
@click.option("--token-limit", type=click.IntRange(min=0), metavar="N", help="Refuse to issue more than N tokens.")
@click.option("--token-single", is_flag=True, help="A new token ends the old one.")
@click.option("--refuse-after", type=click.IntRange(min=0), metavar="N", help="Revoke a token after N calls under it.")
@click.option("--read-delay", "read_delay_s", type=click.FloatRange(min=0), default=0, metavar="S",
              help="Queries show a change after S seconds.")  # fmt: skip
@click.option(
    "--unstable-order", type=click.IntRange(min=0), default=0, metavar="N", help="Shuffle the first N queries."
)
@click.option("--query-status", type=click.IntRange(400, 599), metavar="STATUS", help="What queryCalledRoute answers.")
@click.option("--refuse-missing-targets", is_flag=True, help="Binding to a target that does not exist fails.")
@click.option(
    "--unloaded-flow", type=int, multiple=True, metavar="ID", help="An IVR flow that is not loaded; repeatable."
)
@click.option("--keepalive", "keepalive_s", type=click.FloatRange(min=0), default=75, metavar="S",
              show_default=True, help="Close idle connections after S seconds.")  # fmt: skip
@click.option("--admin/--no-admin", default=True, show_default=True, help="Serve the truth at /_simulator/state.")
def simulate(
    host: str,
    port: int,
    routes: int | None,
    manifest: str | None,
    seed: int,
    reset: float,
    hang: float,
    throttle_burst: int | None,
    unloaded_flow: tuple[int, ...],
    admin: bool,
    **knobs: Any,
) -> None:
    """Serve an imitation of the vendor's service, with faults drawn from a seed.

    It prints `listening on http://HOST:PORT` once it is ready, and ends on Ctrl-C. It lets in the app key `demo-key`
    with the secret `demo-secret`, and the token `demo-token`; BULKROUTE_SIMULATOR_APP_KEY,
    BULKROUTE_SIMULATOR_APP_SECRET and BULKROUTE_SIMULATOR_TOKEN in the environment change these.

    \b
    Example:
        bulkroute simulate --routes 1000 --latency 80 --fail-500 0.05 --throttle 50
    """
    # Heavy imports stand inside, so that help comes at once.
    from bulkroute.simulator import Faults, Simulator, synthetic_routes, targets_for

    if manifest is not None and routes is not None:
        raise click.UsageError("--routes and --manifest exclude each other")
    if throttle_burst is not None and knobs["throttle"] is None:
        raise click.UsageError("--throttle-burst needs --throttle")
    if throttle_burst is not None:
        knobs |= {"throttle_shape": "leaky", "throttle_burst": throttle_burst}
    try:
        faults = Faults(
            reset_before=reset / 2, reset_after=reset / 2, hang_before=hang / 2, hang_after=hang / 2, **knobs
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if manifest is None:
        tenant = synthetic_routes(100 if routes is None else routes, seed)
        skills, flows = targets_for((), unloaded=unloaded_flow)
    else:
        tenant, skills, flows = _tenant_of(manifest, seed, unloaded_flow)
    simulator = Simulator(
        tenant,
        faults=faults,
        seed=seed,
        app_key=os.environ.get("BULKROUTE_SIMULATOR_APP_KEY", "demo-key"),
        app_secret=os.environ.get("BULKROUTE_SIMULATOR_APP_SECRET", "demo-secret"),
        static_token=os.environ.get("BULKROUTE_SIMULATOR_TOKEN", "demo-token"),
        skills=skills,
        flows=flows,
        keep_calls=False,
        admin=admin,
    )
    _serve_until_told(simulator, host, port)


def _serve_until_told(simulator: "Simulator", host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Raises click.UsageError where the address cannot be listened on."""
    import asyncio  # here, as above

    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(simulator, host, port))


def read_targets(manifest: "Manifest", faults: "ManifestFaults") -> dict[str, tuple[int, int]]:
    """Return what each id of a manifest is to be bound to."""
    return {row.id: (row.devicetype, row.device_id) for row in manifest.rows(faults)}


def _tenant_of(
    manifest: str, seed: int, unloaded: tuple[int, ...]
) -> tuple[list["Route"], list["Skill"], list["Flow"]]:
    """Return routes for a manifest's ids, and targets among which are those it asks for. Raises ManifestError."""
    from bulkroute.manifest import Faults, open_manifest  # here, as above
    from bulkroute.simulator import routes_for, targets_for

    faults = Faults()
    with open_manifest(manifest) as opened:
        wanted = read_targets(opened, faults)
    if faults.total:
        raise faults.error()
    skills, flows = targets_for(wanted.values(), unloaded=unloaded)
    return list(routes_for(wanted, seed)), skills, flows


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
