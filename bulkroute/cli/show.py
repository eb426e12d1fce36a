"""`bulkroute show`: what does this saved plan say?"""

import sys

import click

from bulkroute.cli.options import CONTEXT, ByFlag


@click.command(context_settings=CONTEXT)
@click.argument("plan")
@click.option("--rows", "with_rows", cls=ByFlag, is_flag=True, help="Show every row too.")
@click.option("--json", "json_", cls=ByFlag, is_flag=True, help="Print one JSON object.")
def show(plan: str, with_rows: bool, json_: bool) -> None:
    """Print the saved plan PLAN and its fingerprint, once all of it is known to be intact. No service is called.

    The first 12 digits of the fingerprint go on the change ticket, and into `run --approved`. `-` reads standard input.

    Example: bulkroute show cutover.plan --rows
    """
    from bulkroute.manifest.open_plan import SavedPlan  # here, since help must not wait for these
    from bulkroute.output import plans

    with SavedPlan.open(plan) as saved:
        rows = saved.rows() if with_rows else None
        if json_:
            records = None if rows is None else (row.to_json() for row in rows)
            plans.print_json({**saved.head.to_json(), "fingerprint": saved.fingerprint}, records, sys.stdout)
            return
        plans.print_saved(saved, plan, sys.stdout)
        plans.print_rows(rows or (), sys.stdout)
