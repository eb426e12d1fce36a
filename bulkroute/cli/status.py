"""`bulkroute status`: how does this ledger stand, and what became of this number?"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkroute.cli.options import CONTEXT, PATH, ByFlag, of_batch, of_rollback
from bulkroute.errors import BulkrouteError

if TYPE_CHECKING:
    from bulkroute.ledger.status import BatchStatus


@click.command(context_settings=CONTEXT)
@click.argument("ledgers", type=PATH, nargs=-1, required=True, metavar="LEDGER...")
@click.option("--json", "json_", cls=ByFlag, is_flag=True, help="One JSON object a ledger, as `run --json` prints it.")
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

    if find is not None:
        return _find(ledgers, find, batch, rollback=rollback, as_json=json_)

    def show(ledger: Path) -> None:
        found = _read(ledger, batch, rollback=rollback)
        if json_:
            click.echo(found.summary.to_json())
        elif len(ledgers) == 1:
            print_status(found)
            if way_back := _way_back(found):
                say(f"a back-out {way_back}", sys.stdout)
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


def _find(ledgers: tuple[Path, ...], text: str, batch: int | None, *, rollback: bool, as_json: bool) -> int:
    """Show what a search comes to in each ledger; of several, those that hold nothing of it are left out."""
    from bulkroute.ledger.ledger import Ledger  # here, as above
    from bulkroute.output.stories import MOST_IN_JSON, MOST_ROUTES, print_found, print_nothing_found

    several = len(ledgers) > 1
    totals: list[int] = []

    def show(ledger: Path) -> None:
        with Ledger(ledger).read() as reader:
            number = reader.pick(batch, rollback=rollback).number if batch is not None or rollback else None
            found = reader.find_routes(text, number, MOST_IN_JSON if as_json else MOST_ROUTES)
        totals.append(found.total)
        if as_json:
            record = {**found._asdict(), "routes": [story.to_json() for story in found.routes]}
            click.echo(json.dumps({"ledger": str(ledger), "find": text, **record}, ensure_ascii=False))
            return
        if not found.total and not several:
            print_nothing_found(text, str(ledger), sys.stdout)
        print_found(found, str(ledger), sys.stdout, one_of_several=several)

    code = _each(ledgers, show)
    if several and not as_json and not any(totals):
        print_nothing_found(text, f"{len(totals)} of {len(ledgers)} ledgers", sys.stdout)
    return code


def _way_back(found: "BatchStatus") -> str:
    """Return how long a back-out would take now; with the window's end while the run goes on."""
    from bulkroute.ledger.runs import RunState  # here, as above
    from bulkroute.output.words import back_out
    from bulkroute.run.back_out_time import back_out_time

    if not found.runs or (found.back_out and found.back_out.is_unfinished):
        return ""
    last = found.runs[-1]
    ends_at = last.ends_at if found.state is RunState.RUNNING else None
    return back_out(*back_out_time(found.changed, last.routes, found.pace_per_s, ends_at))


def _read(ledger: Path, batch: int | None, *, rollback: bool) -> "BatchStatus":
    from bulkroute.ledger.ledger import Ledger  # here, as above
    from bulkroute.ledger.status import read_status

    with Ledger(ledger).read() as reader:
        return read_status(reader, batch, rollback=rollback)
