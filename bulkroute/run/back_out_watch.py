"""What a back-out of the run under way would come to at any moment, and whether the run has to make way for it."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from bulkroute.errors import StopKind, StoppedEarly
from bulkroute.events import WARNING
from bulkroute.run.back_out_time import BackOutTime, back_out_time, fits
from bulkroute.run.deadlines import Deadlines
from bulkroute.run.prepared import Prepared
from bulkroute.settings import BackOutOn, Settings

TRIGGERS: Mapping[StopKind, BackOutOn] = MappingProxyType(
    {
        StopKind.GATE: BackOutOn.NO_GO,
        StopKind.MAX_FAILURES: BackOutOn.LIMIT,
        StopKind.MAX_CONSECUTIVE_FAILURES: BackOutOn.LIMIT,
        StopKind.CANARY: BackOutOn.LIMIT,
        StopKind.TARGETS: BackOutOn.LIMIT,
        StopKind.WINDOW: BackOutOn.DEADLINE,
    }
)
"""Which stops a run may back out by. What a person, an outage or throttling stops is left as it is."""

LOOK_EVERY_S = 1.0


class BackOutWatch:
    """Follows one run."""

    def __init__(
        self,
        settings: Settings,
        prepared: Prepared,
        deadlines: Deadlines,
        begun: Callable[[], int],
        pace_per_s: Callable[[], float | None],
    ) -> None:
        """`begun`: rows that the run has begun. `pace_per_s`: at which pace rows are done now."""
        self._reasons = settings.back_out_on if prepared.batch.parent is None else frozenset()
        self._deadlines = deadlines
        self._begun = begun
        self._pace_per_s = pace_per_s
        self._routes = prepared.routes
        self._batch = prepared.batch
        touched = prepared.batch.count_touched() if prepared.live_read and prepared.batch.parent is None else None
        self._touched = touched.rows if touched else 0
        self._most_new = prepared.counts.pending - touched.to_send if touched else 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def by_deadline(self) -> bool:
        """Whether the run is to be back before its window closes."""
        return BackOutOn.DEADLINE in self._reasons

    @property
    def changed(self) -> int:
        """Rows that the batch may have changed so far, at most."""
        # Rows that an earlier run tried have their turn last, and count already.
        return self._touched + min(self._begun(), self._most_new)

    def now(self) -> BackOutTime:
        """Return what a back-out would come to."""
        left_s = self._deadlines.left_s()
        ends_at = None if left_s is None else self._deadlines.ends_at
        return back_out_time(self.changed, self._routes, self._pace_per_s(), ends_at)

    def require_fit(self, rows: int, stop: Callable[[StopKind, str], None], what: str = "") -> None:
        """Stop the run if a wave of `rows` (`what`) would not be done in time, with the way back where that is asked for."""
        changed = self.changed if self.by_deadline else None
        if rows and not fits(rows, changed, self._routes, self._pace_per_s(), self._deadlines.left_s()):
            stop(
                StopKind.WINDOW, f"{what}: " * bool(what) + too_late(rows, self._deadlines, backs_out=self.by_deadline)
            )

    def arm(self, stop: Callable[[StopKind, str], None]) -> None:
        """Stop the run at the last moment at which its back-out would still be done before the window closes."""
        if self.by_deadline and self._deadlines.left_s() is not None:
            self._look(stop)

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, stop: Callable[[StopKind, str], None]) -> None:
        found, left_s = self.now(), self._deadlines.left_s()
        if found.rows and found.takes_s is not None and left_s is not None and left_s - LOOK_EVERY_S <= found.takes_s:
            stop(
                StopKind.WINDOW,
                f"the back-out must start now to be done before {_closing(self._deadlines)}:"
                f" {found.rows:,} rows are changed, about {found.takes_s:.0f} s",
            )
        else:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look, stop)

    def is_due(self, kind: StopKind | None) -> bool:
        """Tell whether a run that ends so takes back what its batch has changed, as far as the ledger knows of any."""
        return kind is not None and TRIGGERS.get(kind) in self._reasons and self._batch.count_touched().rows > 0


def require_room(
    prepared: Prepared,
    settings: Settings,
    rate_per_s: float | None,
    deadlines: Deadlines,
    on_notice: Callable[[str], None],
) -> None:
    """Refuse to begin a batch that would leave no time for the way back at `rate_per_s`. Raises StoppedEarly.

    One that has changed rows already is begun all the same: it backs out then.
    """
    rows = prepared.waves_to_send[0] if prepared.waves_to_send else prepared.counts.pending
    if BackOutOn.DEADLINE not in settings.back_out_on or not prepared.live_read or not rows:
        return
    left_s = deadlines.left_s()
    if left_s is None:
        on_notice(f"{WARNING}--back-out-on deadline, but there is none: give --until or --max-duration")
    if fits(rows, 0, prepared.routes, rate_per_s, left_s) or prepared.batch.count_touched().rows:
        return
    raise StoppedEarly(
        f"nothing was sent: {too_late(rows, deadlines, backs_out=True)}",
        hint="start earlier, give it a longer window or a higher rate, or leave deadline out of --back-out-on",
        stop=StopKind.WINDOW,
    )


def too_late(rows: int, deadlines: Deadlines, *, backs_out: bool) -> str:
    """Return why so many rows are not begun."""
    way_back = ", and the way back if it must be," if backs_out else ""
    return f"{rows:,} rows{way_back} would not be done before {_closing(deadlines)}"


def _closing(deadlines: Deadlines) -> str:
    ends = "" if deadlines.ends_at is None else f" at {datetime.fromtimestamp(deadlines.ends_at).astimezone():%H:%M:%S}"
    return f"the window closes{ends}"
