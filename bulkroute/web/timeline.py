"""Calls over the working time of a batch's runs, in a few hundred buckets however long the runs are.

The time between runs is left out: on the axis one run follows the other. Widths are powers of two seconds, so that
buckets of a run that goes on can be folded in pairs, and only new calls are read again.
"""

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bulkroute.ledger.chart_queries import DONE, FAILED, THROTTLED, Cell, PaceChange
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.runs import RunRecord
from bulkroute.model import PaceCause
from bulkroute.web.mean_rate import Course

MOST_BUCKETS = 240
PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
BARS_PER_DECADE = 10
MOST_CHANGES = 100
"""Changes of pace that are kept to be listed, the latest ones."""
UNLISTED = frozenset({PaceCause.STARTED, PaceCause.SERVICE})
"""Causes of changes that nobody need be told of; they are drawn all the same."""


@dataclass
class Bucket:
    """The calls that ended in one stretch of time. Latencies leave out the calls that were turned away (throttled)."""

    calls: Counter[str] = field(default_factory=Counter)
    latencies_ms: Counter[float] = field(default_factory=Counter)
    _percentiles: "dict[str, float | None] | None" = None

    def add(self, outcome: str, latency_ms: float, calls: int) -> None:
        """Add calls that ended alike."""
        self.calls[outcome] += calls
        if outcome != THROTTLED:
            self.latencies_ms[latency_ms] += calls
            self._percentiles = None

    def percentiles(self) -> "dict[str, float | None]":
        """Return those of the latencies; most buckets do not change any more."""
        if self._percentiles is None:
            self._percentiles = percentiles(self.latencies_ms)
        return self._percentiles

    def absorb(self, other: "Bucket") -> None:
        """Add the calls of another bucket."""
        self.calls.update(other.calls)
        self.latencies_ms.update(other.latencies_ms)
        self._percentiles = None


