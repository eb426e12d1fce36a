"""Progress in words: what the run is doing, why it waits, and whether it will be done in time."""

import time

from bulkroute.events import WaitEnded
from bulkroute.output.words import describe, describe_progress, in_waves
from bulkroute.progress import Pause, Progress

PROGRESS = Progress(
    ledger="x.db",
    run=1,
    seconds=60,
    total=8000,
    succeeded=1200,
    unchanged=34,
    skipped=0,
    failed=3,
    refused=0,
    in_flight=14,
    in_backoff=2,
    attempts=1240,
    retries=9,
    throttled=0,
    concurrency=16,
    asked_per_s=20,
    rate_per_s=20,
    started_per_s=19,
    pauses=[],
    stopping=None,
    ends_at=None,
    eta_s=None,
)


def test_a_run_that_runs() -> None:
    assert describe_progress(PROGRESS) == (
        "1,234 of 8,000 done, 3 failed, 34 unchanged; 19/s of 20/s; 14 in flight, 2 wait for their next try; running"
    )


def test_every_wait_has_its_reason() -> None:
    pauses = [
        Pause("throttled", "the service throttles (HTTP 429)", 12.0, 1.0, 13.0),
        Pause("paused", "lunch", None, 1.0),
    ]
    text = describe_progress(PROGRESS._replace(pauses=pauses, rate_per_s=12.5))
    assert "throttled: the service throttles (HTTP 429), 12 s more; paused: lunch" in text
    assert "19/s of 20/s, 12.5/s allowed" in text


def test_a_window_that_closes_too_early() -> None:
    progress = PROGRESS._replace(eta_s=3600.0, ends_at=time.time() + 1800)
    assert "(too late)" in describe_progress(progress)
    assert "(too late)" not in describe_progress(progress._replace(eta_s=600.0))


def test_a_run_that_stops_does_not_claim_to_go_on() -> None:
    assert describe(WaitEnded("paused", "lunch", 12.0)) == "going on after 12 s; no longer paused"
    assert describe(WaitEnded("paused", "lunch", 12.0, going_on=False)) == "paused for 12 s, until the run ended"
    stopping = PROGRESS._replace(eta_s=3600.0, stopping="interrupted by SIGTERM")
    assert describe_progress(stopping).endswith("; stopping: interrupted by SIGTERM")
    assert stopping.fields()["eta_s"] is None


def test_json_has_moments_as_text() -> None:
    assert PROGRESS._replace(ends_at=1_790_000_000.5).fields()["ends_at"] == "2026-09-21T14:13:20.500Z"
    assert PROGRESS.fields()["ends_at"] is None


def test_waves_are_told_by_their_rows_and_gates() -> None:
    assert in_waves([5]) == "in one wave of 5 rows, read back at its end"
    assert in_waves([5, 2500]) == "in 2 waves: 5 and 2,500 rows"
    gates = ("--gate-command", "--gate-hold")
    assert in_waves([1, 2, 3], gates) == "in 3 waves: 1, 2 and 3 rows, each let on by --gate-command and --gate-hold"
    assert in_waves(range(1, 21)) == "in 20 waves: 1, 2, 3, 4, 5, 6, ... and 20 rows"
