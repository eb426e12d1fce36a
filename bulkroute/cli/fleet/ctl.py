"""`bulkroute fleet ctl`: talk to the runs of all tenants that are going on."""

import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkroute.cli.ctl import VERB_LINES, verb_of
from bulkroute.cli.fleet.options import fleet_file, of_hosts
from bulkroute.cli.options import CONTEXT, ByFlag
from bulkroute.errors import ExitCode, NotRunning, UsageError

if TYPE_CHECKING:
    from bulkroute.fleet.standing import TenantLedger
    from bulkroute.fleet.steering import Told

NAMED = "bulkroute.tenants"

HELP = f"""Tell the runs of the tenants of FLEET to pause, to go on, to go slower or faster, or to stop.

\b
{VERB_LINES}

Each that goes on answers on a line; which tenants have none is told. `stop` without --tenant ends the whole fleet: no
further tenant is begun. `rate` is that of each tenant.

Exit code 69: no tenant has a run; 5: one of them is another user's; else 2: one of them refused, whatever the others
answered.

Example: bulkroute fleet ctl fleet.yaml pause --tenant acme the switch is rebooting
"""


@click.command(help=HELP, context_settings=CONTEXT)
@fleet_file
@click.argument("words", nargs=-1, required=True, metavar="VERB [VALUE]")
@click.option(
    "--tenant",
    "tenants",
    multiple=True,
    metavar="NAME",
    help="This tenant alone; repeatable.",
    # As a setting, `tenant` is the label of a single run.
    expose_value=False,
    allow_from_autoenv=False,
    callback=lambda ctx, _option, names: ctx.meta.update({NAMED: names}),
)
@of_hosts
@click.option("--json", "json_", cls=ByFlag, is_flag=True, help="Print each answer as one JSON object.")
@click.pass_context
def ctl(ctx: click.Context, fleet: Path, words: tuple[str, ...], on: str | None, json_: bool) -> int:
    """Ask the runs, and print what they answer."""
    import asyncio  # here, since help must not wait for these

    from bulkroute.cli.fleet.ledgers import ledgers_of
    from bulkroute.fleet.steering import tell

    verb, value = verb_of(words)
    names: tuple[str, ...] = ctx.meta[NAMED]
    if on:
        told = _tell_hosts(on, fleet, names, verb, value)
    else:
        tenants = _named(ledgers_of(fleet), names, fleet)
        told = asyncio.run(tell(tenants, verb, value, whole=not names))
    for each in told:
        _show(each, as_json=json_)
    refused = [each for each in told if each.answer is not None and not each.answer["ok"]]
    failed = [each.error for each in told if each.error is not None and not isinstance(each.error, NotRunning)]
    if failed or refused:
        return failed[0].exit_code if failed else ExitCode.USAGE
    return 0 if any(each.answer for each in told) else ExitCode.UNREACHABLE


def _tell_hosts(on: str, fleet: Path, names: tuple[str, ...], verb: str, value: str | None) -> "list[Told]":
    """Ask the runs on all hosts."""
    import asyncio  # here, as above

    from bulkroute.cli.fleet.fleet_of import fleet_of
    from bulkroute.fleet import from_database
    from bulkroute.fleet.standing import TenantLedger

    tenants = fleet_of(fleet, []).tenants
    named = {each.tenant for each in _named([TenantLedger(each.name, each.ledger) for each in tenants], names, fleet)}
    chosen = [each for each in tenants if each.name in named]
    return asyncio.run(from_database.tell(on, chosen, verb, value, whole=not names))


def _named(tenants: "list[TenantLedger]", names: Sequence[str], fleet: Path) -> "list[TenantLedger]":
    """Return the tenants that are named, all if none is. Raises UsageError for one that there is not."""
    known = [each.tenant for each in tenants]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else "`bulkroute fleet status` names them"
            raise UsageError(f"the fleet has no tenant {name}", where=str(fleet), hint=hint)
    return [each for each in tenants if not names or each.tenant in names]


def _show(told: "Told", *, as_json: bool) -> None:
    """Print what came of it at a tenant."""
    from bulkroute.cli.ctl import describe_shortly  # here, as above
    from bulkroute.output.tables import say

    name, answer = told.tenant.tenant, told.answer
    if as_json:
        found = answer if answer is not None else {"ok": False, "error": str(told.error)}
        click.echo(json.dumps({"tenant": name, "ledger": str(told.tenant.ledger), **found}, ensure_ascii=False))
    elif answer is None:
        text = told.error.what if isinstance(told.error, NotRunning) else str(told.error)
        say(f"{name}: {text}", sys.stderr)
    elif answer["ok"]:
        say(f"{name}: {describe_shortly(answer)}", sys.stdout)
    else:
        say(f"{name}: {answer['error']}", sys.stderr)
