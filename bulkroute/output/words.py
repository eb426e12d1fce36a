"""Events and progress in words. One sentence each, fit for a log line; service texts come in printable already."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

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
from bulkroute.model import route_text, wave_text
from bulkroute.progress import Pause, Progress

MOST_WAVES = 8
"""Sizes of waves in a line."""


def describe(event: Event) -> str:
    """Return an event in words."""
    match event:
        case Notice():
            return event.text
        case RunStarted():
            return _describe_start(event)
        case RowsRefused():
            what = "skipped" if event.skipped else "refused"
            return (
                f"{what}: {event.rows:,} {event.error}: {route_text(event.example_id, event.example_number)} for example:"
                f" {event.description}"
            )
        case RowFailed():
            said = (event.http_status, event.return_code, event.description)
            route = route_text(event.id, event.number)
            return f"failed: {route}: {event.error} ({', '.join(str(part) for part in said if part is not None)})"
        case WaitBegan():
            return _describe_wait(event)
        case WaitEnded():
            return _describe_end_of_wait(event)
        case WaveStarted() | WaveEnded():
            return _describe_wave(event)
        case RateChanged():
            return (
                f"rate: {rate(event.rate_per_s)} allowed, {rate(event.asked_per_s)} asked for,"
                f" {event.concurrency} at once; {event.reason}"
            )
        case Stopping():
            return f"stopping: {event.reason}; {event.in_flight} calls in flight are awaited"
        case BackingOut() | BackedOut():
            return _describe_back_out(event)
        case RunEnded():
            summary = event.summary
            why = f", stopped: {summary.stopped}" if summary.stopped else ""
            left = summary.total - summary.done
            return f"{summary.done:,} of {summary.total:,} rows done, {left:,} left{why}"


def _describe_wave(event: WaveStarted | WaveEnded) -> str:
    if isinstance(event, WaveStarted):
        return f"{wave_text(*event)}: sending"
    failed = f", {event.failed:,} failed" if event.failed else ""
    return f"{wave_text(*event[:3])}: {event.done:,} rows were sent and read back right{failed}"


def _describe_back_out(event: BackingOut | BackedOut) -> str:
    if isinstance(event, BackedOut):
        text = f"{event.back:,} of {event.rows:,} changed rows are"
        if event.reason:
            return f"the back-out of batch {event.batch} is not finished: {text} put back; {event.reason}"
        return f"backed out of batch {event.batch}: {text} proven to be as before"
    about = "" if event.takes_s is None else f", about {duration(event.takes_s)}"
    begun = f"going on with the back-out of batch {event.batch}, begun at {clock(event.since)}"
    how = begun if event.going_on else f"backing out of batch {event.batch}"
    return f"{how}: {event.rows:,} changed rows to put back{about}; the run stopped: {event.reason}"


def _describe_wait(event: WaitBegan) -> str:
    if event.until is not None:
        return _outage(event.reason, event.since, event.until, None)
    for_how_long = f" for {duration(event.wait_s)}" if event.wait_s is not None else ""
    return f"{event.cause}{for_how_long}: {event.reason}"


def _describe_end_of_wait(event: WaitEnded) -> str:
    lasted = duration(event.seconds)
    if not event.going_on:
        return f"{event.cause} for {lasted}, until the run ended"
    if event.outcome:
        what, and_then, more = event.outcome.partition("; ")
        return f"{what} after {lasted}{and_then}{more}"
    return f"going on after {lasted}; no longer {event.cause}"


def _describe_start(event: RunStarted) -> str:
    """Say what is to be done, and what the other rows are: to do, done and refused make the total."""
    to_do = event.total - event.done - event.refused
    of_these = _counted(
        (event.drifted, "changed by another hand since they were done"),
        (event.failed_before, "failed earlier"),
        (event.in_doubt, "in doubt after a crash"),
    )
    parts = [
        f"{event.command} {event.run}{labels(event.tenant, event.note)}: {to_do:,} of {event.total:,} rows to do{f' ({of_these})' if of_these else ''}"
        f" at {rate(event.rate_per_s)}, {event.concurrency} at once, {event.service}"
    ]
    if event.waves:
        parts.append(in_waves(event.waves, event.gates))
    by = "as live bindings show" if event.live_read else "by the ledger: live bindings were not read"
    if event.plan:
        parts.append(f"plan {event.plan}")
    if others := _counted(
        (event.done - event.skipped, f"done already, {by}"), (event.skipped, "skipped"), (event.refused, "refused")
    ):
        parts.append(others)
    if event.ends_at is not None:
        parts.append(f"no call starts after {clock(event.ends_at)}")
    if event.changes:
        parts.append(f"the manifest changed: {event.changes}")
    return "; ".join(parts)


def in_waves(rows: Sequence[int], gates: Sequence[str] = ()) -> str:
    """Return how many rows go in each wave, and by what gates: `in 4 waves: 1, 10, 25 and 64 rows`, shortened if they are many."""
    if len(rows) == 1:
        return f"in one wave of {rows[0]:,} rows, read back at its end"
    shown = [f"{each:,}" for each in rows]
    if len(shown) > MOST_WAVES:
        shown[MOST_WAVES - 2 : -1] = ["..."]
    let_on = f", each let on by {' and '.join(gates)}" if gates else ""
    return f"in {len(rows):,} waves: {', '.join(shown[:-1])} and {shown[-1]} rows{let_on}"


def labels(tenant: str, note: str) -> str:
    """Return ` for TENANT (NOTE)`, leaving out what was not given."""
    return f" for {tenant}" * bool(tenant) + f" ({note})" * bool(note)


def _counted(*counts: tuple[int, str]) -> str:
    return ", ".join(_counts(*counts))


def _counts(*counts: tuple[int, str]) -> list[str]:
    return [f"{count:,} {what}" for count, what in counts if count]


def describe_progress(progress: Progress) -> str:
    """Return how far a run is, on one line."""
    parts = [
        f"{progress.done:,} of {progress.total:,} done, {progress.failed:,} failed, "
        + "".join(f"{part}, " for part in _counts((progress.refused, "refused"), (progress.skipped, "skipped")))
        + f"{progress.unchanged:,} unchanged",
        pace(progress),
        f"{progress.in_flight} in flight, {progress.in_backoff:,} wait for their next try",
        doing(progress),
    ]
    if ahead := outlook(progress):
        parts.append(ahead)
    return "; ".join(parts)


def pace(progress: Progress) -> str:
    """Return the rate now against what is allowed and asked for."""
    text = f"{progress.started_per_s}/s of {rate(progress.asked_per_s)}"
    if progress.rate_per_s != progress.asked_per_s:
        text += f", {rate(progress.rate_per_s)} allowed"
    return text


def doing(progress: Progress) -> str:
    """Return what a run is doing, and why it waits."""
    return _doing(progress.stopping, progress.pauses, progress.backing_out, progress.wave)


def _doing(stopping: str | None, pauses: Iterable[Pause], backing_out: str | None, wave: str | None) -> str:
    if stopping is not None:
        return f"stopping: {stopping}"
    waits = "; ".join(map(_pause, pauses))
    if backing_out is not None:
        return f"backing out: {waits or backing_out}"
    return waits or ("running" if wave is None else f"running, {wave}")


def _pause(pause: Pause) -> str:
    """Return a pause with its reason and, if that is known, how long it still lasts."""
    if pause.wait_s is None and pause.until is not None:
        return _outage(pause.reason, pause.since, pause.until, pause.next_probe_s)
    left = "" if pause.wait_s is None else f", {duration(max(0.0, pause.wait_s))} more"
    return f"{pause.cause}: {pause.reason}{left}"


def _outage(reason: str, since: float, until: float, next_probe_s: float | None) -> str:
    probe = "" if next_probe_s is None else f"next probe in {duration(next_probe_s)}, "
    return f"{reason} since {clock(since)}; {probe}giving up at {clock(until)}"


def outlook(progress: Progress) -> str:
    """Return when the last row will be done, and whether that is within the window; nothing for a run that stops."""
    if progress.eta_s is None or not progress.left or progress.stopping is not None:
        return ""
    ends = datetime.now().astimezone().timestamp() + progress.eta_s
    text = f"{duration(progress.eta_s)} to go, until {clock(ends)}"
    if progress.ends_at is not None:
        late = " (too late)" if ends > progress.ends_at else ""
        text += f"; the window closes at {clock(progress.ends_at)}{late}"
    return text


def back_out(rows: int, takes_s: float | None, latest_start: float | None) -> str:
    """Return how long a back-out would take now, and when it must begin; empty where nothing was changed."""
    if not rows or takes_s is None:
        return ""
    text = f"would take {duration(takes_s)} now ({rows:,} changed row{'s' * (rows != 1)})"
    if latest_start is None:
        return text
    late = " (too late)" if latest_start < datetime.now().astimezone().timestamp() else ""
    return f"{text}; latest start {clock(latest_start)}{late}"


def state(answer: Mapping[str, Any]) -> str:
    """Return what the answer of `ctl` says a run is doing."""
    return _doing(answer["stopping"], map(_pause_of, answer["pauses"]), answer["backing_out"], answer["wave"])


def _pause_of(fields: Mapping[str, Any]) -> Pause:
    """Return a pause that came as JSON."""
    moments = {
        name: None if fields[name] is None else datetime.fromisoformat(fields[name]).timestamp()
        for name in ("since", "until")
    }
    return Pause(**{**fields, **moments})


def rate(per_s: float | None) -> str:
    """Return a rate as people write it: `20/s`, `unlimited`."""
    return "unlimited" if per_s is None else f"{per_s:.3g}/s" if per_s < 100 else f"{per_s:.0f}/s"


def duration(seconds: float) -> str:
    """Return a duration as people say it: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def clock(at: float) -> str:
    """Return a moment in local time; with its date where that is not today."""
    moment = datetime.fromtimestamp(at).astimezone()
    if moment.date() == datetime.now().astimezone().date():
        return f"{moment:%H:%M:%S}"
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
