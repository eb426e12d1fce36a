"""`bulkroute fleet plan`: what would a run of all tenants change?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from bulkroute.cli.fleet.options import as_json, fleet_file, which_options
from bulkroute.cli.options import CONTEXT

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.fleet.tenants import FleetTenant
    from bulkroute.manifest.saved_plan import PlanCounts


class Planned(NamedTuple):
    """A tenant's plan, in plain values."""

    counts: "PlanCounts"
    fields: dict[str, Any]


@click.command(context_settings=CONTEXT)
@fleet_file
@which_options
@as_json
def plan(fleet: Path, first: int | None, at_once: int, json_: bool) -> int:
    """Read live bindings and show what a run of FLEET would change, tenant by tenant. Changes nothing and makes no ledger.

    Exit code: 0 if a plan could be made of every tenant; 4 if some could not and nobody must act; else 1.

    Example: bulkroute fleet plan fleet.yaml --first 3
    """
    from bulkroute.cli.fleet.session import check, look  # here, since help must not wait for these
    from bulkroute.fleet.findings import finding_of, print_findings, to_json
    from bulkroute.fleet.walk import exit_code_of
    from bulkroute.output.plans import plan_json

    async def work(engine: "Engine", tenant: "FleetTenant") -> tuple[int, Planned]:
        async with engine.plan(tenant.manifest, ledger=tenant.ledger, format=tenant.format) as found:
            return 0, Planned(found.counts, plan_json(found))

    works = look(lambda: check(fleet, first), at_once, work)
    code = exit_code_of(each.exit_code or 0 for each in works)
    if json_:
        click.echo(to_json([finding_of(each, each.found.fields if each.found else {}) for each in works], code))
        return code
    lines = [(each, _cells(each.found.counts) if each.found else ()) for each in works]
    print_findings("plan", ("to change", "drifted", "already right", "refused", "skipped"), lines, sys.stdout)
    return code


def _cells(counts: "PlanCounts") -> tuple[int, ...]:
    return counts.to_change, counts.drifted, counts.already_right, sum(counts.refused.values()), counts.skipped
