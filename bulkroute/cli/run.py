"""`bulkroute run`: the bulk rebinding itself."""

from typing import Any

import click

from bulkroute.cli.approval_options import approval_options
from bulkroute.cli.database_options import database_options
from bulkroute.cli.hook_options import hook_options
from bulkroute.cli.options import (
    CONTEXT,
    PATH,
    REFUSED,
    ask_nothing,
    back_out_on,
    connection_options,
    expect,
    fresh,
    limit_options,
    manifest_format,
    number_options,
    on_drift,
    service_moved,
    setting,
    skip,
    strict_targets,
    telling_options,
    wait_for_lock,
    window_options,
)
from bulkroute.cli.wave_options import require_somebody, wave_options


@click.command(context_settings=CONTEXT)
@click.argument("manifest")
@manifest_format
@click.option(
    "--ledger",
    type=PATH,
    metavar="FILE",
    help="[default: the manifest with the suffix .ledger.db, with --simulate .rehearsal.db]",
)
@connection_options
@window_options
@limit_options
@setting(
    "--snapshot/--no-snapshot",
    help="Read live bindings first: skip rows already right, keep what rollback needs, refuse locked and unknown ids.",
)
@wave_options
@back_out_on
@strict_targets
@number_options
@service_moved
@on_drift
@approval_options
@skip
@setting("--max-refused", type=REFUSED, metavar="N|N%", help="Send nothing if more rows than that are refused.")
@expect
@fresh
@wait_for_lock
@database_options
@ask_nothing
@hook_options
@telling_options
@click.option("--simulate", is_flag=True, help="Run against the embedded simulator; no call leaves this machine.")
def run(manifest: str, **options: Any) -> int:
    """Send what is not done yet of MANIFEST; the same command again resumes.

    Rows that are done are sent again only if live bindings show that another hand, or a rollback, has changed them. `-`
    reads standard input; then --format and --ledger are needed.

    MANIFEST may be a saved plan: its rows are sent where they are bound to what they were when it was made, and
    nowhere else.

    A back-out that was cut off is finished first, and nothing is sent then (exit 7 or 8).

    Example: bulkroute run cutover.csv --base-url https://cc.example.com --rate 20
    """
    require_somebody(options)
    from bulkroute.cli.session import run_to_the_end  # here, since help must not wait for it

    return run_to_the_end(manifest, options)
