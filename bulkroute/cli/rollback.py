"""`bulkroute rollback`: back to the bindings there were before."""

from pathlib import Path
from typing import Any

import click

from bulkroute.cli.options import (
    CONTEXT,
    PATH,
    ask_nothing,
    connection_options,
    limit_options,
    service_moved,
    telling_options,
    wait_for_lock,
    window_options,
)


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@connection_options
@limit_options
@window_options
@service_moved
@wait_for_lock
@ask_nothing
@telling_options
def rollback(ledger: Path, **options: Any) -> int:
    """Put back the recorded earlier bindings of rows that LEDGER's batch changed; the same command again goes on.

    A row whose live binding is no longer what was written is left alone and reported as `conflict` (exit 1). Rows
    that are put back are pending again: `bulkroute run` sends them once more.

    Example: bulkroute rollback cutover.ledger.db --base-url https://cc.example.com
    """
    from bulkroute.cli.session import roll_back_to_the_end  # here, since help must not wait for it

    return roll_back_to_the_end(ledger, options)
