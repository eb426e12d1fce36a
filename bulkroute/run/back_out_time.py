"""How long a back-out would take now, and whether what comes next leaves time for it. Pure.

A back-out sends one call for each row that the batch has changed, and reads the live bindings twice: before its first
call, and to prove that all is as it was. All of that passes one rate limit.
"""

import math
from typing import NamedTuple

from bulkroute.model import PAGE_ROWS

READINGS = 2
"""Of the whole list: before the first call of a back-out, and after its last one."""


class BackOutTime(NamedTuple):
    """What a back-out comes to, if it began now."""

    rows: int
    """Rows that the batch has changed."""
    takes_s: float | None
    """How long it would take; None where no pace is known."""
    latest_start: float | None
    """When it must begin to be done within the window, in seconds since the epoch; None without a window."""


def back_out_time(rows: int, routes: int, pace_per_s: float | None, ends_at: float | None = None) -> BackOutTime:
    """Return what a back-out of `rows` comes to where the service lists so many `routes`.

    `pace_per_s`: calls a second, None if nothing tells. `ends_at`: when the window closes, in seconds since the epoch.
    """
    takes_s = _back_out_calls(rows, routes) / pace_per_s if pace_per_s else None
    latest_start = None if ends_at is None or takes_s is None else ends_at - takes_s
    return BackOutTime(rows, takes_s, latest_start)


def fits(rows: int, changed: int | None, routes: int, pace_per_s: float | None, left_s: float | None) -> bool:
    """Tell whether a wave of `rows`, its read-back, and then the back-out of all that is changed by then are done in `left_s`.

    `changed`: rows that the batch has changed already, none of which the wave sends again; None where no back-out is to
    follow. True where there is no window, or no pace to go by yet.
    """
    if left_s is None or not pace_per_s:
        return True
    way_back = 0 if changed is None else _back_out_calls(changed + rows, routes)
    return (rows + _pages(routes) + way_back) / pace_per_s <= left_s


def _back_out_calls(rows: int, routes: int) -> int:
    return rows + READINGS * _pages(routes) if rows else 0


def _pages(routes: int) -> int:
    return math.ceil(routes / PAGE_ROWS)
