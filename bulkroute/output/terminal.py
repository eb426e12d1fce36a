"""Progress drawn on a terminal, with messages above it. Needs rich, and a terminal that can move its cursor."""

import sys
from datetime import datetime

from rich.console import Console as Terminal
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bulkroute.output.lines import Lines
from bulkroute.output.words import doing, outlook, pace
from bulkroute.progress import Progress


class Drawn(Lines):
    """Draws how far the run is, some times a second, and tells events above."""

    every_s = 0.25

    def __init__(self) -> None:
        super().__init__()
        self._terminal = Terminal(file=sys.stderr, highlight=False, markup=False, emoji=False)
        # No thread of its own: the run's loop draws.
        self._live = Live(console=self._terminal, auto_refresh=False, transient=True)
        self._started = False

    def tick(self, progress: Progress) -> None:
        """Draw."""
        self.update(draw(progress))

    def update(self, drawing: Group) -> None:
        """Put this drawing in place of the one before."""
        if not self._started:
            self._live.start()
            self._started = True
        self._live.update(drawing, refresh=True)

    def say(self, text: str) -> None:
        """Write one line above the drawing."""
        self._terminal.print(Text.assemble((f"{datetime.now().astimezone():%H:%M:%S} ", "dim"), text))

    def close(self) -> None:
        """Take the drawing away and give the cursor back."""
        if self._started:
            self._live.stop()
            self._started = False


def draw(progress: Progress) -> Group:
    """Return the drawing: a bar and four lines."""
    settled = progress.done + progress.failed + progress.refused
    share = settled / progress.total if progress.total else 1.0
    head = Table.grid(padding=(0, 1))
    head.add_row(
        ProgressBar(total=max(progress.total, 1), completed=settled, width=30),
        Text(f"{settled:,} / {progress.total:,}", "bold"),
        Text(f"{share:.0%}"),
    )
    failed = "bold red" if progress.failed else ""
    others = (("refused", progress.refused), ("skipped", progress.skipped))
    apart = "".join(f"   {name} {rows:,}" for name, rows in others if rows)
    counts = Text.assemble(
        (f"ok {progress.succeeded:,}", "green"),
        "   ",
        (f"failed {progress.failed:,}", failed),
        f"{apart}   unchanged {progress.unchanged:,}   in flight {progress.in_flight} of {progress.concurrency}"
        f"   waiting to retry {progress.in_backoff:,}",
    )
    waits = progress.stopping is not None or progress.pauses
    lines = [Text(pace(progress)), Text(doing(progress), "yellow" if waits else "")]
    if ahead := outlook(progress):
        lines.append(Text(ahead))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(head, counts, *lines)
