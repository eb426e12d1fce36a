"""When a window closes: durations by a clock that does not jump, moments by the wall clock, also when clocks change."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bulkroute.cli.times import parse_until
from bulkroute.errors import StopKind, StoppedEarly
from bulkroute.run.deadlines import Deadlines
from tests.virtual_time import run_virtual

BERLIN = ZoneInfo("Europe/Berlin")  # 2026: forward on 29 March at 02:00, back on 25 October at 03:00


@pytest.mark.parametrize(
    ("now", "text", "wanted"),
    [
        ("2026-06-10T22:00:00+02:00", "04:00", "2026-06-11T04:00:00+02:00"),
        ("2026-06-10T22:00:00+02:00", "23:30:15", "2026-06-10T23:30:15+02:00"),
        ("2026-06-10T22:00:00+02:00", "22:00", "2026-06-11T22:00:00+02:00"),
        # Forward: the night has one hour less.
        ("2026-03-28T22:00:00+01:00", "04:00", "2026-03-29T04:00:00+02:00"),
        ("2026-03-29T01:30:00+01:00", "04:00", "2026-03-29T04:00:00+02:00"),
        ("2026-03-28T22:00:00+01:00", "02:30", "2026-03-29T03:00:00+02:00"),  # skipped
        ("2026-03-29T03:10:00+02:00", "02:30", "2026-03-30T02:30:00+02:00"),
        # Back: one hour more, and 02:30 comes twice.
        ("2026-10-24T22:00:00+02:00", "04:00", "2026-10-25T04:00:00+01:00"),
        ("2026-10-24T22:00:00+02:00", "02:30", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:45:00+02:00", "02:30", "2026-10-25T02:30:00+01:00"),
        ("2026-10-25T02:45:00+01:00", "02:30", "2026-10-26T02:30:00+01:00"),
        ("2026-06-10T22:00:00+02:00", "2026-06-11T04:00:00+08:00", "2026-06-10T22:00:00+02:00"),
    ],
)
@pytest.mark.parametrize("by_system", [False, True])
def test_until(now: str, text: str, wanted: str, by_system: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        at = datetime.fromisoformat(now) - timedelta(seconds=1) if "+08:00" in text else datetime.fromisoformat(now)
        found = parse_until(text, now=at, zone=None if by_system else BERLIN)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == datetime.fromisoformat(wanted)
    if "+08:00" not in text:
        assert found.utcoffset() == datetime.fromisoformat(wanted).utcoffset()


@pytest.mark.parametrize(
    "text", ["", "4", "25:00", "04:60", "04:00:99", "4am", "2026-06-11T04:00:00", "2020-01-01T00:00:00Z", "04:00+02:00"]
)
def test_what_is_no_moment_ahead_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"04:00|passed|offset"):
        parse_until(text, now=datetime(2026, 6, 10, 22, tzinfo=UTC), zone=BERLIN)


def test_a_duration_goes_by_the_loop_whatever_the_wall_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> tuple[float, str]:
        loop = asyncio.get_running_loop()
        stopped: asyncio.Future[str] = loop.create_future()
        ends = Deadlines(7200, None)
        await asyncio.sleep(100)
        ends.arm(lambda _kind, reason: stopped.set_result(reason))
        monkeypatch.setattr("time.time", lambda: 0.0)
        reason = await stopped
        return loop.time(), reason

    ended_s, reason = run_virtual(scenario())
    assert ended_s == pytest.approx(7200, abs=0.01)
    assert reason == "the 7200 s of --max-duration are over"


def test_a_moment_follows_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> tuple[float, list[str]]:
        loop = asyncio.get_running_loop()
        ahead_s = 0.0
        monkeypatch.setattr("time.time", lambda: 1_000_000_000 + ahead_s + loop.time())
        reasons: list[str] = []
        ends = Deadlines(None, datetime.fromtimestamp(1_000_003_600, UTC))
        ends.arm(lambda _kind, reason: reasons.append(reason))
        await asyncio.sleep(60)
        ahead_s = 3000.0  # somebody sets the clock forward by 50 minutes
        while not reasons:
            await asyncio.sleep(1)
        ends.close()
        return loop.time(), reasons

    ended_s, reasons = run_virtual(scenario())
    assert 600 <= ended_s <= 602
    assert "--until" in reasons[0]


def test_what_is_left_is_what_is_left_of_the_nearer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> tuple[float | None, ...]:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr("time.time", lambda: 1_000_000_000 + loop.time())
        hour_on = datetime.fromtimestamp(1_000_003_600 + loop.time(), UTC)
        windows = Deadlines(None, None), Deadlines(7200, hour_on), Deadlines(1800, hour_on)
        await asyncio.sleep(100)
        return tuple(window.left_s() for window in windows)

    none, by_clock, by_duration = run_virtual(scenario())
    assert none is None
    assert by_clock == pytest.approx(3500, abs=0.01)
    assert by_duration == pytest.approx(1700, abs=0.01)


@contextlib.asynccontextmanager
async def reading(for_s: float, left: list[str]) -> AsyncIterator[str]:
    """Stand for what takes its time before it gives something."""
    try:
        await asyncio.sleep(for_s)
        yield "read"
    finally:
        left.append("left")


def test_what_takes_longer_than_the_window_to_enter_is_broken_off_and_what_follows_is_not() -> None:
    async def scenario() -> None:
        loop, left = asyncio.get_running_loop(), list[str]()
        with pytest.raises(StoppedEarly, match="the 3 s of --max-duration are over; nothing was sent") as stopped:
            async with Deadlines(3, None).entering(reading(10, left)):
                raise AssertionError
        assert (round(loop.time()), stopped.value.stop, left) == (3, StopKind.WINDOW, ["left"])
        deadlines = Deadlines(3, None)
        async with deadlines.entering(reading(2, left)) as given:
            await asyncio.sleep(5)
        assert (given, round(loop.time()), left) == ("read", 10, ["left", "left"])

    run_virtual(scenario())


def test_who_is_cancelled_by_somebody_else_stays_cancelled() -> None:
    async def scenario() -> None:
        async def enter() -> None:
            async with Deadlines(3, None).entering(reading(10, [])):
                raise AssertionError

        entering = asyncio.create_task(enter())
        await asyncio.sleep(1)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering

    run_virtual(scenario())
