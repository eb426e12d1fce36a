"""`bulkroute status`: how does this ledger stand?"""

from pathlib import Path

import click

from bulkroute.cli.options import CONTEXT, PATH, of_rollback


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@click.option("--json", "json_", is_flag=True, help="One JSON object, as `run --json` prints it.")
@of_rollback
def status(ledger: Path, json_: bool, rollback: bool) -> None:
    """Show counts, failures by kind and the runs so far of LEDGER, also while a run is going on.

    Example: bulkroute status cutover.ledger.db
    """
    from bulkroute.ledger.ledger import Ledger  # here, since help must not wait for it
    from bulkroute.ledger.status import read_status

    with Ledger(ledger).read() as reader:
        found = read_status(reader, rollback=rollback)
    if json_:
        click.echo(found.summary.to_json())
        return
    from bulkroute.output.closing import print_status

    print_status(found)
