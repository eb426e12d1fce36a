"""`bulkroute fleet rollback`: all tenants back to the bindings there were before."""

from pathlib import Path
from typing import Any

import click

from bulkroute.cli.fleet.options import fleet_file, run_options
from bulkroute.cli.options import CONTEXT


@click.command(context_settings=CONTEXT)
@fleet_file
@run_options
def rollback(fleet: Path, **options: Any) -> int:
    """Put back the earlier bindings of rows that the latest batch of each tenant of FLEET changed; the same command again goes on.

    What `bulkroute rollback` does for each tenant's ledger: a row that another hand has changed since is left alone. A
    tenant with nothing to put back ends with 2, as it does there; `--batch` and the like are given to its own ledger.

    Exit code: 0 if every tenant ended with 0; 4 if rows are left and nobody must act; else 1.

    Example: bulkroute fleet rollback fleet.yaml
    """
    from bulkroute.cli.fleet.session import roll_fleet_back  # here, since help must not wait for it

    return roll_fleet_back(fleet, options)
