"""`bulkroute fleet check`: is this fleet fit to be sent?"""

from pathlib import Path

import click

from bulkroute.cli.options import CONTEXT, PATH


@click.command(context_settings=CONTEXT)
@click.argument("fleet", type=PATH)
def check(fleet: Path) -> None:
    """Check FLEET, the credentials file and the manifest of each tenant, and print how many rows each has; nothing is sent.

    The first faults of every file are shown, each with its line; `bulkroute check` shows more of one manifest.

    Example: bulkroute fleet check fleet.yaml
    """
    from bulkroute.cli.fleet.fleet_of import fleet_of  # here, since help must not wait for it
    from bulkroute.fleet.tenants import check_manifests

    notices: list[str] = []
    found = fleet_of(fleet, notices)
    for text in notices:
        click.echo(text, err=True)
    rows = check_manifests(found, lambda tenant, text: click.echo(f"{tenant.name}: {text}", err=True))
    for tenant in found.tenants:
        click.echo(f"{tenant.name}: {rows[tenant.name]:,} rows in {tenant.manifest}")
    click.echo(f"{fleet}: {len(rows):,} tenants, {sum(rows.values()):,} rows, no faults")
