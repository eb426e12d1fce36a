"""`bulkroute fleet verify`: is everything as the ledgers say?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkroute.cli.fleet.options import as_json, fleet_file, which_options
from bulkroute.cli.options import CONTEXT
from bulkroute.errors import ExitCode

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.fleet.tenants import FleetTenant
    from bulkroute.live.verify import Verified


@click.command(context_settings=CONTEXT)
@fleet_file
@which_options
@as_json
def verify(fleet: Path, first: int | None, at_once: int, json_: bool) -> int:
    """Read live bindings and compare them with the rows that the ledgers of FLEET call done, tenant by tenant.

    `bulkroute verify` shows for one ledger what became of which row.

    Exit code: 0 if nothing differs; 4 if some could not be checked and nobody must act; else 1.

    Example: bulkroute fleet verify fleet.yaml
    """
    from bulkroute.cli.fleet.session import look, opened  # here, since help must not wait for these
    from bulkroute.fleet.findings import finding_of, print_findings, to_json
    from bulkroute.fleet.walk import exit_code_of
    from bulkroute.output.verification import fields

    async def work(engine: "Engine", tenant: "FleetTenant") -> "tuple[int, Verified]":
        found = await engine.verify(tenant.ledger)
        return ExitCode.DIFFERENT if found.differences else ExitCode.DONE, found

    works = look(lambda: opened(fleet, first), at_once, work)
    code = exit_code_of(each.exit_code or 0 for each in works)
    if json_:
        click.echo(to_json([finding_of(each, fields(each.found) if each.found else {}) for each in works], code))
        return code
    lines = [(each, _cells(each.found) if each.found else ()) for each in works]
    print_findings("verify", ("checked", "put back", "differ", "left"), lines, sys.stdout)
    return code


def _cells(found: "Verified") -> tuple[int, ...]:
    return found.checked, found.put_back, len(found.differences), found.left
