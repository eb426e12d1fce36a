"""When the next call may start: the rate, the order of those who wait, and run-wide pauses with their reasons.

Promises, at any rate R and after any change of rate, pause, stall or late wake-up:

- in no half-open second do more than max(1, R) calls start, with `MARGIN_S` to spare for the way to the receiver;
- while there is work enough, at least 0.99 R calls start each second on average (R whole);
- whoever asked first starts first.

Never makes up for lost time beyond the small `catch_up_s` of a late wake-up, never starts a thread or a task, and
never decides which rate is right: that is for the caller, through `Pacer.set_rate`.
"""

import asyncio
import math
import sys
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

MARGIN_S = 0.007
"""By how much a call may overtake an earlier one on its way without the receiver seeing more than R in a second."""

WINDOW_S = 1.0 + MARGIN_S

IDLE_S = 0.1
"""A bucket that has been empty for so long was not asked: the calls after that start as evenly as the first ones."""

UNBOUNDED = sys.maxsize
"""What `due_within` answers when the rate is unlimited."""

MIN_SLEEP_S = 0.001
"""The shortest timer: event loops round to whole milliseconds, and a shorter one would only spin."""


def catch_up_s(rate_per_s: float) -> float:
    """Return how late a call may be, in seconds, and still be made up for by closer starts after it.

    Up to 500/s that is 20 ms or 3 calls, so at most 4 start together: receivers that allow a burst
    of 5 refuse none. Above, 20 ms: the network bundles calls there anyway, and a busy event loop
    would lose more than 1% of the rate without it. Below 1/s nothing is made up for.
    """
    if rate_per_s < 1:
        return 0.0
    return min(0.020, 3 / rate_per_s) if rate_per_s <= 500 else 0.020


class Schedule:
    """The arithmetic of pacing: no clock, no event loop. Times are seconds on one clock that never goes back.

    Two rules hold at once. The guard: with k = max(1, floor(R)), a call starts `WINDOW_S` or more after the k-th
    before it, whatever the rate was then. So a second that spans a change of rate holds at most the larger of the two,
    and one that begins after it no more than the new one. The spacing: a leaky bucket drained at k a second keeps the
    calls apart evenly (below 1/s: one call each 1/R seconds).

    A rate that is not whole keeps the bound and loses its fraction: 7.9/s starts 7 in a second.
    """

    def __init__(self, rate_per_s: float | None) -> None:
        self._starts: deque[float] = deque()
        self._last_s = -math.inf
        self._full_s = -math.inf  # when the bucket of the spacing will have drained
        self._spacing_s = 0.0
        self.rate_per_s = rate_per_s

    @property
    def rate_per_s(self) -> float | None:
        """Calls per second; None is unlimited. Settable at any time; inf is taken as None, 0 or less is a ValueError."""
        return self._rate_per_s

    @rate_per_s.setter
    def rate_per_s(self, rate_per_s: float | None) -> None:
        if rate_per_s is not None and not rate_per_s > 0:
            raise ValueError(f"a rate must be above 0 calls per second, not {rate_per_s}")
        # What fills the bucket is a number of calls, so that frequent changes of rate give no new credit.
        calls = (self._full_s - self._last_s) / self._spacing_s if self._spacing_s and self._starts else 1.0
        if rate_per_s is None or rate_per_s == math.inf:
            self._rate_per_s, self._most = None, UNBOUNDED
            self._spacing_s = self._catch_up_s = 0.0
            return
        self._rate_per_s, self._most = rate_per_s, max(1, math.floor(rate_per_s))
        self._spacing_s = 1 / self._most if rate_per_s >= 1 else 1 / rate_per_s
        self._catch_up_s = catch_up_s(rate_per_s)
        self._full_s = self._last_s + min(calls * self._spacing_s, self._spacing_s + self._catch_up_s)

    def delay(self, now_s: float) -> float:
        """Return how many seconds the next call has to wait; 0 means that it may start now."""
        if self._rate_per_s is None:
            return 0.0
        wait_s = self._full_s - self._catch_up_s - now_s
        if len(self._starts) >= self._most:
            wait_s = max(wait_s, self._starts[-self._most] + WINDOW_S - now_s)
        return max(wait_s, 0.0)

    def start(self, now_s: float) -> None:
        """Record that a call starts now. Only right after `delay(now_s)` gave 0."""
        starts = self._starts
        while starts and starts[0] + WINDOW_S <= now_s:
            starts.popleft()
        starts.append(now_s)
        self._last_s = now_s
        if now_s - self._full_s > IDLE_S:
            self._full_s = now_s + self._catch_up_s  # nobody was late: there is nothing to make up for
        self._full_s = max(self._full_s, now_s) + self._spacing_s

    def started_within(self, now_s: float, span_s: float) -> int:
        """Return how many calls started in the last `span_s` seconds (0 to WINDOW_S)."""
        return len(self._starts) - bisect_right(self._starts, now_s - span_s)

    def due_within(self, now_s: float, lead_s: float) -> int:
        """Return at most how many calls may start from now to `lead_s` seconds ahead (0 to 1)."""
        if not 0 <= lead_s <= 1:
            raise ValueError(f"lead_s must lie within 0 and 1 second, not {lead_s}")
        if self._rate_per_s is None:
            return UNBOUNDED
        end_s = now_s + lead_s
        still_counted = len(self._starts) - bisect_right(self._starts, end_s - WINDOW_S)
        room_s = end_s - max(self._full_s, now_s) + self._catch_up_s
        return max(0, min(self._most - still_counted, math.floor(room_s / self._spacing_s) + 1))


