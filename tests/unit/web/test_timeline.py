"""Buckets hold every call once, however they are folded; percentiles are those of the sorted values."""

import math
import random
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.reader import LedgerReader
from bulkroute.model import PaceCause
from bulkroute.web.mean_rate import Course
from bulkroute.web.timeline import MOST_BUCKETS, Bucket, Stretch, Timeline, distribution, percentiles
from tests.ledgers import made, written


@given(st.lists(st.integers(1, 500), min_size=1, max_size=300))
def test_percentiles_are_of_the_nearest_rank(values: list[int]) -> None:
    ordered = sorted(values)
    expected = {
        name: ordered[math.ceil(share * len(ordered)) - 1]
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    assert percentiles(Counter(map(float, values))) == expected


def test_no_values_have_no_percentiles() -> None:
    assert percentiles(Counter()) == {"p50": None, "p95": None, "p99": None}


@given(st.lists(st.floats(0.1, 60_000), max_size=100))
def test_a_histogram_counts_every_call_and_leaves_no_bar_out(values: list[float]) -> None:
    bars = distribution(Counter(values))
    assert sum(bar["calls"] for bar in bars) == len(values)
    assert all(before["to"] == after["from"] for before, after in pairwise(bars))
    if values:
        assert bars[0]["from"] <= min(values) * 1.01
        assert bars[-1]["to"] >= max(values) * 0.99


@given(st.dictionaries(st.integers(0, 900), st.integers(1, 50), max_size=60), st.integers(0, 6))
def test_folding_keeps_every_call(calls: dict[int, int], times: int) -> None:
    buckets = {place: Bucket(Counter(done=count), Counter({10.0: count})) for place, count in calls.items()}
    stretch = Stretch(0, max(calls, default=0) + random.random(), Course(10), buckets=buckets)
    for _ in range(times):
        stretch.fold()
    slices = stretch.slices(2.0**times)
    assert sum(bucket.calls.total() for _, _, bucket in slices) == sum(calls.values())
    assert sum(bucket.latencies_ms.total() for _, _, bucket in slices) == sum(calls.values())
    assert sum(end - start for start, end, _ in slices) == pytest.approx(max(stretch.seconds, 0.001), abs=0.002)


@pytest.mark.slow
def test_what_is_read_in_parts_equals_what_is_read_at_once(tmp_path: Path) -> None:
    """The live page reads new calls only, and folds; the report reads all at once."""
    ledger = made(tmp_path / "l.db", rows=4000, failed=300, run_s=1900)
    with closing(written(ledger)) as writer, Ledger(ledger).read() as reader:
        batch = reader.require_batch()
        runs = batch.runs()
        whole = Timeline(batch)
        whole.advance(runs, None)
        expected = whole.series()
        attempts = writer.execute("SELECT * FROM attempt ORDER BY attempt").fetchall()
        writer.execute("DELETE FROM attempt")
        parts = Timeline(batch)
        for at in range(0, len(attempts), 700):
            writer.executemany("INSERT INTO attempt VALUES (?,?,?,?,?,?,?,?,?,?)", attempts[at : at + 700])
            parts.advance([runs[0]._replace(ended_at=None)], None)
        parts.advance(runs, None)
    assert parts.series() == expected
    assert parts.latencies_ms == whole.latencies_ms
    assert len(expected["x"]) <= MOST_BUCKETS
    assert whole.stretches[1].calls == 4000
    latencies_ms = [each for bucket in whole.stretches[1].buckets.values() for each in bucket.latencies_ms]
    assert len(set(map(id, latencies_ms))) == len(set(latencies_ms)) < len(latencies_ms)  # each is kept once


def test_runs_follow_one_another_with_a_gap(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=100, run_s=10)
    with closing(written(ledger)) as connection:
        connection.execute(
            "INSERT INTO run (run, batch, command, started_at, pid, host, version, service) SELECT 2, 1, 'run', started_at + 90000, 1, host, '0', service FROM run"
        )
        connection.execute("UPDATE run SET ended_at = started_at + 10, exit_code = 0 WHERE run = 2")
        connection.execute(
            "INSERT INTO attempt (row, run, number, started_at, latency_ms, verdict) SELECT row, 2, 2, started_at + 90000, latency_ms, 'throttled' FROM attempt"
        )
        batch = LedgerReader(connection, ledger).require_batch()
        timeline = Timeline(batch)
        timeline.advance(batch.runs(), None)
    series = timeline.series()
    assert [mark["x"] for mark in series["runs"]] == [0, 12]
    assert series["end"] == 22
    assert series["calls"].count(None) == 1
    assert series["throttled"][-1] == pytest.approx(10, rel=0.3)
    assert series["p50"][-1] is None  # throttled calls have no latency of interest
    assert timeline.stretches[2].throttled == timeline.stretches[2].retries == 100


def test_latencies_are_counted_to_two_digits(tmp_path: Path) -> None:
    seen = {0.04: 0.0, 0.26: 0.3, 8.27: 8.3, 47.3: 47, 99.6: 100, 123.4: 120, 996: 1000, 1234: 1200, 12345: 12000}
    ledger = made(tmp_path / "l.db", rows=len(seen))
    with closing(written(ledger)) as connection:
        connection.executemany(
            "UPDATE attempt SET latency_ms = ? WHERE attempt = ?", zip(seen, range(1, 99), strict=False)
        )
        batch = LedgerReader(connection, ledger).require_batch()
        timeline = Timeline(batch)
        timeline.advance(batch.runs(), None)
    assert timeline.latencies_ms == Counter(seen.values())


@given(
    st.lists(st.tuples(st.floats(0, 30), st.none() | st.integers(1, 100)), max_size=12),
    st.sampled_from([1.0, 2.0, 4.0]),
    st.integers(0, 2),
)
def test_a_course_has_the_mean_of_its_rates_however_it_is_folded(
    changes: list[tuple[float, int | None]], width_s: float, folds: int
) -> None:
    changes = sorted(changes, key=lambda change: change[0])
    course = Course(10)
    for at_s, rate in changes:
        course.change(at_s, rate, width_s)
    for _ in range(folds):
        course.fold()
        width_s *= 2
    steps = [(0.0, 10), *changes, (math.inf, None)]
    for place in range(math.ceil(33 / width_s)):
        start, end = place * width_s, min((place + 1) * width_s, 33.0)
        parts = [
            (min(end, until) - max(start, at), rate)
            for (at, rate), (until, _) in pairwise(steps)
            if rate is not None and min(end, until) > max(start, at)
        ]
        seconds = sum(part for part, _ in parts)
        if abs(seconds - (end - start) / 2) < 1e-6:
            continue  # on the edge between a mean and none
        expected = sum(part * rate for part, rate in parts) / seconds if seconds > (end - start) / 2 else None
        assert course.mean(start, end, width_s) == (expected if expected is None else pytest.approx(expected, abs=0.01))


def test_the_target_is_what_was_asked_for_at_the_time(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=100, run_s=100)
    with closing(written(ledger)) as connection:
        connection.executemany(
            "INSERT INTO pace (run, at, asked, rate, concurrency, reason, cause) SELECT 1, started_at + ?, ?, ?, 16, ?, ? FROM run",
            [
                (0, 1, 1, "a", PaceCause.STARTED),
                (20, 5, 5, "b", PaceCause.OPERATOR),
                (40, 5, 2, "c", PaceCause.THROTTLED),
                (50, 5, 3, "d", PaceCause.SERVICE),
                (60, None, None, "e", PaceCause.OPERATOR),
                (80, 7, 7, "f", PaceCause.OPERATOR),
            ],
        )
        batch = LedgerReader(connection, ledger).require_batch()
        parts, whole = Timeline(batch), Timeline(batch)
        runs = batch.runs()
        whole.advance(runs, None)
        lines = connection.execute("SELECT * FROM pace ORDER BY pace").fetchall()
        connection.execute("DELETE FROM pace")
        for line in lines:
            connection.execute("INSERT INTO pace VALUES (?, ?, ?, ?, ?, ?, ?, ?)", line)
            parts.advance(runs, None)
    series = whole.series()
    assert parts.series() == series
    places = zip(series["x"], series["target"], series["allowed"], strict=True)
    seen = {round(x): (target, allowed) for x, target, allowed in places}
    assert [seen[at] for at in (10, 30, 44, 54, 70, 90)] == [
        (1, None),
        (5, None),
        (5, 2),
        (5, 3),
        (None, None),
        (7, None),
    ]
    assert [change.reason for change in whole.changes] == ["b", "c", "e", "f"]
