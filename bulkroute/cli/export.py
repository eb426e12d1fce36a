"""`bulkroute export`: the rows of a ledger as a file."""

from pathlib import Path

import click

from bulkroute.cli.options import CONTEXT, PATH, ByFlag, of_batch, of_rollback
from bulkroute.cli.output_file import output_to
from bulkroute.model import Status


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@click.option(
    "--format", "format_", cls=ByFlag, type=click.Choice(["csv", "jsonl"]), default="csv", help="Of the output."
)
@output_to(metavar="FILE", help="[default: standard output]")
@click.option(
    "--status",
    "statuses",
    cls=ByFlag,
    type=click.Choice([status.value for status in Status]),
    multiple=True,
    help="Only these rows; repeatable.",
)
@click.option(
    "--find",
    metavar="TEXT",
    default="",
    show_default=False,
    help="Only rows whose number, id or target's name holds TEXT.",
)
@of_batch
@of_rollback
def export(
    ledger: Path,
    format_: str,
    output: Path | None,
    force: bool,
    statuses: tuple[str, ...],
    find: str,
    batch: int | None,
    rollback: bool,
) -> None:
    """Write the rows of LEDGER's batch, with number and target's name. The CSV is itself a valid manifest, by id.

    With --rollback these are the rows that its last rollback was to put back, each with its earlier binding as the
    target.

    Example: bulkroute export cutover.ledger.db --status failed -o failed.csv
    """
    from bulkroute.atomic_file import writing  # here, since help must not wait for these
    from bulkroute.cli.output_file import require_csv_name, require_free
    from bulkroute.ledger import export
    from bulkroute.ledger.ledger import Ledger

    if output is not None:
        if format_ == "csv":
            require_csv_name(output)
        require_free(output, force=force, ledger=ledger)
    with Ledger(ledger).read() as reader:
        rows = export.rows(reader, [Status(name) for name in statuses], batch, rollback=rollback, find=find)
        with writing(output) as file:
            export.write(rows, format_, file)
