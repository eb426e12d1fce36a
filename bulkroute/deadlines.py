"""When a run starts no more calls: after a duration, at a moment, or both.

A duration goes by the event loop's clock, which does not jump; a moment goes by the wall clock, however that is set.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

LOOK_EVERY_S = 1.0
"""How often the wall clock is looked at: it may be set at any time, and no timer follows that."""


class Deadlines:
    """Tells when the first of them passes."""

    def __init__(self, max_duration_s: float | None, until: datetime | None) -> None:
        """Count `max_duration_s` from now on."""
        self._loop = asyncio.get_running_loop()
        self._max_duration_s = max_duration_s
        self._started_s = self._loop.time()
        self._until = until
        self._stop: Callable[[str], None] = _nobody
        self._timers: dict[str, asyncio.TimerHandle] = {}
        ends_at = [until.timestamp()] if until else []
        if max_duration_s is not None:
            ends_at.append(time.time() + max_duration_s)
        self.ends_at = min(ends_at, default=None)
        """When the first of them passes, as far as can be told now, in seconds since the epoch."""

    def arm(self, stop: Callable[[str], None]) -> None:
        """Call `stop` with the reason when the first of them passes; at once if it has passed already."""
        self._stop = stop
        if self._max_duration_s is not None:
            self._look_at_duration(self._max_duration_s)
        if self._until is not None:
            self._look_at_clock(self._until)

    def close(self) -> None:
        """Stop watching."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _look_at_duration(self, max_duration_s: float) -> None:
        left_s = self._started_s + max_duration_s - self._loop.time()
        if left_s <= 0:
            self._stop(f"the {max_duration_s:g} s of --max-duration are over")
        else:
            self._timers["duration"] = self._loop.call_later(left_s, self._look_at_duration, max_duration_s)

    def _look_at_clock(self, until: datetime) -> None:
        left_s = until.timestamp() - time.time()
        if left_s <= 0:
            self._stop(f"it is {until:%H:%M}, the end set by --until")
        else:
            self._timers["until"] = self._loop.call_later(min(left_s, LOOK_EVERY_S), self._look_at_clock, until)


def _nobody(_reason: str) -> None:
    """Stand in for `stop` until there is a run to stop."""


def parse_until(text: str, *, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Read `04:00` or `04:00:30` as the next such local time, or an ISO 8601 moment with its offset.

    `now` must know its offset; `zone` is the local one, the system's where it is None. A time that has passed today
    means tomorrow. One that the clocks skip (spring) is taken as the moment they skip it; of one that comes twice
    (autumn) the first that is still ahead. Raises ValueError for anything else, and for a moment that has passed.
    """
    text = text.strip()
    local = _time_of_day(text)
    if local is not None:
        return _next(*local, now=now, zone=zone)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write 04:00, or 2026-03-29T04:00:00+02:00") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC; write {text}+00:00, +02:00 or so, or a local time as 04:00")
    if moment <= now:
        raise ValueError(f"{text} has passed; it is {now.astimezone(moment.tzinfo).isoformat(timespec='seconds')}")
    return moment


def _time_of_day(text: str) -> tuple[int, int, int] | None:
    """Return hours, minutes and seconds of `HH:MM` or `HH:MM:SS`, None for what does not look like it."""
    parts = text.split(":")
    if not (2 <= len(parts) <= 3 and all(part.isascii() and part.isdigit() and len(part) <= 2 for part in parts)):
        return None
    hours, minutes, seconds = (*map(int, parts), 0)[:3]
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"{text!r} is not a time of day; write 04:00")
    return hours, minutes, seconds


def _next(hours: int, minutes: int, seconds: int, *, now: datetime, zone: tzinfo | None) -> datetime:
    today = now.astimezone(zone).date()
    for days in range(3):
        day = today + timedelta(days=days)
        for fold in (0, 1):
            wanted = datetime(day.year, day.month, day.day, hours, minutes, seconds, fold=fold)  # noqa: DTZ001 -- local
            # A naive datetime is local time to `timestamp`: it knows the system's zone and its changes.
            at = (wanted if zone is None else wanted.replace(tzinfo=zone)).timestamp()
            skipped = _local(at, zone).replace(tzinfo=None) != wanted.replace(fold=0)
            if skipped:
                at = _end_of_gap(at, zone)
            if at > now.timestamp():
                return _local(at, zone)
    raise ValueError(f"no {hours:02}:{minutes:02} comes within two days")


def _local(at: float, zone: tzinfo | None) -> datetime:
    """Return a moment in local time, with the offset it has then and no rules that could change it."""
    moment = datetime.fromtimestamp(at, UTC).astimezone(zone)
    return moment.replace(tzinfo=timezone(moment.utcoffset() or timedelta()), fold=0)


def _end_of_gap(near: float, zone: tzinfo | None) -> int:
    """Return when the clocks skip, to the second, within a day of `near`; seconds since the epoch."""
    low, high = int(near) - 86_400, int(near) + 86_400
    offset = _local(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if _local(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high
