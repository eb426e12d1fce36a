"""How the tenants of a fleet stand, for people: a line each, those first that need somebody's attention."""

from collections.abc import Sequence
from typing import TextIO

from bulkroute.fleet.views import TenantView, Totals, by_need, totals_of
from bulkroute.model import escaped
from bulkroute.output.tables import Column, Table, columns_of, say, show, width_of
from bulkroute.output.words import duration, rate

COLUMNS = [
    Column("tenant"),
    Column("state"),
    *(Column(name, right=True) for name in ("done", "failed", "left", "rate", "to go")),
    Column("host"),
]

LEAST_WHY = 36
"""Characters beside a tenant's figures that are worth a column of reasons; in less they stand below."""

LONGEST_NAME = 28
"""Characters of a tenant's name on a terminal."""


def print_standing(views: Sequence[TenantView], stream: TextIO) -> None:
    """Print the totals and a line for each tenant; on a terminal a reason that is long goes on below its beginning."""
    totals, ordered = totals_of(views), by_need(views)
    say(describe_states(totals), stream)
    say(describe_rows(totals, ordered), stream)
    if (columns := columns_of(stream)) is None:
        rows = [(*cells_of(view), why_of(view)) for view in ordered]
        show(Table("", [*COLUMNS, Column("why")], rows), stream)
    else:
        _draw(ordered, stream, columns)


def describe_states(totals: Totals) -> str:
    """Return how many tenants are how."""
    states = ", ".join(f"{tenants:,} {state}" for state, tenants in totals.states.items())
    return f"{totals.tenants:,} tenants: {states}"


def describe_rows(totals: Totals, views: Sequence[TenantView]) -> str:
    """Return how far the rows of all tenants are."""
    left = totals.total - totals.done - totals.failed
    text = f"{totals.done:,} of {totals.total:,} rows done, {totals.failed:,} failed, {left:,} left"
    if any(view.goes_on for view in views):
        text += f"; {totals.started_per_s:,} calls/s"
    longest_s = max((view.eta_s for view in views if view.eta_s is not None), default=None)
    return text if longest_s is None else f"{text}; {duration(longest_s)} to go"


def cells_of(view: TenantView) -> tuple[str, ...]:
    """Return what stands in the columns of a tenant's line."""
    code = f" ({view.exit_code})" if view.exit_code else ""
    numbers = ("", "", "") if not view.total else (f"{view.done:,}", f"{view.failed:,}", f"{view.left:,}")
    pace = f"{view.started_per_s:,} of {rate(view.asked_per_s)}" if view.goes_on else ""
    to_go = "" if view.eta_s is None else duration(view.eta_s)
    return (view.tenant, f"{view.word}{code}", *numbers, pace, to_go, view.host)


def why_of(view: TenantView) -> str:
    """Return why it does not go its way; of one that does, what failed last."""
    return escaped(view.reason or (f"last failed: {view.last_failure}" if view.last_failure else ""))


def _draw(views: Sequence[TenantView], stream: TextIO, columns: int) -> None:
    from rich.console import Console  # here, since without a terminal none of it is needed
    from rich.text import Text

    from bulkroute.fleet.drawn import STYLES

    console = Console(file=stream, width=columns, highlight=False, markup=False, emoji=False)
    rows = [cells_of(view) for view in views]
    heads = [column.name for column in COLUMNS]
    widths = [max(width_of(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    widths[0] = min(widths[0], LONGEST_NAME)
    # All at one host need no column that says so, unless there is room for it.
    several = len({view.host for view in views if view.host}) > 1
    needed = sum(widths) + 2 * len(widths)
    shown = len(heads) if needed + (0 if several else LEAST_WHY) <= columns else len(heads) - 1
    taken = sum(widths[:shown]) + 2 * shown
    beside = columns - taken >= LEAST_WHY

    def line(cells: Sequence[str], styles: dict[int, str]) -> Text:
        made = Text(no_wrap=True, overflow="ellipsis")
        for at in range(shown):
            cell = Text(cells[at], styles.get(at, ""))
            cell.truncate(widths[at], overflow="ellipsis")
            cell.align("right" if COLUMNS[at].right else "left", widths[at])
            made.append_text(cell).append("  ")
        return made

    head = line(heads, dict.fromkeys(range(shown), "bold"))
    console.print(head.append("why", "bold") if beside else head)
    for view, cells in zip(views, rows, strict=True):
        styles = {0: "bold", 1: STYLES.get(view.need, ""), 3: "red" if view.failed else ""}
        margin, why = taken if beside else 4, why_of(view)
        if several and shown < len(heads):
            why = ": ".join(filter(None, (f"at {view.host}" * bool(view.host), why)))
        reasons = list(Text(why).wrap(console, columns - margin)) if why else []
        made = line(cells, styles)
        if beside and reasons:
            made.append_text(reasons.pop(0))
        console.print(made)
        for more in reasons:
            console.print(Text(" " * margin).append_text(more))