@dataclass
class Stretch:
    """One run on the axis."""

    started_at: float
    ended_at: float
    asked: Course
    """The rate asked for."""
    allowed: Course = field(default_factory=lambda: Course(None))
    """The rate in force where it is not the one asked for."""
    buckets: dict[int, Bucket] = field(default_factory=dict)
    calls: int = 0
    retries: int = 0
    throttled: int = 0

    @property
    def seconds(self) -> float:
        """How long the run has gone on; never 0, so that it can be divided by."""
        return max(self.ended_at - self.started_at, 0.001)

    def fold(self) -> None:
        """Join the buckets in pairs."""
        folded: dict[int, Bucket] = {}
        for place, bucket in self.buckets.items():
            folded.setdefault(place // 2, Bucket()).absorb(bucket)
        self.buckets = folded
        self.asked.fold()
        self.allowed.fold()

    def change(self, change: PaceChange, width_s: float) -> None:
        """Take in a change of pace."""
        at_s = change.at - self.started_at
        self.asked.change(at_s, change.asked, width_s)
        self.allowed.change(at_s, None if change.rate == change.asked else change.rate, width_s)

    def slices(self, width_s: float) -> list[tuple[float, float, Bucket]]:
        """Return (start, end, calls) of every bucket, empty ones too.

        A last one that is shorter than half a bucket is joined to the one before: its rate would be noise.
        """
        count = max(1, math.ceil(self.seconds / width_s), max(self.buckets, default=0) + 1)
        edges = [width_s * place for place in range(count)] + [max(self.seconds, width_s * (count - 1) + 0.001)]
        whole = [self.buckets.get(place, Bucket()) for place in range(count)]
        if count > 1 and edges[-1] - edges[-2] < width_s / 2:
            del edges[-2]
            last = whole.pop()
            whole[-1] = Bucket(whole[-1].calls + last.calls, whole[-1].latencies_ms + last.latencies_ms)
        return list(zip(edges[:-1], edges[1:], whole, strict=True))


class Timeline:
    """Counts the calls of one batch; each `advance` reads only those that are new."""

    def __init__(self, batch: BatchReader) -> None:
        self._batch = batch
        self._read_to = 0
        self._paces_to = 0
        self.width_s = 1.0
        self.stretches: dict[int, Stretch] = {}
        self.latencies_ms: Counter[float] = Counter()
        """How often each latency (to two digits) was seen."""
        self._same: dict[float, float] = {}
        """Each latency once, for hundreds of buckets to share."""
        self.changes: deque[PaceChange] = deque(maxlen=MOST_CHANGES)
        """What changed the pace, the latest last; what the rate in force does by itself is left out."""

    def advance(self, runs: Iterable[RunRecord], now: float | None) -> None:
        """Take in the calls made since last time. `now` is given while the last run goes on: its axis ends there."""
        last: RunRecord | None = None
        for last in runs:
            stretch = self.stretches.setdefault(last.run, Stretch(last.started_at, last.started_at, Course(last.rate)))
            stretch.ended_at = max(stretch.ended_at, last.ended_at or last.started_at)
        read_to = self._read_to
        for call in self._batch.last_calls(read_to):
            stretch = self.stretches[call.run]
            stretch.ended_at = max(stretch.ended_at, call.ended_at)
            self._read_to = max(self._read_to, call.attempt)
        if last is not None and now is not None:
            self.stretches[last.run].ended_at = max(now, self.stretches[last.run].ended_at)
        while self._too_fine():
            self.width_s *= 2
            for stretch in self.stretches.values():
                stretch.fold()
        for change in self._batch.pace_changes(self._paces_to):
            self._paces_to = change.pace
            self.stretches[change.run].change(change, self.width_s)
            if change.cause not in UNLISTED:
                self.changes.append(change)
        if self._read_to > read_to:
            for cell in self._batch.cells(read_to, self.width_s):
                self._add(cell)

    def _too_fine(self) -> bool:
        """Whether there are more buckets than are wanted; each run has at least one."""
        spans = [stretch.seconds for stretch in self.stretches.values()]
        return sum(math.ceil(span / self.width_s) for span in spans) > max(MOST_BUCKETS, len(spans))

    def _add(self, cell: Cell) -> None:
        stretch = self.stretches[cell.run]
        stretch.calls += cell.calls
        stretch.retries += cell.retries
        latency_ms = self._same.setdefault(cell.latency_ms, cell.latency_ms)
        stretch.buckets.setdefault(cell.bucket, Bucket()).add(cell.outcome, latency_ms, cell.calls)
        if cell.outcome == THROTTLED:
            stretch.throttled += cell.calls
        else:
            self.latencies_ms[latency_ms] += cell.calls

    def series(self) -> dict[str, Any]:
        """Return the columns to draw: `x` in seconds of working time, rates per second, latencies in ms.

        `runs` tells where on the axis each run starts; between two runs there is a gap of one empty place.
        """
        columns: dict[str, list[float | None]] = {
            name: [] for name in ("x", "target", "allowed", "calls", DONE, FAILED, THROTTLED, *PERCENTILES)
        }
        marks: list[dict[str, float]] = []
        offset = 0.0
        for run, stretch in self.stretches.items():
            if not stretch.calls:
                continue
            if marks:
                self._append(columns, {"x": round(offset, 3)})
                offset += self.width_s
            marks.append({"run": run, "x": round(offset, 3), "started_at": stretch.started_at})
            for start, end, bucket in stretch.slices(self.width_s):
                seconds = end - start
                rates = {name: round(bucket.calls[name] / seconds, 2) for name in (DONE, FAILED, THROTTLED)}
                point = {
                    "x": round(offset + (start + end) / 2, 3),
                    "target": stretch.asked.mean(start, end, self.width_s),
                    "allowed": stretch.allowed.mean(start, end, self.width_s),
                    "calls": round(bucket.calls.total() / seconds, 2),
                    **rates,
                    **bucket.percentiles(),
                }
                self._append(columns, point)
            offset += stretch.seconds
            offset += self.width_s
        return {"width_s": self.width_s, "end": round(max(0.0, offset - self.width_s), 3), "runs": marks, **columns}

    @staticmethod
    def _append(columns: dict[str, list[float | None]], point: dict[str, float | None]) -> None:
        for name, column in columns.items():
            column.append(point.get(name))


def percentiles(latencies_ms: Counter[float]) -> dict[str, float | None]:
    """Return p50, p95 and p99 (nearest rank), None where there are no values."""
    found: dict[str, float | None] = dict.fromkeys(PERCENTILES)
    ranks = {name: math.ceil(share * latencies_ms.total()) for name, share in PERCENTILES.items()}
    seen = 0
    for latency_ms in sorted(latencies_ms):
        before, seen = seen, seen + latencies_ms[latency_ms]
        found.update({name: latency_ms for name, rank in ranks.items() if before < rank <= seen})
    return found


def distribution(latencies_ms: Counter[float]) -> list[dict[str, float]]:
    """Return the bars of a histogram, of equal width on a logarithmic axis: {from, to, calls}, in ms, none left out."""
    bars: Counter[int] = Counter()
    for latency_ms, calls in latencies_ms.items():
        bars[math.floor(BARS_PER_DECADE * math.log10(max(latency_ms, 0.1)) + 1e-9)] += calls
    return [
        {"from": _edge(place), "to": _edge(place + 1), "calls": bars[place]}
        for place in range(min(bars, default=0), max(bars, default=-1) + 1)
    ]


def _edge(place: int) -> float:
    return float(f"{10 ** (place / BARS_PER_DECADE):.3g}")
