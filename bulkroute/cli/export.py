"""`bulkroute export`: the rows of a ledger as a file."""

import sys
from pathlib import Path

import click

from bulkroute.cli.options import CONTEXT, PATH, of_rollback
from bulkroute.model import Status


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@click.option("--format", "format_", type=click.Choice(["csv", "jsonl"]), default="csv", help="Of the output.")
@click.option("-o", "--output", type=PATH, metavar="FILE", help="[default: standard output]")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([status.value for status in Status]),
    multiple=True,
    help="Only these rows; repeatable.",
)
@of_rollback
def export(ledger: Path, format_: str, output: Path | None, statuses: tuple[str, ...], rollback: bool) -> None:
    """Write the rows of LEDGER's batch. The CSV is itself a valid manifest.

    With --rollback these are the rows that its last rollback was to put back, each with its earlier binding as the
    target.

    Example: bulkroute export cutover.ledger.db --status failed -o failed.csv
    """
    from bulkroute.ledger import export  # here, since help must not wait for it
    from bulkroute.ledger.ledger import Ledger

    with Ledger(ledger).read() as reader:
        rows = export.rows(reader, [Status(name) for name in statuses], rollback=rollback)
        if output is None:
            with open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", closefd=False) as file:
                export.write(rows, format_, file)
        else:
            export.write_file(rows, format_, output, ledger)
