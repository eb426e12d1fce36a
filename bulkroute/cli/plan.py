"""`bulkroute plan`: what would a run change?"""

from typing import Any

import click

from bulkroute.cli.options import CONTEXT, connection_options, manifest_format, strict_targets


@click.command(context_settings=CONTEXT)
@click.argument("manifest")
@manifest_format
@connection_options
@click.option("--rows", "with_rows", is_flag=True, help="Show every row too.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
@click.option("--exit-code", "exit_code", is_flag=True, help="Exit with 6 where a run would change anything.")
@strict_targets
def plan(manifest: str, **options: Any) -> int:
    """Read live bindings and show what a run of MANIFEST would change. Changes nothing and makes no ledger.

    Example: bulkroute plan cutover.csv --base-url https://cc.example.com --rows
    """
    from bulkroute.cli.reading import show_plan  # here, since help must not wait for it

    return show_plan(manifest, options)
