"""`bulkroute plan`: what would a run change?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.options import (
    CONTEXT,
    PATH,
    connection_options,
    expect,
    fresh,
    manifest_format,
    number_options,
    on_drift,
    service_moved,
    settings_from,
    skip,
    strict_targets,
)
from bulkroute.errors import ExitCode

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.ledger.compare import PlanCounts, PlanRow
    from bulkroute.live.plan import Plan


@click.command(context_settings=CONTEXT)
@click.argument("manifest")
@manifest_format
@click.option(
    "--ledger",
    type=PATH,
    metavar="FILE",
    help="Read only, to tell what drifted or is in conflict. [default: the manifest with the suffix .ledger.db, if it is there]",
)
@connection_options
@click.option("--rows", "with_rows", is_flag=True, help="Show every row too.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
@click.option("--exit-code", "exit_code", is_flag=True, help="Exit with 6 where a run would change anything.")
@strict_targets
@number_options
@service_moved
@on_drift
@skip
@expect
@fresh
def plan(manifest: str, ledger: Path | None, **options: Any) -> int:
    """Read live bindings and show what a run of MANIFEST would change. Changes nothing and makes no ledger.

    Example: bulkroute plan cutover.csv --base-url https://cc.example.com --rows
    """
    from bulkroute.cli.session import with_engine  # here, since help must not wait for it

    async def work(engine: "Engine") -> int:
        async with engine.plan(manifest, ledger=ledger, format=options["format_"]) as plan:
            (_print_json if options["json_"] else _print)(plan, with_rows=options["with_rows"])
            return ExitCode.DIFFERENT if options["exit_code"] and plan.counts.to_change else ExitCode.DONE

    return with_engine(settings_from(options), work)


def _print(plan: "Plan", *, with_rows: bool) -> None:
    from bulkroute.output.pairs import pair_lines  # here, since help must not wait for it

    for rows, label in (*_labelled(plan.counts), *pair_lines(plan.pairs())):
        click.echo(f"{rows:>9,} {label}")
    for warning in plan.warnings:
        click.echo(f"warning: {warning}")
    if with_rows:
        for row in plan.rows():
            now = "unknown id" if row.standing == "unknown_id" else row.before or "no target"
            click.echo(f"line {row.line}: {row.route}: {row.standing}: {now} -> {row.after}")


def _labelled(counts: "PlanCounts") -> list[tuple[int, str]]:
    """Return the counts with what they mean; those of seldom kinds only where there are any."""
    stays = ", which stays so" * ("drifted" in counts.refused)
    seldom = {
        "drifted": (counts.drifted, f"drifted: they were done, and another hand has changed them since{stays}"),
        "conflict": (counts.refused.get("conflict", 0), "in conflict: another hand has changed them; they stay so"),
        "skipped": (counts.skipped, "skipped, as asked for"),
    }
    told = {name: [line] for name, line in seldom.items() if line[0]}
    return [
        (counts.to_change, "to change"),
        *told.get("drifted", []),
        (counts.already_right, "already right"),
        (counts.refused.get("locked", 0), "locked: they must not be changed"),
        (counts.refused.get("unknown_id", 0), "unknown: no called route has this id"),
        *([(rows, "moved: another route has their number now")] if (rows := counts.refused.get("moved", 0)) else []),
        *told.get("conflict", []),
        *told.get("skipped", []),
        (counts.twice, "in the manifest twice"),
    ]


def _print_json(plan: "Plan", *, with_rows: bool) -> None:
    """Print the object piece by piece: a row after another, however many there are."""
    pairs = [pair.to_json() for pair in plan.pairs()]
    head = {**plan.counts._asdict(), "settled": plan.settled, "warnings": plan.warnings, "pairs": pairs}
    text = json.dumps(head, ensure_ascii=False)
    if not with_rows:
        click.echo(text)
        return
    click.echo(text[:-1] + ', "rows": [', nl=False)
    for number, row in enumerate(plan.rows()):
        click.echo(", " * (number > 0) + json.dumps(_row_json(row), ensure_ascii=False), nl=False)
    click.echo("]}")


def _row_json(row: "PlanRow") -> dict[str, object]:
    number = {"accessCode": row.access_code, "extCode": row.ext_code, "mediaType": row.media_type}
    targets = {"from": row.before.to_json() if row.before else None, "to": row.after.to_json()}
    return {"line": row.line, "id": row.id, **number, "standing": row.standing, "drifted": row.drifted, **targets}
