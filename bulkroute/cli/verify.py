"""`bulkroute verify`: is everything as the ledger says?"""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.options import CONTEXT, PATH, ByFlag, connection_options, of_batch, service_moved, settings_from
from bulkroute.errors import BulkrouteError, ExitCode

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.output.metrics import VerifyMetrics


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@of_batch
@click.option(
    "--rows",
    "with_rows",
    cls=ByFlag,
    is_flag=True,
    help="Show each row that differs, not those that differ alike in one line.",
)
@click.option("--json", "json_", cls=ByFlag, is_flag=True, help="Print one JSON object.")
@click.option("--metrics-file", type=PATH, metavar="FILE", help="Write what was found as Prometheus metrics there.")
@connection_options
@service_moved
def verify(ledger: Path, **options: Any) -> int:
    """Read live bindings and compare them with the rows that LEDGER calls done; exit 6 where they differ.

    After a rollback also with the earlier bindings of the rows that were put back. Rows that differ alike are one
    line: put back (they lead to where they led before), set again (after a rollback), elsewhere, gone (no called route
    has the id any more) or locked (elsewhere, and not to be changed now).

    Works while a run is going on. What was found is kept in LEDGER for the pages, unless a run holds it then.

    Example: bulkroute verify cutover.ledger.db --base-url https://cc.example.com
    """
    from bulkroute.cli.session import with_engine  # here, since help must not wait for these
    from bulkroute.output.verification import print_verified, to_json

    settings = settings_from(options)
    metrics = _metrics(options["metrics_file"], ledger)
    found: dict[str, int] = {}

    async def work(engine: "Engine") -> int:
        verified = await engine.verify(ledger, batch=options["batch"])
        found.update(verified.counts)
        code = ExitCode.DIFFERENT if verified.differences else ExitCode.DONE
        if options["json_"]:
            click.echo(to_json(verified, code))
        else:
            print_verified(verified, sys.stdout, rows=options["with_rows"])
        return code

    code = -1
    try:
        code = with_engine(settings, work)
    except BulkrouteError as error:
        code = error.exit_code
        raise
    finally:
        if metrics:
            metrics.ended(code, found)
    return code


def _metrics(file: Path | None, ledger: Path) -> "VerifyMetrics | None":
    """Return what keeps the metrics, if they are asked for. Raises UsageError for a file that is needed otherwise."""
    if file is None:
        return None
    from bulkroute.ledger.ledger import Ledger  # here, as above
    from bulkroute.output.metrics import VerifyMetrics

    tenant = ""
    with contextlib.suppress(BulkrouteError), Ledger(ledger).read() as reader:
        tenant = next((run.tenant for run in reversed(reader.require_batch().runs())), "")
    return VerifyMetrics(file, ledger=ledger, tenant=tenant)
