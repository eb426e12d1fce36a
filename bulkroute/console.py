"""What a person sees: messages and progress on stderr, results on stdout. Decides nothing.

On a terminal the progress is drawn; elsewhere there is one plain line now and then, and never an escape code.
"""

import sys
from datetime import datetime

from rich.console import Console as Terminal
from rich.table import Table
from rich.text import Text

from bulkroute.events import Event, Notice, RowFailed, RunEnded, RunStarted, Stopping
from bulkroute.ledger.reading import Reason
from bulkroute.standing import Standing
from bulkroute.summary import Summary


def outcome_table(summary: Summary, reasons: list[Reason]) -> Table:
    """Return the table of outcomes: how many rows stand where, and why the failed ones failed."""
    table = Table(title=f"batch {summary.batch} in {summary.ledger}", title_justify="left")
    table.add_column("outcome")
    table.add_column("rows", justify="right")
    table.add_column("what the service said", overflow="fold")
    table.add_column("for example", overflow="fold")
    for name in ("succeeded", "unchanged"):
        table.add_row(name, f"{getattr(summary, name):,}")
    for reason in reasons:
        table.add_row(f"failed: {reason.error}", f"{reason.rows:,}", Text(reason.description or ""), reason.example_id)
    for name, label in (("pending", "pending"), ("in_doubt", "in doubt")):
        if getattr(summary, name):
            table.add_row(label, f"{getattr(summary, name):,}")
    table.add_section()
    table.add_row("total", f"{summary.total:,}")
    return table


def print_standing(found: Standing) -> None:
    """Print how a ledger stands on stdout."""
    console = Terminal(highlight=False)
    console.print(outcome_table(found.summary, found.reasons))


def closing_table(summary: Summary, reasons: list[Reason]) -> None:
    """Print the table of outcomes on stderr."""
    Terminal(stderr=True, highlight=False).print(outcome_table(summary, reasons))


class Lines:
    """Tells what happens in plain lines on stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def watch(self, event: Event) -> None:
        """Tell one event."""
        if not self._quiet and (text := describe(event)):
            print(f"{datetime.now().astimezone():%H:%M:%S} {text}", file=sys.stderr)


def describe(event: Event) -> str:
    """Return an event in words; '' for one that is not worth a line."""
    match event:
        case Notice():
            return event.text
        case RunStarted():
            return _describe_start(event)
        case RowFailed():
            said = (event.http_status, event.return_code, event.description)
            return f"failed: {event.id}: {event.error} ({', '.join(str(part) for part in said if part is not None)})"
        case Stopping():
            return f"stopping: {event.reason}; {event.in_flight} calls in flight are awaited"
        case RunEnded():
            summary = event.summary
            why = f", stopped: {summary.stopped}" if summary.stopped else ""
            return f"{summary.done:,} of {summary.total:,} rows done, {summary.total - summary.done:,} left{why}"


def _describe_start(event: RunStarted) -> str:
    rate = "unlimited" if event.rate_per_s is None else f"{event.rate_per_s:g}/s"
    parts = [
        f"{event.command} {event.run}: {event.total - event.done - event.refused:,} of {event.total:,} rows to do"
        f" at {rate}, {event.concurrency} at once, {event.service}"
    ]
    if event.changes:
        parts.append(f"the manifest changed: {event.changes}")
    if event.failed_before:
        parts.append(f"{event.failed_before:,} failed earlier are tried again")
    if event.in_doubt:
        parts.append(f"{event.in_doubt:,} in doubt after a crash are sent again")
    return "; ".join(parts)