class Hold(NamedTuple):
    """A run-wide pause: no call starts while it stands. `until_s` is on the pacer's clock; None: until released."""

    key: str
    reason: str
    until_s: float | None


def loop_clock(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return the clock that pacing goes by: the loop's own, which tests may bend, but for uvloop's.

    uvloop reads its clock once a turn, in whole milliseconds: too coarse, and late after a long turn.
    """
    return time.monotonic if type(loop).__module__.partition(".")[0] == "uvloop" else loop.time


class Pacer:
    """Hands out the right to start a call, in order of asking. For one event loop; make it inside that loop.

    The right is taken when `start` returns or `try_start` gives True: the call must be sent at once then. Nothing is
    given back; a waiter that is cancelled has taken nothing.
    """

    def __init__(self, rate_per_s: float | None, *, clock: Callable[[], float] | None = None) -> None:
        """Take `rate_per_s` calls per second; None or inf is unlimited, 0 or less a ValueError."""
        self._loop = asyncio.get_running_loop()
        self.clock = clock or loop_clock(self._loop)
        self.started = 0
        self._schedule = Schedule(rate_per_s)
        self._holds: dict[str, Hold] = {}
        # Who waits, in order; set means woken and about to run. If the first is not woken, a timer or a hold is.
        self._waiters: deque[asyncio.Event] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rate_per_s(self) -> float | None:
        """Calls per second; None is unlimited."""
        return self._schedule.rate_per_s

    @property
    def started_per_s(self) -> int:
        """How many calls started in the last second."""
        return self._schedule.started_within(self.clock(), 1.0)

    def set_rate(self, rate_per_s: float | None) -> None:
        """Change the rate at once, for those who wait too. None or inf is unlimited, 0 or less a ValueError."""
        self._schedule.rate_per_s = rate_per_s
        self._wake()

    def try_start(self) -> bool:
        """Take the right to start a call now, unless somebody waits, a hold stands or it is too early."""
        return not self._waiters and self._take()

    async def start(self, just_before: Callable[[], object] | None = None) -> None:
        """Wait for the right to start a call, and take it; `just_before` is called when it can be had."""
        if not self._waiters and self._take(just_before):
            return
        woken = asyncio.Event()
        self._waiters.append(woken)
        try:
            while True:
                if self._waiters[0] is woken:
                    self._wake()
                await woken.wait()
                # The slot is taken here, not by who wakes: a stall in between must not antedate the call.
                if self._waiters[0] is woken and self._take(just_before):
                    return
                woken.clear()
        finally:
            self._waiters.remove(woken)
            if self._waiters and not self._waiters[0].is_set():
                self._wake()

    def due_within(self, lead_s: float) -> int:
        """Return at most how many calls may start from now to `lead_s` seconds ahead (0 to 1), those waiting included.

        0 while a hold stands, `UNBOUNDED` when the rate is unlimited.
        """
        now_s = self.clock()
        return 0 if self._held(now_s) else self._schedule.due_within(now_s, lead_s)

    def hold(self, key: str, reason: str, until_s: float | None = None) -> None:
        """Let no call start until `release(key)`, or `until_s` on the pacer's `clock` if that is earlier.

        Holds of different keys stand side by side; one of the same key replaces the one before.
        """
        self._holds[key] = Hold(key, reason, until_s)
        self._wake()

    def release(self, key: str) -> None:
        """End the hold of that key; without one, nothing happens."""
        if self._holds.pop(key, None):
            self._wake()

    def held_s(self) -> float | None:
        """Return for how many seconds the holds that stand now let no call start; None without one, inf without an end."""
        now_s = self.clock()
        if not self._held(now_s):
            return None
        return max(math.inf if hold.until_s is None else hold.until_s - now_s for hold in self._holds.values())

    def until_s(self, key: str) -> float | None:
        """Return when the hold of that key ends by itself; None if it does not, or none stands."""
        hold = self._holds.get(key)
        return hold.until_s if hold else None

    def holds(self) -> list[Hold]:
        """Return the holds that stand now, the oldest key first."""
        self._held(self.clock())
        return list(self._holds.values())

    def _held(self, now_s: float) -> bool:
        """Drop the holds that have ended by themselves; tell whether one stands."""
        if self._holds:
            self._holds = {
                key: hold for key, hold in self._holds.items() if hold.until_s is None or hold.until_s > now_s
            }
        return bool(self._holds)

    def _take(self, just_before: Callable[[], object] | None = None) -> bool:
        """Start a call now if the holds and the rate let it."""
        now_s = self.clock()
        if (self._holds and self._held(now_s)) or self._schedule.delay(now_s) > 0:
            return False
        if just_before is not None:
            just_before()  # it may take its time, hold or slow the run
            return self._take()
        self._schedule.start(now_s)
        self.started += 1
        return True

    def _wake(self) -> None:
        """Wake those who may start now, the longest waiting first; if none may, set the timer for the first."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._waiters:
            return
        now_s = self.clock()
        if self._held(now_s):
            ends_s = [math.inf if hold.until_s is None else hold.until_s for hold in self._holds.values()]
            wait_s = max(ends_s) - now_s
        else:
            wait_s = self._schedule.delay(now_s)
        if wait_s == 0:
            # All at once, not each by the one before: on a busy loop a turn may take longer than 1/R.
            for woken in islice(self._waiters, max(1, self._schedule.due_within(now_s, 0))):
                woken.set()
        elif wait_s < math.inf:
            self._timer = self._loop.call_later(max(wait_s, MIN_SLEEP_S), self._wake)
