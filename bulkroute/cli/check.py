"""`bulkroute check`: is this manifest fit to be sent?"""

import click

from bulkroute.cli.options import CONTEXT, manifest_format


@click.command(context_settings=CONTEXT)
@click.argument("manifest")
@manifest_format
def check(manifest: str, format_: str | None) -> None:
    """Check MANIFEST, or a saved plan, and print how many rows it has; nothing is sent.

    The first 50 faults are shown, each with its line. `-` reads standard input and needs --format. In a manifest by
    number the form is checked; what its numbers and names mean, only live bindings tell.

    Example: bulkroute check cutover.csv
    """
    from bulkroute.ledger.intake import check_form  # here, since help must not wait for it
    from bulkroute.manifest import Kind

    form = check_form(manifest, format_, lambda text: click.echo(text, err=True))
    resolved = "; numbers and names are resolved by plan and run" if form.kind is Kind.BY_NUMBER else ""
    plan = f"; plan {form.plan}" if form.plan else ""
    click.echo(f"{manifest}: {form.rows:,} rows, no faults{plan}{resolved}")
