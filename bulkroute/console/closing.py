"""The closing message: what happened, why rows failed, and the exact next command."""

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TextIO

from bulkroute.console.words import duration, rate
from bulkroute.errors import ExitCode
from bulkroute.ledger.reading import Reason, RunRecord
from bulkroute.standing import Standing
from bulkroute.summary import Summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_COLUMNS = 120
"""How wide tables are where no terminal says how wide it is."""

MOST_REASONS = 20


def terminal(stream: TextIO) -> "Console":
    """Return rich's console for a stream: escape codes on a terminal only, whatever the environment asks for."""
    from rich.console import Console  # here, since a quiet run needs none of it

    at_terminal = stream.isatty()
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=at_terminal,
        color_system="auto" if at_terminal else None,
        width=None if at_terminal else PIPED_COLUMNS,
    )


def outcome_table(summary: Summary, reasons: Sequence[Reason]) -> "Table":
    """Return the table of outcomes: how many rows stand where, and why the failed ones failed."""
    from rich.table import Table  # here, as above
    from rich.text import Text

    table = Table(title=Text(f"batch {summary.batch} in {summary.ledger}"), title_justify="left")
    table.add_column("outcome")
    table.add_column("rows", justify="right", no_wrap=True)
    said = any(reason.description for reason in reasons)
    if reasons:
        table.add_column("what the service said" if said else "", overflow="fold")
        table.add_column("for example", overflow="fold", min_width=19)
    for name in ("succeeded", "unchanged"):
        table.add_row(name, f"{getattr(summary, name):,}")
    for reason in reasons[:MOST_REASONS]:
        table.add_row(
            f"failed: {reason.error}", f"{reason.rows:,}", Text(reason.description or ""), Text(reason.example_id)
        )
    if rest := reasons[MOST_REASONS:]:
        table.add_row("failed: others", f"{sum(reason.rows for reason in rest):,}", f"{len(rest):,} more texts", "")
    for name, label in (("pending", "pending"), ("in_doubt", "in doubt")):
        if getattr(summary, name):
            table.add_row(label, f"{getattr(summary, name):,}")
    table.add_section()
    table.add_row("total", f"{summary.total:,}")
    return table


def runs_table(runs: Sequence[RunRecord]) -> "Table":
    """Return the table of runs: when, how many calls, how each ended."""
    from rich.table import Table  # here, as above
    from rich.text import Text

    table = Table(title="runs", title_justify="left")
    for name in ("run", "started", "took", "calls", "exit", "how it ended"):
        table.add_column(name, justify="right" if name in ("took", "calls", "exit") else "left", overflow="fold")
    for run in runs:
        started = datetime.fromtimestamp(run.started_at, UTC).astimezone()
        ended = run.ended_at is not None
        how = run.stopped or "went through" if ended else "has not ended: it goes on, or was killed"
        table.add_row(
            f"{run.run} {run.command}" if run.command != "run" else f"{run.run}",
            f"{started:%Y-%m-%d %H:%M:%S}",
            duration(run.seconds) if run.seconds is not None else "",
            f"{run.attempts:,}" if run.attempts is not None else "",
            f"{run.exit_code}" if run.exit_code is not None else "",
            Text(how),
        )
    return table


def print_standing(found: Standing) -> None:
    """Print how a ledger stands on stdout."""
    console = terminal(sys.stdout)
    console.print(outcome_table(found.summary, found.reasons))
    console.print(runs_table(found.runs))


def closing_line(summary: Summary) -> str:
    """Return what happened in one line."""
    left = summary.pending + summary.in_doubt
    how = "stopped" if summary.stopped else "all done" if summary.done == summary.total else "ended"
    text = f"{how}: {summary.done:,} of {summary.total:,} rows done, {summary.failed:,} failed, {left:,} left"
    if summary.in_doubt:
        text += f", {summary.in_doubt:,} of them in doubt"
    if summary.attempts:
        text += f"; {summary.attempts:,} calls in {duration(summary.seconds)}, {rate(summary.rate)} on average"
    return f"{text}; {summary.stopped}" if summary.stopped else text


class Advice(NamedTuple):
    """A command to run next, exactly as it is to be typed, and what for."""

    purpose: str
    command: str


def next_commands(summary: Summary, command_line: str, ledger: str) -> list[Advice]:
    """Return what to do next. `command_line` and `ledger` are quoted for a shell."""
    advice = []
    if summary.failed:
        advice.append(Advice("see the failed rows", f"bulkroute export {ledger} --status failed -o failed.csv"))
    if summary.exit_code == ExitCode.SOME_FAILED:
        if summary.in_doubt:
            # They left the manifest, so they are not sent again; without a snapshot nothing tells whether they landed.
            words = [word for word in shlex.split(command_line) if word != "--no-snapshot"]
            advice.append(Advice("settle the rows in doubt", shlex.join([*words, "--snapshot"])))
        if summary.failed or not summary.in_doubt:
            advice.append(Advice("try them again", command_line))
    elif summary.exit_code not in (ExitCode.DONE, None):
        advice.append(Advice("go on", command_line))
    return advice


def print_closing(summary: Summary, reasons: Sequence[Reason], advice: Sequence[Advice]) -> None:
    """Print the closing message on stderr."""
    if reasons:
        terminal(sys.stderr).print(outcome_table(summary, reasons))
    print(closing_line(summary), file=sys.stderr)
    width = max((len(each.purpose) for each in advice), default=0) + 1
    for each in advice:
        print(f"to {each.purpose + ':':<{width}} {each.command}", file=sys.stderr)
