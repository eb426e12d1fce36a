"""`bulkroute ctl`: talk to the run that is going on."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bulkroute.cli.options import CONTEXT, PATH
from bulkroute.errors import ExitCode
from bulkroute.run.verbs import VERBS

VERB_LINES = "\n".join(f"{f'{name} {verb.value}':<16} {verb.does}" for name, verb in VERBS.items())

HELP = f"""Tell the run that works on LEDGER to pause, to go on, to go slower or faster, or to stop.

\b
{VERB_LINES}

Exit code 69: no run is working on LEDGER.

Example: bulkroute ctl cutover.ledger.db rate 20
"""


@click.command(help=HELP, context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@click.argument("verb", type=click.Choice(list(VERBS)))
@click.argument("value", nargs=-1)
@click.option("--json", "json_", is_flag=True, help="Print the answer as one JSON object.")
def ctl(ledger: Path, verb: str, value: tuple[str, ...], json_: bool) -> int:
    """Ask the run, and print what it answers."""
    import asyncio  # here, since help must not wait for it

    from bulkroute.run.control import ask

    form = VERBS[verb].value
    if not form and value:
        raise click.UsageError(f"{verb} takes no value")
    if form and not form.startswith("[") and len(value) != 1:
        raise click.UsageError(f"write `{verb} {form}`: {VERBS[verb].does}")
    answer = asyncio.run(ask(ledger, verb, " ".join(value) or None))
    if json_:
        click.echo(json.dumps(answer, ensure_ascii=False))
    elif answer["ok"]:
        click.echo("\n".join(describe(answer)))
    else:
        click.echo(f"bulkroute: {answer['error']}", err=True)
    return ExitCode.DONE if answer["ok"] else ExitCode.USAGE


def describe(answer: dict[str, Any]) -> list[str]:
    """Return a run's status in lines for a person."""
    from bulkroute.output.words import clock, duration, rate, state  # here, as above

    lines = [
        f"run {answer['run']}: {state(answer)}",
        f"rows      {answer['done']:,} of {answer['total']:,} done, {answer['failed']:,} failed, {answer['left']:,} left",
        f"calls     {answer['in_flight']} in flight of {answer['concurrency']}, {answer['attempts']:,} answered,"
        f" {answer['throttled']:,} throttled, {answer['in_backoff']:,} rows wait for their next try",
        f"rate      {answer['started_per_s']}/s now, {rate(answer['rate_per_s'])} allowed,"
        f" {rate(answer['asked_per_s'])} asked for",
    ]
    if answer["eta_s"] is not None:
        ends_at = answer["ends_at"]
        window = f"; the window closes at {clock(datetime.fromisoformat(ends_at).timestamp())}" if ends_at else ""
        lines.append(f"time      {duration(answer['seconds'])} so far, {duration(answer['eta_s'])} to go{window}")
    return lines
