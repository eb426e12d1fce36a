"""Who shows a fleet's run: plain lines, JSON objects, or a terminal that is drawn on (`drawn`)."""

from collections.abc import Sequence
from typing import Protocol, TextIO

from bulkroute.events import WARNING, BackedOut, BackingOut, Event, Notice, RowFailed, RowsRefused, RunEnded
from bulkroute.fleet.views import TenantView, Totals, by_need, totals_of
from bulkroute.output import json_log
from bulkroute.output.closing import closing_line
from bulkroute.output.lines import Lines
from bulkroute.output.words import duration

MOST_TOLD = 5
"""Tenants that need somebody, in a line of how far all are."""

TOLD = (RowFailed, RowsRefused, BackingOut, BackedOut, RunEnded)
"""Events that everybody hears of; of 200 tenants all the others would be too many."""


class FleetFace(Protocol):
    """Shows a fleet's run to somebody."""

    every_s: float

    def on_event(self, tenant: str, event: Event) -> None:
        """Take note of an event of a tenant."""

    def tick(self, views: Sequence[TenantView]) -> None:
        """Show how far all are; called each `every_s` seconds."""

    def close(self) -> None:
        """Leave nothing open and nothing drawn."""


class FleetLines:
    """Tells in plain lines what somebody should hear of, each with its tenant; `in_full`: everything."""

    def __init__(self, lines: Lines, *, in_full: bool = False) -> None:
        self._lines = lines
        self._in_full = in_full
        self.every_s = lines.every_s

    def on_event(self, tenant: str, event: Event) -> None:
        """Tell one event."""
        is_warning = isinstance(event, Notice) and event.text.startswith(WARNING)
        if isinstance(event, RunEnded):
            self._lines.say(f"{tenant}: {closing_line(event.summary)}")
        elif self._in_full or is_warning or isinstance(event, TOLD):
            self._lines.on_event(event, of=tenant)

    def tick(self, views: Sequence[TenantView]) -> None:
        """Tell how far all are, and who needs somebody."""
        self._lines.say(describe_totals(totals_of(views)))
        for view in by_need(views)[:MOST_TOLD]:
            if view.need < 3 and view.exit_code is None:
                self._lines.say(f"{view.tenant}: {describe_view(view)}")

    def close(self) -> None:
        """Leave nothing behind."""
        self._lines.close()


class FleetRecords:
    """Tells everything as JSON objects, each with its `tenant`."""

    every_s = 30.0

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet

    def on_event(self, tenant: str, event: Event) -> None:
        """Write one event."""
        if not self._quiet:
            name, fields = json_log.record_of(event)
            json_log.write(name, self._stream, **{**fields, "tenant": tenant})

    def tick(self, views: Sequence[TenantView]) -> None:
        """Write how far all are."""
        if not self._quiet:
            json_log.write("fleet_progress", self._stream, **totals_of(views)._asdict())

    def close(self) -> None:
        """Leave nothing behind."""


def describe_totals(totals: Totals) -> str:
    """Return how far all are in one line."""
    failed = f", {totals.failed:,} failed" if totals.failed else ""
    rows = f"{totals.done:,} of {totals.total:,} rows done{failed}"
    return f"{totals.ended:,} of {totals.tenants:,} tenants ended; {rows}; {totals.started_per_s:,} calls/s"


def describe_view(view: TenantView) -> str:
    """Return how a tenant stands in one line."""
    failed = f", {view.failed:,} failed" if view.failed else ""
    parts = [f"{view.state.replace('_', ' ')}: {view.reason}" if view.reason else view.state.replace("_", " ")]
    if view.total:
        parts.append(f"{view.done:,} of {view.total:,} rows done{failed}")
    if view.eta_s is not None:
        parts.append(f"{duration(view.eta_s)} to go")
    return "; ".join(parts)
