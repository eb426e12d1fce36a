"""What is said of a run beside its rows: told at once, and kept with the run that goes on, or with the one that may follow."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bulkroute.events import Notice, OnEvent
from bulkroute.ledger.remarks import Remark
from bulkroute.run.run import Run

MOST_SAID = 200
"""Remarks kept for the run that may follow."""


class Said:
    """Remembers what was said for as long as there is no run to keep it."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._kept: deque[Remark] = deque(maxlen=MOST_SAID)
        self._keep: Callable[[Remark], None] = self._kept.append

    def notice(self, text: str) -> None:
        """Tell something that deserves a look, and keep it."""
        self.keep(Remark.of_notice(text))
        self._on_event(Notice(text))

    def keep(self, remark: Remark) -> None:
        """Keep what was said."""
        self._keep(remark)

    @contextmanager
    def kept_by(self, run: Run) -> Iterator[None]:
        """Let a run keep what was said so far, and what is said in the block."""
        run.keep(*self._kept)
        self._kept.clear()
        self._keep = run.keep
        try:
            yield
        finally:
            self._keep = self._kept.append
