"""`bulkroute report`: how a batch went, as one page for people."""

from pathlib import Path

import click

from bulkroute.cli.options import CONTEXT, PATH


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, metavar="FILE.html", help="The page to write.")
@click.option(
    "--batch", type=click.IntRange(1), metavar="N", help="Of an earlier batch. [default: the latest, or its rollback]"
)
def report(ledger: Path, output: Path, batch: int | None) -> None:
    """Write one self-contained HTML page about LEDGER's batch, also while a run is going on.

    After a rollback it is about that, until the batch is run again.

    It opens offline, in any browser, and can be mailed and printed.

    Example: bulkroute report cutover.ledger.db -o cutover.html
    """
    from bulkroute.ledger.ledger import Ledger  # here, since help must not wait for it
    from bulkroute.web.report import write

    with Ledger(ledger).read() as reader:
        write(reader, output, batch)
    click.echo(f"{output}: {output.stat().st_size / 1024:,.0f} KiB", err=True)
