"""`bulkroute plan`: what would a run change?"""

import json
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.options import CONTEXT, connection_options, manifest_format, settings_from, strict_targets
from bulkroute.errors import ExitCode
from bulkroute.model import target_json

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.live.plan import Plan

MOST_CHANGES = 20
"""Pairs of targets that a plan shows to people, the most frequent ones; nobody reads a thousand."""


@click.command(context_settings=CONTEXT)
@click.argument("manifest")
@manifest_format
@connection_options
@click.option("--rows", "with_rows", is_flag=True, help="Show every row too.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
@click.option("--exit-code", "exit_code", is_flag=True, help="Exit with 6 where a run would change anything.")
@strict_targets
def plan(manifest: str, **options: Any) -> int:
    """Read live bindings and show what a run of MANIFEST would change. Changes nothing and makes no ledger.

    Example: bulkroute plan cutover.csv --base-url https://cc.example.com --rows
    """
    from bulkroute.cli.session import with_engine  # here, since help must not wait for it

    async def work(engine: "Engine") -> int:
        async with engine.plan(manifest, format=options["format_"]) as plan:
            (_print_json if options["json_"] else _print)(plan, with_rows=options["with_rows"])
            return ExitCode.DIFFERENT if options["exit_code"] and plan.counts.to_change else ExitCode.DONE

    return with_engine(settings_from(options), work)


def _print(plan: "Plan", *, with_rows: bool) -> None:
    counts = plan.counts
    for rows, label in (
        (counts.to_change, "to change"),
        (counts.already_right, "already right"),
        (counts.locked, "locked: they must not be changed"),
        (counts.unknown, "unknown: no called route has this id"),
        (counts.twice, "in the manifest twice"),
    ):
        click.echo(f"{rows:>9,} {label}")
    more = more_rows = 0
    for number, change in enumerate(plan.changes()):
        if number < MOST_CHANGES:
            click.echo(f"{change.rows:>9,} from {plan.name(change.before)} to {plan.name(change.after)}")
        else:
            more, more_rows = more + 1, more_rows + change.rows
    if more:
        click.echo(f"{more_rows:>9,} in {more:,} more pairs of targets; --json shows all")
    for warning in plan.warnings:
        click.echo(f"warning: {warning}")
    if with_rows:
        for row in plan.rows():
            now = "unknown id" if row.standing == "unknown" else plan.name(row.before)
            click.echo(f"line {row.line}: {row.id}: {row.standing}: {now} -> {plan.name(row.after)}")


def _print_json(plan: "Plan", *, with_rows: bool) -> None:
    """Print the object piece by piece: a row after another, however many there are."""
    head = {**plan.counts._asdict(), "settled": plan.settled, "warnings": plan.warnings}
    changes = [
        {"from": target_json(change.before), "to": target_json(change.after), "rows": change.rows}
        | {"from_name": plan.name(change.before), "to_name": plan.name(change.after)}
        for change in plan.changes()
    ]
    text = json.dumps(head | {"changes": changes}, ensure_ascii=False)
    if not with_rows:
        click.echo(text)
        return
    click.echo(text[:-1] + ', "plan": [', nl=False)
    for number, row in enumerate(plan.rows()):
        record = row._asdict() | {"before": target_json(row.before), "after": target_json(row.after)}
        click.echo(", " * (number > 0) + json.dumps(record, ensure_ascii=False), nl=False)
    click.echo("]}")
