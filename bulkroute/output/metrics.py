"""Metrics of a run, and of a check of its ledger, for whoever watches many of them.

Never served over the network. Counters are of this run; `bulkroute_rows` is of the batch.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import Counter

from bulkroute.events import Event, RunEnded
from bulkroute.output.metrics_file import Labelled, MetricsFile
from bulkroute.progress import Progress, Summary

WRITTEN = "bulkroute_metrics_timestamp_seconds", "When a run or rollback last wrote this file."

STATES = ("running", "throttled", "paused", "down", "gate", "backing_out", "stopping", "ended")


class RunMetrics:
    """What is known of one run."""

    def __init__(self, made: Labelled) -> None:
        """Make the series."""
        self._rows = made.gauge("bulkroute_rows", "Rows of the batch by status.", "status")
        self._calls = Counter("bulkroute_calls", "Calls answered or given up in this run.", registry=made)
        self._retries = Counter(
            "bulkroute_retries", "Calls of this run that were not a row's first try.", registry=made
        )
        self._throttled = Counter("bulkroute_throttled", "Calls refused by throttling.", registry=made)
        self._in_flight = made.gauge("bulkroute_calls_in_flight", "Calls in flight.")
        self._rate = made.gauge(
            "bulkroute_rate_calls_per_second",
            "Rate asked for, allowed, and of the last second; +Inf is unlimited.",
            "kind",
        )
        self._state = made.gauge("bulkroute_state", "1 for what the run is doing.", "state")
        self._started = made.gauge("bulkroute_last_run_start_timestamp_seconds", "When the last run started.")
        self._ended = made.gauge(
            "bulkroute_last_run_end_timestamp_seconds", "When the last run ended; 0 while it goes on."
        )
        self._exit_code = made.gauge("bulkroute_last_run_exit_code", "Exit code of the last run; -1 while it goes on.")
        self._exit_code.set(-1)
        self._counted = (0, 0, 0)

    def begin(self) -> None:
        """Note that the run starts."""
        self._started.set(time.time())
        self._doing("running")

    def take(self, progress: Progress) -> None:
        """Note how far it is."""
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

    def take_end(self, summary: Summary) -> None:
        """Note how it ended."""
        for status in ("succeeded", "unchanged", "skipped", "failed", "refused", "pending", "in_doubt"):
            self._rows.labels(status).set(getattr(summary, status))
        self._count(summary.attempts, summary.retries, summary.throttled)
        self._in_flight.set(0)

    def end(self, exit_code: int) -> None:
        """Note how the command ended, a run or not."""
        self._exit_code.set(exit_code)
        self._ended.set(time.time())
        self._doing("ended")

    def _count(self, *totals: int) -> None:
        for counter, total, before in zip(
            (self._calls, self._retries, self._throttled), totals, self._counted, strict=True
        ):
            counter.inc(total - before if total >= before else total)  # who is asked next counts from 0
        self._counted = (totals[0], totals[1], totals[2])

    def _doing(self, doing: str) -> None:
        for state in STATES:
            self._state.labels(state).set(state == doing)


class Metrics:
    """Writes `file` at most every `every_s` seconds and at the end."""

    every_s = 5.0

    def __init__(self, file: Path, *, ledger: Path, tenant: str = "") -> None:
        """Take the file, and whose metrics they are; its folder must exist and be writable, and metrics alone are replaced. Raises UsageError."""
        self._file = MetricsFile(file, [ledger])
        made = self._file.of_ledger(ledger, tenant)
        self._run = RunMetrics(made)
        self._written = made.gauge(*WRITTEN)
        self._run.begin()
        self.write()

    def on_event(self, event: Event) -> None:
        """Take note of the end."""
        if isinstance(event, RunEnded):
            self._run.take_end(event.summary)

    def tick(self, progress: Progress) -> None:
        """Write how far the run is."""
        self._run.take(progress)
        self.write()

    def ended(self, exit_code: int) -> None:
        """Write how the command ended, a run or not."""
        self._run.end(exit_code)
        self.write()

    def close(self) -> None:
        """Leave nothing open."""

    def write(self) -> None:
        """Replace the file. Raises UsageError where it cannot be written."""
        self._written.set(time.time())
        self._file.write()


class VerifyMetrics:
    """Writes how the last check of a ledger against live bindings went."""

    def __init__(self, file: Path, *, ledger: Path, tenant: str = "") -> None:
        """Take the file, and whose metrics they are; its folder must exist and be writable, and metrics alone are replaced. Raises UsageError."""
        self._file = MetricsFile(file, [ledger])
        made = self._file.of_ledger(ledger, tenant)
        self._rows = made.gauge(
            "bulkroute_verify_rows", "Rows of the last check by what it found; right: as the ledger says.", "found"
        )
        self._at = made.gauge("bulkroute_verify_timestamp_seconds", "When the last check ended.")
        self._exit_code = made.gauge("bulkroute_verify_exit_code", "Exit code of the last check.")

    def ended(self, exit_code: int, rows: Mapping[str, int]) -> None:
        """Write how it ended; `rows` by what was found, none where nothing could be. Raises UsageError."""
        for found, count in rows.items():
            self._rows.labels(found).set(count)
        self._at.set(time.time())
        self._exit_code.set(exit_code)
        self._file.write()
