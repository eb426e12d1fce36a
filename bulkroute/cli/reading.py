"""Wires the commands that only read live bindings: plan, verify, snapshot."""

import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import click

from bulkroute.atomic_file import replacing
from bulkroute.cli.interrupting import Interrupts
from bulkroute.cli.options import settings_of
from bulkroute.engine import Engine
from bulkroute.errors import ExitCode
from bulkroute.ledger import export
from bulkroute.ledger.compare import Difference
from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute
from bulkroute.live.plan import Plan
from bulkroute.model import Binding, DeviceType
from bulkroute.output.lines import Lines
from bulkroute.settings import Settings

SNAPSHOT_COLUMNS = ["id", "devicetype", "deviceId", "accessCode", "extCode", "deviceDesc", "editable"]

MOST_CHANGES = 20
"""Pairs of targets that a plan shows to people, the most frequent ones; nobody reads a thousand."""


def show_plan(manifest: str, options: dict[str, Any]) -> int:
    """Print the plan of a manifest; return the exit code."""

    async def work(engine: Engine) -> int:
        async with engine.plan(manifest, format=options["format_"]) as plan:
            (_print_plan_json if options["json_"] else _print_plan)(plan, with_rows=options["with_rows"])
            return ExitCode.DIFFERENT if options["exit_code"] and plan.counts.to_change else ExitCode.DONE

    return _with_engine(settings_of(options, strict_targets=options["strict_targets"]), work)


def _print_plan(plan: Plan, *, with_rows: bool) -> None:
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


def _print_plan_json(plan: Plan, *, with_rows: bool) -> None:
    """Print the object piece by piece: a row after another, however many there are."""
    head = {**plan.counts._asdict(), "settled": plan.settled, "warnings": plan.warnings}
    changes = [
        {"from": _as_json(change.before), "to": _as_json(change.after), "rows": change.rows}
        | {"from_name": plan.name(change.before), "to_name": plan.name(change.after)}
        for change in plan.changes()
    ]
    text = json.dumps(head | {"changes": changes}, ensure_ascii=False)
    if not with_rows:
        click.echo(text)
        return
    click.echo(text[:-1] + ', "plan": [', nl=False)
    for number, row in enumerate(plan.rows()):
        record = row._asdict() | {"before": _as_json(row.before), "after": _as_json(row.after)}
        click.echo(", " * (number > 0) + json.dumps(record, ensure_ascii=False), nl=False)
    click.echo("]}")


def _as_json(binding: Binding | None) -> dict[str, int] | None:
    return None if binding is None else {"devicetype": binding.devicetype, "deviceId": binding.device_id}


def show_verified(ledger: Path, options: dict[str, Any]) -> int:
    """Print what differs from the ledger; return the exit code."""

    async def work(engine: Engine) -> int:
        found = await engine.verify(ledger)
        code = ExitCode.DIFFERENT if found.differences else ExitCode.DONE
        if options["json_"]:
            record = found._asdict() | {"differences": [_difference(each) for each in found.differences]}
            click.echo(json.dumps(record | {"exit_code": int(code)}, ensure_ascii=False))
            return code
        for each in found.differences:
            was, now = each.was or "not recorded", each.now or "not listed"
            click.echo(f"{each.id}: was {was}, wanted {each.wanted}, is {now}")
        right = found.checked - len(found.differences)
        click.echo(f"{right:,} of {found.checked:,} rows done are as the ledger says")
        return code

    return _with_engine(settings_of(options), work)


def _difference(each: Difference) -> dict[str, Any]:
    return {"id": each.id, "was": _as_json(each.was), "wanted": _as_json(each.wanted), "is": _as_json(each.now)}


def write_snapshot(output: Path, options: dict[str, Any]) -> int:
    """Write the live bindings; return the exit code."""

    async def work(engine: Engine) -> int:
        async with engine.snapshot() as live:
            with replacing(output) as file:
                export.write_csv(_records(live), file, SNAPSHOT_COLUMNS, SNAPSHOT_COLUMNS[3:])
            left_out = sum(1 for route in live.routes() if not _fits_a_manifest(route))
            click.echo(f"{output}: {live.count() - left_out:,} called routes", err=True)
            if left_out:
                click.echo(f"{left_out:,} more have a target that no manifest can name, and are left out", err=True)
            return ExitCode.DONE if live.settled else ExitCode.SOME_FAILED

    return _with_engine(settings_of(options), work)


def _fits_a_manifest(route: LiveRoute) -> bool:
    return route.device_id is not None and route.devicetype in list(DeviceType)


def _records(live: LiveBindings) -> Iterator[export.Record]:
    for route in live.routes():
        if _fits_a_manifest(route):
            yield dict(zip(SNAPSHOT_COLUMNS, route, strict=True))


def _with_engine(settings: Settings, work: Callable[[Engine], Coroutine[Any, Any, int]]) -> int:
    """Open an engine, do the work, and let signals end it in good order."""
    interrupts = Interrupts()

    async def main() -> int:
        async with Engine(settings, watch=Lines().watch) as engine:
            interrupts.engine = engine
            return await work(engine)

    with interrupts.taken():
        return interrupts.run(main())
