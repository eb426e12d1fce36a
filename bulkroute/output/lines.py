"""Plain lines on stderr: what happens, and how far it is every 30 seconds."""

import sys
from datetime import datetime
from typing import TextIO

from bulkroute.events import Event, RowFailed, RunEnded
from bulkroute.output.words import describe, describe_progress
from bulkroute.progress import Progress

MOST_FAILURES_SHOWN = 20
"""Failed rows that get a line of their own: a mail from cron with 10,000 of them helps nobody."""


class Lines:
    """Tells what happens in plain lines: no escape codes, no carriage returns, no questions."""

    every_s = 30.0

    def __init__(self, stream: TextIO | None = None, *, stamp: str = "%H:%M:%S", quiet: bool = False) -> None:
        """`stream`: where to, stderr if none is given; `stamp`: what each line begins with, as strftime has it."""
        self._stream = stream
        self._stamp = stamp
        self._quiet = quiet
        self._failures = 0

    def on_event(self, event: Event, *, of: str = "") -> None:
        """Tell one event, `of` a tenant if there are many; how a run ended is left to the closing message."""
        if isinstance(event, RunEnded):
            return
        if isinstance(event, RowFailed):
            self._failures += 1
            if self._failures == MOST_FAILURES_SHOWN + 1:
                self.say("more rows failed; the closing message counts them, `bulkroute export` lists them")
            if self._failures > MOST_FAILURES_SHOWN:
                return
        self.say(f"{of}: {describe(event)}" if of else describe(event))

    def tick(self, progress: Progress) -> None:
        """Tell how far the run is."""
        self.say(describe_progress(progress))

    def say(self, text: str) -> None:
        """Write one line with its time."""
        if not self._quiet:
            print(f"{datetime.now().astimezone():{self._stamp}} {text}", file=self._stream or sys.stderr, flush=True)

    def close(self) -> None:
        """Leave nothing behind."""
