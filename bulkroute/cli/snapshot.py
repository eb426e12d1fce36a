"""`bulkroute snapshot`: the live bindings as a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.options import CONTEXT, connection_options, settings_from
from bulkroute.cli.output_file import output_to
from bulkroute.errors import ExitCode
from bulkroute.model import DeviceType

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute

COLUMNS = ["id", "devicetype", "deviceId", "accessCode", "extCode", "mediaType", "deviceDesc", "editable"]
FREE_TEXT = ["accessCode", "extCode", "deviceDesc", "editable"]


@click.command(context_settings=CONTEXT)
@output_to(metavar="FILE.csv", required=True, help="The file to write.")
@connection_options
def snapshot(output: Path, force: bool, **options: Any) -> int:
    """Write the live bindings of all called routes as a manifest, with some more columns to read.

    Routes that lead to no queue or flow are left out, and counted.

    Example: bulkroute snapshot -o before.csv --base-url https://cc.example.com
    """
    from bulkroute.atomic_file import writing  # here, since help must not wait for these
    from bulkroute.cli.output_file import require_csv_name, require_free
    from bulkroute.cli.session import with_engine
    from bulkroute.ledger import export

    require_csv_name(output)
    require_free(output, force=force)

    async def work(engine: "Engine") -> int:
        async with engine.snapshot() as live:
            require_free(output, force=force)  # reading took a while
            with writing(output) as file:
                export.write_csv(_records(live), file, COLUMNS, FREE_TEXT)
            left_out = sum(1 for route in live.routes() if not _fits_a_manifest(route))
            click.echo(f"{output}: {live.count() - left_out:,} called routes", err=True)
            if left_out:
                click.echo(f"{left_out:,} more have a target that no manifest can name, and are left out", err=True)
            return ExitCode.DONE if live.settled else ExitCode.SOME_FAILED

    return with_engine(settings_from(options), work)


def _fits_a_manifest(route: "LiveRoute") -> bool:
    return route.device_id is not None and route.devicetype in list(DeviceType)


def _records(live: "LiveBindings") -> Iterator[dict[str, Any]]:
    for route in live.routes():
        if _fits_a_manifest(route):
            yield dict(zip(COLUMNS, route, strict=True))
