"""`bulkroute snapshot`: the live bindings as a file."""

from pathlib import Path
from typing import Any

import click

from bulkroute.cli.options import CONTEXT, PATH, connection_options


@click.command(context_settings=CONTEXT)
@click.option("-o", "--output", type=PATH, metavar="FILE.csv", required=True, help="The file to write.")
@connection_options
def snapshot(output: Path, **options: Any) -> int:
    """Write the live bindings of all called routes as a manifest, with some more columns to read.

    Example: bulkroute snapshot -o before.csv --base-url https://cc.example.com
    """
    from bulkroute.cli.reading import write_snapshot  # here, since help must not wait for it

    return write_snapshot(output, options)
