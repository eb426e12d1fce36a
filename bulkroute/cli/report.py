"""`bulkroute report`: how a batch went, as one page for people."""

from pathlib import Path

import click

from bulkroute.cli.options import CONTEXT, PATH, of_shown_batch
from bulkroute.cli.output_file import output_to


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@output_to(metavar="FILE.html", required=True, help="The page to write.")
@of_shown_batch
def report(ledger: Path, output: Path, force: bool, batch: int | None) -> None:
    """Write one self-contained HTML page about LEDGER's batch, also while a run is going on.

    After a rollback it is about that, until the batch is run again.

    It opens offline, in any browser, and can be mailed and printed.

    Example: bulkroute report cutover.ledger.db -o cutover.html
    """
    from bulkroute.atomic_file import writing  # here, since help must not wait for these
    from bulkroute.cli.output_file import require_free
    from bulkroute.ledger.ledger import Ledger
    from bulkroute.web.report import page_of

    require_free(output, force=force, ledger=ledger)
    with Ledger(ledger).read() as reader:
        page = page_of(reader, batch)
    with writing(output) as file:
        file.write(page)
    click.echo(f"{output}: {len(page.encode()) / 1024:,.0f} KiB", err=True)
