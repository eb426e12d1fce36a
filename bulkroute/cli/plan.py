"""`bulkroute plan`: what would a run change?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from bulkroute.cli.options import (
    CONTEXT,
    PATH,
    ByFlag,
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
    tenant,
)
from bulkroute.cli.output_file import output_to
from bulkroute.cli.wave_options import waves
from bulkroute.errors import ExitCode, UsageError
from bulkroute.model import grouped

if TYPE_CHECKING:
    from bulkroute.engine import Engine
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
@click.option("--rows", "with_rows", cls=ByFlag, is_flag=True, help="Show every row too.")
@click.option("--json", "json_", cls=ByFlag, is_flag=True, help="Print one JSON object.")
@output_to(metavar="FILE.plan", help="Save the plan there, to be shown, approved and run.")
@tenant
@click.option(
    "--test-calls",
    type=click.IntRange(1),
    metavar="N",
    allow_from_autoenv=False,
    help="Print numbers to dial instead, as CSV: N for each way from one target to another, where it should lead, and led.",
)
@click.option("--exit-code", "exit_code", is_flag=True, help="Exit with 6 where a run would change anything.")
@waves
@strict_targets
@number_options
@service_moved
@on_drift
@skip
@expect
@fresh
def plan(manifest: str, ledger: Path | None, output: Path | None, force: bool, **options: Any) -> int:
    """Read live bindings and show what a run of MANIFEST would change. Changes nothing and makes no ledger.

    With -o the plan is saved: `bulkroute show` prints it, and `bulkroute run FILE.plan` does that and nothing else.

    Example: bulkroute plan cutover.csv --base-url https://cc.example.com -o cutover.plan
    """
    from bulkroute.atomic_file import is_standard_output, is_stream  # here, since help must not wait for these
    from bulkroute.cli.output_file import require_free
    from bulkroute.cli.session import with_engine

    if output is not None:
        _require_plan_name(output)
        require_free(output, force=force, manifest=manifest)
    if options["test_calls"] and (options["json_"] or options["with_rows"]):
        raise UsageError("--test-calls prints numbers to dial alone", hint="leave out --json and --rows")

    async def work(engine: "Engine") -> int:
        async with engine.plan(manifest, ledger=ledger, format=options["format_"]) as plan:
            told = ""
            if output is not None:
                require_free(output, force=force, manifest=manifest)  # reading took a while
                told = f"{output}: {plan.head().rows:,} rows saved, fingerprint {grouped(plan.save(output))}"
            streamed = output is not None and is_stream(output) and is_standard_output(output)
            _print(plan, options, sys.stderr if streamed else sys.stdout)
            sys.stdout.flush()
            if told:
                click.echo(told, err=True)
            return ExitCode.DIFFERENT if options["exit_code"] and plan.counts.to_change else ExitCode.DONE

    return with_engine(settings_from(options), work)


def _print(plan: "Plan", options: dict[str, Any], stream: TextIO) -> None:
    """Print what was asked for: numbers to dial, one JSON object, or all of it for people."""
    from bulkroute.ledger.export import write_sheet  # here, as above
    from bulkroute.output import plans

    rows = plan.rows() if options["with_rows"] else None
    if options["test_calls"]:
        write_sheet(plan.call_sheet(options["test_calls"]), stream)
    elif options["json_"]:
        records = None if rows is None else map(plans.row_json, rows)
        plans.print_json(plans.plan_json(plan), records, stream)
    else:
        plans.print_plan(plan.counts, plan.pairs(), plan.warnings, stream)
        plans.print_waves(plan.waves, stream)
        plans.print_rows(rows or (), stream)


def _require_plan_name(path: Path) -> None:
    """Refuse a name by which `run` would take the plan for a manifest. Raises UsageError."""
    if path.suffix.lower() in (".csv", ".yaml", ".yml"):
        raise UsageError("what is written is a saved plan, no manifest", where=str(path), hint="call it .plan")
