"""Metrics of a run for node_exporter's textfile collector: one file, replaced as a whole, readable by all.

Never served over the network. Counters are of this run; `bulkroute_rows` is of the batch.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, disable_created_metrics, generate_latest

from bulkroute.atomic_file import replacing
from bulkroute.errors import UsageError
from bulkroute.events import Event, RunEnded
from bulkroute.progress import Progress

READABLE = 0o644
"""Mode of a new file: node_exporter is another user."""

BEGINS = b"# HELP bulkroute_"
"""How every file of metrics begins."""

HINT = "name another file with --metrics-file"

STATES = ("running", "throttled", "paused", "down", "stopping", "ended")


class Labelled(CollectorRegistry):
    """Metrics whose series all have some labels in common, so that those of several runs fit into one folder."""

    def __init__(self, labels: dict[str, str]) -> None:
        super().__init__()
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their labels."""
        for metric in super().collect():
            metric.samples = [each._replace(labels={**self._labels, **each.labels}) for each in metric.samples]
            yield metric


class Metrics:
    """Writes `file` at most every `every_s` seconds and at the end."""

    every_s = 5.0

    def __init__(self, file: Path, *, ledger: Path, tenant: str = "") -> None:
        """Take the file, and whose metrics they are; its folder must exist and be writable, and metrics alone are replaced. Raises UsageError."""
        _require_metrics(file)
        self._file = file
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double each counter to say what the start timestamp says
        # In full: two jobs in two folders may have ledgers of one name.
        labels = {"ledger": os.path.abspath(ledger)}  # noqa: PTH100 -- a link stays one
        registry = self._registry = Labelled({**labels, "tenant": tenant} if tenant else labels)
        self._rows = Gauge("bulkroute_rows", "Rows of the batch by status.", ["status"], registry=registry)
        self._calls = Counter("bulkroute_calls", "Calls answered or given up in this run.", registry=registry)
        self._retries = Counter("bulkroute_retries", "Calls that were not a row's first.", registry=registry)
        self._throttled = Counter("bulkroute_throttled", "Calls refused by throttling.", registry=registry)
        self._in_flight = Gauge("bulkroute_calls_in_flight", "Calls in flight.", registry=registry)
        self._rate = Gauge(
            "bulkroute_rate_calls_per_second",
            "Rate asked for, allowed, and of the last second; +Inf is unlimited.",
            ["kind"],
            registry=registry,
        )
        self._state = Gauge("bulkroute_state", "1 for what the run is doing.", ["state"], registry=registry)
        self._started = Gauge(
            "bulkroute_last_run_start_timestamp_seconds", "When the last run started.", registry=registry
        )
        self._ended = Gauge(
            "bulkroute_last_run_end_timestamp_seconds",
            "When the last run ended; 0 while it goes on.",
            registry=registry,
        )
        self._written = Gauge(
            "bulkroute_metrics_timestamp_seconds", "When this file was last written.", registry=registry
        )
        self._exit_code = Gauge(
            "bulkroute_last_run_exit_code", "Exit code of the last run; -1 while it goes on.", registry=registry
        )
        self._exit_code.set(-1)
        self._started.set(time.time())
        self._counted = (0, 0, 0)
        self._doing("running")
        self.write()

    def on_event(self, event: Event) -> None:
        """Take note of the end."""
        if isinstance(event, RunEnded):
            summary = event.summary
            for status in ("succeeded", "unchanged", "skipped", "failed", "refused", "pending", "in_doubt"):
                self._rows.labels(status).set(getattr(summary, status))
            self._count(summary.attempts, summary.retries, summary.throttled)
            self._in_flight.set(0)

    def tick(self, progress: Progress) -> None:
        """Write how far the run is."""
        for status in ("succeeded", "unchanged", "skipped", "failed", "refused"):
            self._rows.labels(status).set(getattr(progress, status))
        self._rows.labels("in_doubt").set(0)  # a call in the air is not in doubt while its run goes on
        self._rows.labels("pending").set(progress.left)
        self._count(progress.attempts, progress.retries, progress.throttled)
        self._in_flight.set(progress.in_flight)
        for kind, per_s in (
            ("asked", progress.asked_per_s),
            ("allowed", progress.rate_per_s),
            ("now", progress.started_per_s),
        ):
            self._rate.labels(kind).set(float("inf") if per_s is None else per_s)
        self._doing(progress.state)
        self.write()

    def ended(self, exit_code: int) -> None:
        """Write how the command ended, a run or not."""
        self._exit_code.set(exit_code)
        self._ended.set(time.time())
        self._doing("ended")
        self.write()

    def close(self) -> None:
        """Leave nothing open."""

    def _count(self, *totals: int) -> None:
        for counter, total, before in zip(
            (self._calls, self._retries, self._throttled), totals, self._counted, strict=True
        ):
            counter.inc(total - before)
        self._counted = (totals[0], totals[1], totals[2])

    def _doing(self, doing: str) -> None:
        for state in STATES:
            self._state.labels(state).set(state == doing)

    def write(self) -> None:
        """Replace the file. Raises UsageError where it cannot be written."""
        self._written.set(time.time())
        text = generate_latest(self._registry).decode()
        # Not synced: that would keep the run waiting, and after a power loss the next run writes it anew.
        with replacing(self._file, what="the metrics", hint=HINT, mode=READABLE, durable=False) as file:
            file.write(text)


def _require_metrics(file: Path) -> None:
    """Refuse to replace a file with something else in it than metrics. Raises UsageError."""
    try:
        if not file.is_file():
            return  # nothing is there; or what is there is never replaced, which writing says
        with file.open("rb") as opened:
            head = opened.read(len(BEGINS))
    except OSError as error:
        raise UsageError(f"the metrics cannot be written: {error.strerror}", where=str(file), hint=HINT) from error
    if head not in (b"", BEGINS):
        raise UsageError("is no file of metrics, and is not replaced", where=str(file), hint=HINT)
