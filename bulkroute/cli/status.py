"""`bulkroute status`: how does this ledger stand?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkroute.cli.options import CONTEXT, PATH, of_batch, of_rollback
from bulkroute.errors import BulkrouteError

if TYPE_CHECKING:
    from bulkroute.ledger.status import BatchStatus


@click.command(context_settings=CONTEXT)
@click.argument("ledgers", type=PATH, nargs=-1, required=True, metavar="LEDGER...")
@click.option("--json", "json_", is_flag=True, help="One JSON object a ledger, as `run --json` prints it.")
@of_batch
@of_rollback
def status(ledgers: tuple[Path, ...], json_: bool, batch: int | None, rollback: bool) -> int:
    """Show counts, failures by kind and the runs so far of LEDGER, also while a run is going on.

    Of several ledgers it shows a line each; one that cannot be read is named, and the others follow.

    Example: bulkroute status cutover.ledger.db
    """
    from bulkroute.output.closing import print_status, status_line  # here, since help must not wait for it
    from bulkroute.output.tables import say

    if len(ledgers) == 1:
        found = _read(ledgers[0], batch, rollback=rollback)
        click.echo(found.summary.to_json()) if json_ else print_status(found)
        return 0
    code = 0
    for ledger in ledgers:
        try:
            found = _read(ledger, batch, rollback=rollback)
        except BulkrouteError as error:
            code = code or error.exit_code
            say(f"bulkroute: {error}", sys.stderr)
        else:
            click.echo(found.summary.to_json()) if json_ else say(status_line(found), sys.stdout)
    return code


def _read(ledger: Path, batch: int | None, *, rollback: bool) -> "BatchStatus":
    from bulkroute.ledger.ledger import Ledger  # here, as above
    from bulkroute.ledger.status import read_status

    with Ledger(ledger).read() as reader:
        return read_status(reader, batch, rollback=rollback)
