"""`bulkroute fleet report`: how a fleet went, as pages for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkroute.cli.fleet.options import fleet_file
from bulkroute.cli.options import CONTEXT
from bulkroute.cli.output_file import require_free
from bulkroute.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from bulkroute.fleet.views import TenantView


@click.command(context_settings=CONTEXT)
@fleet_file
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    required=True,
    help="Where to write index.html, and below it tenants/NAME.html.",
)
@click.option("--force", is_flag=True, help="Replace these files if they are there. Never a ledger or its manifest.")
def report(fleet: Path, output: Path, force: bool) -> int:
    """Write pages about FLEET into a folder: index.html with a line a tenant, which leads to the report of each.

    They can be written while the fleet is run, and open offline, in any browser. A tenant without a ledger has a line, and
    no report; a ledger that cannot be read is named there, and the others follow (exit 5).

    Example: bulkroute fleet report fleet.yaml -o night-of-may-2
    """
    import asyncio  # here, since help must not wait for these

    from bulkroute.atomic_file import writing
    from bulkroute.cli.fleet.ledgers import ledgers_of
    from bulkroute.fleet.report import INDEX, TENANTS, index_page, page_name, tenant_page
    from bulkroute.fleet.standing import Standing
    from bulkroute.fleet.views import UNREADABLE

    tenants = ledgers_of(fleet)
    require_free(output / INDEX, force=force, manifest=str(fleet))
    for each in tenants:
        require_free(output / page_name(each.tenant), force=force, ledger=each.ledger)
    views = asyncio.run(Standing(tenants).read())
    with_page = _with_page(views)
    _make(output / TENANTS)
    size_bytes = 0
    for view in with_page:
        page = tenant_page(Path(view.ledger))
        size_bytes += len(page.encode())
        with writing(output / page_name(view.tenant)) as file:
            file.write(page)
    # Last, so that what it leads to is there.
    page = index_page(fleet.name, views, frozenset(view.tenant for view in with_page))
    with writing(output / INDEX) as file:
        file.write(page)
    size_bytes += len(page.encode())
    click.echo(f"{output / INDEX}: {len(with_page):,} reports beside it, {size_bytes / 1024:,.0f} KiB", err=True)
    return ExitCode.LEDGER if any(view.state == UNREADABLE for view in views) else 0


def _with_page(views: "Sequence[TenantView]") -> "list[TenantView]":
    """Return the tenants whose ledger holds something to report."""
    from bulkroute.fleet.views import UNREADABLE  # here, as above

    return [view for view in views if view.total and view.state != UNREADABLE]


def _make(folder: Path) -> None:
    """Make a folder and that around it, if they are not there. Raises UsageError."""
    try:
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        hint = "name another folder with -o"
        raise UsageError(f"cannot be made: {error.strerror}", where=str(error.filename), hint=hint) from error
