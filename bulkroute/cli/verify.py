"""`bulkroute verify`: is everything as the ledger says?"""

from pathlib import Path
from typing import Any

import click

from bulkroute.cli.options import CONTEXT, PATH, connection_options, service_moved


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@connection_options
@service_moved
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
def verify(ledger: Path, **options: Any) -> int:
    """Read live bindings and compare them with the rows that LEDGER calls done; exit 6 where they differ.

    Works while a run is going on.

    Example: bulkroute verify cutover.ledger.db --base-url https://cc.example.com
    """
    from bulkroute.cli.reading import show_verified  # here, since help must not wait for it

    return show_verified(ledger, options)
