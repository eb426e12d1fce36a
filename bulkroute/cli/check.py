"""`bulkroute check`: is this manifest fit to be sent?"""

import click

from bulkroute.cli.options import CONTEXT, manifest_format


@click.command(context_settings=CONTEXT)
@click.argument("manifest")
@manifest_format
def check(manifest: str, format_: str | None) -> None:
    """Check MANIFEST and print how many rows it has; nothing is sent.

    Every fault is shown with its line. `-` reads standard input and needs --format.

    Example: bulkroute check cutover.csv
    """
    from bulkroute.ledger.intake import staged  # here, since help must not wait for it

    with staged(manifest, format_, lambda text: click.echo(text, err=True)) as found:
        click.echo(f"{manifest}: {found.rows.count:,} rows, no faults")
