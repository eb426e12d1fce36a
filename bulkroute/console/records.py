"""The log for machines: each line on stderr is one JSON object with `ts` and `event`. Names and fields are stable."""

import json
import sys
from typing import Any

from bulkroute.console.lines import now_iso
from bulkroute.events import Event, Notice, RateChanged, RowFailed, RunEnded, RunStarted, Stopping, WaitBegan, WaitEnded
from bulkroute.progress import Progress
from bulkroute.summary import Summary

NAMES: dict[type, str] = {
    Notice: "notice",
    RunStarted: "run_started",
    RowFailed: "row_failed",
    WaitBegan: "wait_began",
    WaitEnded: "wait_ended",
    RateChanged: "rate_changed",
    Stopping: "stopping",
    RunEnded: "run_ended",
}


def write(event: str, **fields: Any) -> None:
    """Write one object."""
    print(
        json.dumps({"ts": now_iso(), "event": event, **fields}, ensure_ascii=False, default=str),
        file=sys.stderr,
        flush=True,
    )


class Records:
    """Tells what happens as JSON objects."""

    every_s = 30.0

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def watch(self, event: Event) -> None:
        """Write one event."""
        if self._quiet:
            return
        if isinstance(event, RunEnded):
            write("run_ended", **fields_of(event.summary))
        else:
            write(NAMES[type(event)], **event._asdict())

    def tick(self, progress: Progress, now_s: float) -> None:
        """Write how far the run is. `now_s`: on the clock that holds go by."""
        if self._quiet:
            return
        holds = [
            {"cause": hold.key, "reason": hold.reason, "wait_s": None if hold.until_s is None else hold.until_s - now_s}
            for hold in progress.holds
        ]
        write("progress", **{**progress._asdict(), "holds": holds, "state": progress.state, "done": progress.done})

    def close(self) -> None:
        """Leave nothing behind."""


def fields_of(summary: Summary) -> dict[str, Any]:
    """Return a summary as the fields of a record."""
    fields: dict[str, Any] = json.loads(summary.to_json())
    return fields
