"""The closing message: what happened, why rows failed, and the exact next command."""

import locale
import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TextIO

from bulkroute.errors import ExitCode
from bulkroute.events import Summary
from bulkroute.ledger.queries import Reason, RunRecord
from bulkroute.ledger.status import BatchStatus
from bulkroute.output.words import duration, rate

if TYPE_CHECKING:
    from rich.table import Table

MOST_REASONS = 20

FRAMED_COLUMNS = 60
"""How wide a terminal must be for tables with frames; in less their columns would be cut."""


def show(title: str, table: "Table", stream: TextIO) -> None:
    """Write a table: drawn on a terminal, elsewhere as plain columns, one line a row, fit for grep and awk."""
    from rich import box  # here, since a quiet run needs none of it
    from rich.console import Console

    print(title, file=stream)
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not stream.isatty() or console.width < FRAMED_COLUMNS:
        stream.writelines(f"{line}\n" for line in plain(table))
        return
    if locale.nl_langinfo(locale.CODESET) != "UTF-8":
        table.box = box.ASCII2
    console.print(table)


def plain(table: "Table") -> Iterator[str]:
    """Yield the lines of a table without frames, two blanks between columns; the last one is as wide as it is."""
    from rich.cells import cell_len  # here, as above

    rows = list(zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True))
    rows.insert(0, tuple(str(column.header) for column in table.columns))
    widths = [max(cell_len(cell) for cell in cells) for cells in zip(*rows, strict=True)]
    right = [column.justify == "right" for column in table.columns]
    for row in rows:
        filled = []
        for cell, width, at_right in zip(row, widths, right, strict=True):
            gap = " " * (width - cell_len(cell))
            filled.append(gap + cell if at_right else cell + gap)
        yield "  ".join(filled).rstrip()


def title_of(summary: Summary) -> str:
    """Return what stands above the table of outcomes."""
    return f"batch {summary.batch} in {summary.ledger}"


def outcome_table(summary: Summary, reasons: Sequence[Reason]) -> "Table":
    """Return the table of outcomes: how many rows stand where, and why the failed ones failed."""
    from rich.table import Table  # here, as above
    from rich.text import Text

    table = Table()
    table.add_column("outcome")
    table.add_column("rows", justify="right", no_wrap=True)
    if reasons:
        table.add_column("for example", overflow="fold", min_width=19)
        said = any(reason.description for reason in reasons)
        table.add_column("what the service said" if said else "", overflow="fold")
    for name in ("succeeded", "unchanged"):
        table.add_row(name, f"{getattr(summary, name):,}")
    for reason in reasons[:MOST_REASONS]:
        table.add_row(
            f"failed: {reason.error}", f"{reason.rows:,}", Text(reason.example_id), Text(reason.description or "")
        )
    if rest := reasons[MOST_REASONS:]:
        table.add_row("failed: others", f"{sum(reason.rows for reason in rest):,}", "", f"{len(rest):,} more texts")
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

    table = Table()
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


def print_status(found: BatchStatus) -> None:
    """Print how a ledger stands on stdout."""
    show(title_of(found.summary), outcome_table(found.summary, found.reasons), sys.stdout)
    show("runs", runs_table(found.runs), sys.stdout)
    if found.rolled_back:
        ledger = shlex.quote(found.summary.ledger)
        print(f"there is a rollback of it: `bulkroute status {ledger} --rollback` shows how that stands")


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


def next_commands(summary: Summary, command_line: str, ledger: str, *, rollback: bool = False) -> list[Advice]:
    """Return what to do next. `command_line` and `ledger` are quoted for a shell; `rollback`: it is one that ended."""
    advice = []
    if summary.failed:
        of_rollback = " --rollback" if rollback else ""
        export = f"bulkroute export {ledger}{of_rollback} --status failed -o failed.csv"
        advice.append(Advice("see the failed rows", export))
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
        show(title_of(summary), outcome_table(summary, reasons), sys.stderr)
    print(closing_line(summary), file=sys.stderr)
    width = max((len(each.purpose) for each in advice), default=0) + 1
    for each in advice:
        print(f"to {each.purpose + ':':<{width}} {each.command}", file=sys.stderr)
