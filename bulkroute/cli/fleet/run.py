"""`bulkroute fleet run`: the bulk rebinding of many tenants."""

from pathlib import Path
from typing import Any

import click

from bulkroute.cli.fleet.options import fleet_file, run_options
from bulkroute.cli.options import CONTEXT


@click.command(context_settings=CONTEXT)
@fleet_file
@run_options
def run(fleet: Path, **options: Any) -> int:
    """Send what is not done yet of all tenants of FLEET; the same command again resumes.

    All manifests and credentials files are checked before the first call of any tenant (exit 65, nothing sent). A tenant
    that fails, is refused or has to wait touches no other.

    Exit code: 0 if every tenant ended with 0; 4 if rows are left and nobody must act; else 1.

    Example: bulkroute fleet run fleet.yaml --first 3
    """
    from bulkroute.cli.fleet.session import run_fleet  # here, since help must not wait for it

    return run_fleet(fleet, options)
