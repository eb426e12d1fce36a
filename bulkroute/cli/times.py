"""A moment as people write it: `04:00`, or ISO 8601. Right also in the nights in which clocks change. No clock, no I/O."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo


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
