"""A fleet's run drawn on a terminal: how far all are, and the tenants that need somebody first. Needs rich."""

from collections.abc import Sequence

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bulkroute.fleet.faces import FleetLines, describe_totals
from bulkroute.fleet.views import TO_COME, TenantView, by_need, totals_of
from bulkroute.output.terminal import Drawn
from bulkroute.output.words import duration, rate

MOST_DRAWN = 12
"""Tenants that have a line of their own."""

STYLES = {0: "bold red", 1: "yellow", 2: "red", 3: "yellow", 6: "green"}
"""By how much a tenant needs somebody."""


class FleetDrawn(FleetLines):
    """Draws how far all are, some times a second, and tells events above."""

    def __init__(self) -> None:
        self._drawn = Drawn()
        super().__init__(self._drawn)

    def tick(self, views: Sequence[TenantView]) -> None:
        """Draw."""
        self._drawn.update(draw_fleet(views))


def draw_fleet(views: Sequence[TenantView]) -> Group:
    """Return the drawing: a bar, a line of totals, and the tenants."""
    totals = totals_of(views)
    settled = totals.done + totals.failed
    head = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=max(totals.total, 1), completed=settled, width=30)
    head.add_row(bar, Text(f"{settled:,} / {totals.total:,}", "bold"), Text(describe_totals(totals)))
    lines = Table.grid(padding=(0, 2))
    shown = [view for view in by_need(views) if view.state != TO_COME][:MOST_DRAWN]
    for view in shown:
        style = STYLES.get(view.need, "")
        eta = "" if view.eta_s is None else f"{duration(view.eta_s)} to go"
        pace = f"{view.started_per_s}/s of {rate(view.rate_per_s)}" if view.total and view.exit_code is None else ""
        lines.add_row(
            Text(view.tenant, "bold", no_wrap=True),
            Text(view.state.replace("_", " "), style),
            Text(f"{view.done:,} / {view.total:,}", justify="right"),
            Text(f"{view.failed:,} failed" if view.failed else "", "red"),
            Text(pace),
            Text(eta),
            Text(view.reason or view.last_failure, no_wrap=True, overflow="ellipsis"),
        )
    more = len(views) - len(shown)
    return Group(head, lines, Text(f"and {more:,} more", "dim")) if more else Group(head, lines)
