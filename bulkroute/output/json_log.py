"""The log for machines: each line on stderr is one JSON object with `ts` and `event`. Names and fields are stable."""

import json
import sys
import time
from typing import Any, TextIO

from bulkroute.events import (
    BackedOut,
    BackingOut,
    Event,
    Notice,
    RateChanged,
    RowFailed,
    RowsRefused,
    RunEnded,
    RunStarted,
    Stopping,
    WaitBegan,
    WaitEnded,
    WaveEnded,
    WaveStarted,
)
from bulkroute.model import iso
from bulkroute.progress import Progress

NAMES: dict[type, str] = {
    Notice: "notice",
    RowsRefused: "rows_refused",
    RowFailed: "row_failed",
    WaitBegan: "wait_began",
    WaitEnded: "wait_ended",
    WaveStarted: "wave_started",
    WaveEnded: "wave_ended",
    RateChanged: "rate_changed",
    Stopping: "stopping",
    BackedOut: "backed_out",
}


def write(name: str, stream: TextIO | None, **fields: Any) -> None:
    """Write one object; to stderr if no stream is given."""
    record = {"ts": iso(time.time()), "event": name, **fields}
    print(json.dumps(record, ensure_ascii=False, default=str), file=stream or sys.stderr, flush=True)


def record_of(event: Event) -> tuple[str, dict[str, Any]]:
    """Return an event's name and its fields."""
    if isinstance(event, RunEnded):
        return "run_ended", event.summary.fields()
    if isinstance(event, BackingOut):
        return "backing_out", {**event._asdict(), "since": iso(event.since)}
    if isinstance(event, RunStarted):
        return "run_started", {**event._asdict(), "ends_at": None if event.ends_at is None else iso(event.ends_at)}
    return NAMES[type(event)], event._asdict()


class Records:
    """Tells what happens as JSON objects."""

    every_s = 30.0

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        """`stream`: where to; stderr if none is given."""
        self._stream = stream
        self._quiet = quiet

    def on_event(self, event: Event) -> None:
        """Write one event."""
        if not self._quiet:
            name, fields = record_of(event)
            write(name, self._stream, **fields)

    def tick(self, progress: Progress) -> None:
        """Write how far the run is."""
        if not self._quiet:
            write("progress", self._stream, **progress.fields())

    def close(self) -> None:
        """Leave nothing behind."""
