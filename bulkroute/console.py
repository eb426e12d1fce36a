"""What a person sees: messages and progress on stderr, results on stdout. Decides nothing.

On a terminal the progress is drawn; elsewhere there is one plain line now and then, and never an escape code.
"""

from rich.console import Console as Terminal
from rich.table import Table
from rich.text import Text

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
