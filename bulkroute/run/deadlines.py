"""When a run starts no more calls, those that read live bindings included: after a duration, at a moment, or both.

A duration goes by the event loop's clock, which does not jump; a moment goes by the wall clock, however that is set.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TypeVar

from bulkroute.errors import StopKind, StoppedEarly

T = TypeVar("T")

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
        self._stop: Callable[[StopKind, str], None] = _nobody
        self._timers: dict[str, asyncio.TimerHandle] = {}
        ends_at = [until.timestamp()] if until else []
        if max_duration_s is not None:
            ends_at.append(time.time() + max_duration_s)
        self.ends_at = min(ends_at, default=None)
        """When the first of them passes, as far as can be told now, in seconds since the epoch."""

    def arm(self, stop: Callable[[StopKind, str], None]) -> None:
        """Call `stop` with the kind and the reason when the first of them passes; at once if it has passed already."""
        self._stop = stop
        if self._max_duration_s is not None:
            self._look_at_duration(self._max_duration_s)
        if self._until is not None:
            self._look_at_clock(self._until)

    @contextlib.asynccontextmanager
    async def entering(self, context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """Enter `context` for the block, unless that takes until the first of them has passed. Raises StoppedEarly."""
        async with contextlib.AsyncExitStack() as stack:
            async with self._bounding():
                given = await stack.enter_async_context(context)
            yield given

    @contextlib.asynccontextmanager
    async def _bounding(self) -> AsyncIterator[None]:
        """Break the block off when the first of them passes. Raises StoppedEarly."""
        task = asyncio.current_task()
        passed: list[tuple[StopKind, str]] = []

        def stop(kind: StopKind, reason: str) -> None:
            if task is not None and not passed:
                passed.append((kind, reason))
                task.cancel()

        self.arm(stop)
        try:
            yield
        except asyncio.CancelledError:
            if not passed or task is None or task.uncancel() > 0:
                raise  # by somebody else, too
        finally:
            self.close()
            self._stop = _nobody
        for kind, reason in passed:
            hint = "reading alone takes longer: give it more time, or a higher --rate"
            raise StoppedEarly(f"{reason}; nothing was sent", hint=hint, stop=kind)

    def left_s(self) -> float | None:
        """Return in how many seconds the first of them passes, below 0 once it has; None where there is none."""
        left_s = [] if self._until is None else [self._until.timestamp() - time.time()]
        if self._max_duration_s is not None:
            left_s.append(self._started_s + self._max_duration_s - self._loop.time())
        return min(left_s, default=None)

    def close(self) -> None:
        """Stop watching."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _look_at_duration(self, max_duration_s: float) -> None:
        left_s = self._started_s + max_duration_s - self._loop.time()
        if left_s <= 0:
            self._stop(StopKind.WINDOW, f"the {max_duration_s:g} s of --max-duration are over")
        else:
            self._timers["duration"] = self._loop.call_later(left_s, self._look_at_duration, max_duration_s)

    def _look_at_clock(self, until: datetime) -> None:
        left_s = until.timestamp() - time.time()
        if left_s <= 0:
            self._stop(StopKind.WINDOW, f"it is {until:%H:%M}, the end set by --until")
        else:
            self._timers["until"] = self._loop.call_later(min(left_s, LOOK_EVERY_S), self._look_at_clock, until)


def _nobody(_kind: StopKind, _reason: str) -> None:
    """Stand in for `stop` until there is a run to stop."""
