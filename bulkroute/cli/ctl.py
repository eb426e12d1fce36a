"""`bulkroute ctl`: talk to the run that is going on."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bulkroute.cli.options import CONTEXT, ByFlag
from bulkroute.errors import BulkrouteError, ExitCode
from bulkroute.run.verbs import VERBS

VERB_LINES = "\n".join(f"{f'{name} {verb.value}':<16} {verb.does}" for name, verb in VERBS.items())

HELP = f"""Tell the run that works on LEDGER to pause, to go on, to go slower or faster, or to stop.

\b
{VERB_LINES}

Several ledgers are told the same, and answer on a line each. A ledger that is named like a verb is written ./status.

Exit code 69: no run is working on LEDGER; 2: the run refused; 5: it is another user's.

Example: bulkroute ctl cutover.ledger.db rate 20
"""


@click.command(help=HELP, context_settings=CONTEXT)
@click.argument("words", nargs=-1, metavar="LEDGER... VERB [VALUE]")
@click.option("--json", "json_", cls=ByFlag, is_flag=True, help="Print each answer as one JSON object.")
def ctl(words: tuple[str, ...], json_: bool) -> int:
    """Ask the runs, and print what they answer."""
    import asyncio  # here, since help must not wait for it

    from bulkroute.output.tables import say
    from bulkroute.run.control import ask

    ledgers, verb, value = _parsed(words)
    alone, code = len(ledgers) == 1, 0
    for ledger in ledgers:
        try:
            answer = asyncio.run(ask(ledger, verb, value))
        except BulkrouteError as error:
            if alone:
                raise
            code = code or error.exit_code
            say(f"bulkroute: {error}", sys.stderr)
            continue
        if not answer["ok"]:
            code = code or ExitCode.USAGE
        if json_:
            click.echo(json.dumps({"ledger": str(ledger), **answer}, ensure_ascii=False))
        elif not answer["ok"]:
            say(f"bulkroute: {'' if alone else f'{ledger}: '}{answer['error']}", sys.stderr)
        elif alone:
            click.echo("\n".join(describe(answer)))
        else:
            say(f"{ledger}: {describe_shortly(answer)}", sys.stdout)
    return code


def _parsed(words: tuple[str, ...]) -> tuple[list[Path], str, str | None]:
    """Return the ledgers, the verb and its value. Raises click.UsageError."""
    place = next((place for place, word in enumerate(words) if place and word in VERBS), None)
    if place is None:
        last = f"; {words[-1]} is none of them" if len(words) > 1 else ""
        raise click.UsageError(f"write LEDGER... VERB; the verbs are {', '.join(VERBS)}{last}")
    return [Path(word) for word in words[:place]], *verb_of(words[place:])


def verb_of(words: Sequence[str]) -> tuple[str, str | None]:
    """Return what a run is to be asked, and its value. Raises click.UsageError."""
    verb, value = words[0], words[1:]
    if verb not in VERBS:
        raise click.UsageError(f"the verbs are {', '.join(VERBS)}; {verb} is none of them")
    form = VERBS[verb].value
    if not form and value:
        raise click.UsageError(f"{verb} takes no value")
    may_be_words = form.strip("[]") == "REASON"
    if form and ((not value and not form.startswith("[")) or (len(value) > 1 and not may_be_words)):
        raise click.UsageError(f"write `{verb} {form}`: {VERBS[verb].does}")
    return verb, " ".join(value) or None


def describe_shortly(answer: dict[str, Any]) -> str:
    """Return a run's status in one line."""
    from bulkroute.output.words import duration, rate, state  # here, as above

    text = f"run {answer['run']}: {state(answer)}; {_rows(answer)}; {answer['started_per_s']}/s of {rate(answer['rate_per_s'])}"
    return text if answer["eta_s"] is None else f"{text}; {duration(answer['eta_s'])} to go"


def _rows(answer: dict[str, Any]) -> str:
    refused = f" {answer['refused']:,} refused," if answer["refused"] else ""
    return (
        f"{answer['done']:,} of {answer['total']:,} done, {answer['failed']:,} failed,{refused} {answer['left']:,} left"
    )


def describe(answer: dict[str, Any]) -> list[str]:
    """Return a run's status in lines for a person."""
    from bulkroute.output.words import back_out, clock, duration, rate, state  # here, as above

    lines = [
        f"run {answer['run']}: {state(answer)}",
        f"rows      {_rows(answer)}",
        f"calls     {answer['in_flight']} in flight of {answer['concurrency']}, {answer['attempts']:,} answered,"
        f" {answer['throttled']:,} throttled, {answer['in_backoff']:,} rows wait for their next try",
        f"rate      {answer['started_per_s']}/s now, {rate(answer['rate_per_s'])} allowed,"
        f" {rate(answer['asked_per_s'])} asked for",
    ]
    by = answer["back_out_by"] and datetime.fromisoformat(answer["back_out_by"]).timestamp()
    if way_back := back_out(answer["back_out_rows"], answer["back_out_s"], by):
        lines.append(f"back-out  {way_back}")
    if answer["eta_s"] is not None:
        ends_at = answer["ends_at"]
        window = f"; the window closes at {clock(datetime.fromisoformat(ends_at).timestamp())}" if ends_at else ""
        lines.append(f"time      {duration(answer['seconds'])} so far, {duration(answer['eta_s'])} to go{window}")
    return lines
