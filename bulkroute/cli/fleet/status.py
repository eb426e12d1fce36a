"""`bulkroute fleet status`: how do all tenants stand?"""

import json
import sys
from pathlib import Path

import click

from bulkroute.cli.fleet.options import fleet_file, of_hosts
from bulkroute.cli.options import CONTEXT, ByFlag
from bulkroute.errors import ExitCode


@click.command(context_settings=CONTEXT)
@fleet_file
@of_hosts
@click.option(
    "--json", "json_", cls=ByFlag, is_flag=True, help="One JSON object: `tenants`, and `totals` over all of them."
)
def status(fleet: Path, on: str | None, json_: bool) -> int:
    """Show how each tenant of FLEET stands, a line each, those first that need somebody's attention.

    It reads the ledgers, also while the fleet is run in another process, and asks each run that goes on how it is doing.
    With --on it shows what the hosts have said last that work on the tenants. Manifests are not read, and credentials only
    with --on, where a tenant is its service and key. A ledger that cannot be read is named, and the others follow (exit 5).

    Example: bulkroute fleet status fleet.yaml
    """
    import asyncio  # here, since help must not wait for these

    from bulkroute.cli.fleet.ledgers import ledgers_of
    from bulkroute.fleet.standing import Standing
    from bulkroute.fleet.status_table import print_standing
    from bulkroute.fleet.views import UNREADABLE, by_need, totals_of

    if on:
        from bulkroute.cli.fleet.fleet_of import fleet_of  # here, since only who asks for it needs psycopg
        from bulkroute.fleet import from_database

        views = asyncio.run(from_database.views(on, fleet_of(fleet, []).tenants))
    else:
        views = asyncio.run(Standing(ledgers_of(fleet)).read())
    if json_:
        tenants = [view.fields() for view in by_need(views)]
        click.echo(json.dumps({"tenants": tenants, "totals": totals_of(views)._asdict()}, ensure_ascii=False))
    else:
        print_standing(views, sys.stdout)
    return ExitCode.LEDGER if any(view.state == UNREADABLE for view in views) else 0
