"""`bulkroute fleet detach`: end the copies of ledgers in PostgreSQL."""

from pathlib import Path

import click

from bulkroute.cli.fleet.options import fleet_file, of_hosts
from bulkroute.cli.options import CONTEXT


@click.command(context_settings=CONTEXT)
@fleet_file
@of_hosts
@click.argument("tenants", nargs=-1, metavar="[TENANT]...")
def detach(fleet: Path, on: str | None, tenants: tuple[str, ...]) -> int:
    """Bring the ledgers of FLEET up to date here, and end their copies in PostgreSQL; of these tenants, if any are named.

    After that `run` and `rollback` work on them without --on. A tenant that a process works on is refused (exit 75).

    Example: bulkroute fleet detach fleet.yaml --on postgresql://db.example.com/bulkroute
    """
    import asyncio  # here, since help must not wait for these

    from bulkroute.cli.fleet.fleet_of import fleet_of
    from bulkroute.errors import UsageError
    from bulkroute.fleet import from_database

    if on is None:
        raise UsageError("no database is named", hint="give --on postgresql://host/database")
    found = {tenant.name: tenant for tenant in fleet_of(fleet, []).tenants}
    if unknown := [name for name in tenants if name not in found]:
        raise UsageError(f"the fleet has no tenant {unknown[0]}", where=str(fleet), hint="`fleet status` names them")
    for name in tenants or found:
        asyncio.run(from_database.detach(on, found[name]))
        click.echo(f"{name}: {found[name].ledger} has no copy any more")
    return 0
