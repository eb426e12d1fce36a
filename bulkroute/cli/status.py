"""`bulkroute status`: how does this ledger stand, and what became of this number?"""

import json
import sys
from collections.abc import Callable
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
@click.option(
    "--find", metavar="TEXT", help="Instead, the whole story of routes whose number, id or target's name holds TEXT."
)
@of_batch
@of_rollback
def status(ledgers: tuple[Path, ...], json_: bool, find: str | None, batch: int | None, rollback: bool) -> int:
    """Show counts, failures by kind and the runs so far of LEDGER, also while a run is going on.

    Of several ledgers it shows a line each; one that cannot be read is named, and the others follow.

    With --find it shows what each batch (or the one that is named) did with a route: where it led and was to lead, what
    came of it, every call. A number is found however it is written: '+55 11 4002-8922', '4008001234 ext 2', 8001234.

    Example: bulkroute status cutover.ledger.db
    """
    from bulkroute.output.closing import print_status, status_line  # here, since help must not wait for it
    from bulkroute.output.tables import say

    def show(ledger: Path) -> None:
        if find is not None:
            _find(ledger, find, batch, rollback=rollback, as_json=json_)
            return
        found = _read(ledger, batch, rollback=rollback)
        if json_:
            click.echo(found.summary.to_json())
        elif len(ledgers) == 1:
            print_status(found)
        else:
            say(status_line(found), sys.stdout)

    return _each(ledgers, show)


def _each(ledgers: tuple[Path, ...], show: Callable[[Path], None]) -> int:
    """Show one ledger after another; of several, one that cannot be read is named. Return the first exit code."""
    from bulkroute.output.tables import say  # here, as above

    if len(ledgers) == 1:
        show(ledgers[0])
        return 0
    code = 0
    for ledger in ledgers:
        try:
            show(ledger)
        except BulkrouteError as error:
            code = code or error.exit_code
            say(f"bulkroute: {error}", sys.stderr)
    return code


def _find(ledger: Path, text: str, batch: int | None, *, rollback: bool, as_json: bool) -> None:
    from bulkroute.ledger.ledger import Ledger  # here, as above
    from bulkroute.output.stories import MOST_IN_JSON, MOST_ROUTES, print_found

    with Ledger(ledger).read() as reader:
        if batch is not None or rollback:
            batch = reader.pick(batch, rollback=rollback).number
        found = reader.find_routes(text, batch, MOST_IN_JSON if as_json else MOST_ROUTES)
    if not as_json:
        print_found(found, text, str(ledger), sys.stdout)
        return
    record = {**found._asdict(), "routes": [story.to_json() for story in found.routes]}
    click.echo(json.dumps({"ledger": str(ledger), "find": text, **record}, ensure_ascii=False))


def _read(ledger: Path, batch: int | None, *, rollback: bool) -> "BatchStatus":
    from bulkroute.ledger.ledger import Ledger  # here, as above
    from bulkroute.ledger.status import read_status

    with Ledger(ledger).read() as reader:
        return read_status(reader, batch, rollback=rollback)
