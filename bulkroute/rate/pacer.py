"""Who may start a call, and when: the rate, the order of those who wait, and run-wide holds with their reasons.

Promises, on top of what `schedule` does: whoever asked first starts first; no call starts while a hold stands; a call
counts from the moment its first byte leaves, however long its connection took, and however long the process slept;
where several pacers share a `Limit`, a call takes a slot of both or of none.

Never starts a thread or a task, and never decides which rate is right: that is for the caller, by `Pacer.set_rate` and
`Pacer.learn`.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import NamedTuple

from bulkroute.rate.limit import Limit, LimitSlot
from bulkroute.rate.schedule import UNBOUNDED, Schedule

MIN_SLEEP_S = 0.001
"""The shortest timer: event loops round to whole milliseconds, and a shorter one would only spin."""

STALE_S = 1.0
"""A slot this old is given back: a call that left by it now would share a second with those of later slots."""


class Hold(NamedTuple):
    """A run-wide pause: no call starts while it stands. `until_s` is on the pacer's clock; None: until released.

    From `probe_at_s` on, a single call may start all the same, to see how things are; then none again.
    """

    key: str
    reason: str
    until_s: float | None = None
    probe_at_s: float | None = None

    @property
    def lets_go_s(self) -> float:
        """When the next call may start as far as this hold is concerned; inf if nobody can say."""
        ends_s = math.inf if self.until_s is None else self.until_s
        return ends_s if self.probe_at_s is None else min(ends_s, self.probe_at_s)


def loop_clock(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return the clock that pacing goes by: the loop's own, which tests may bend, but for uvloop's.

    uvloop reads its clock once a turn, in whole milliseconds: too coarse, and late after a long turn.
    """
    return time.monotonic if type(loop).__module__.partition(".")[0] == "uvloop" else loop.time


class Slot:
    """The right to start one call. Who has it says when the first byte leaves, or gives it back."""

    __slots__ = ("_pacer", "at_s", "probed", "shared")

    def __init__(
        self, pacer: "Pacer", at_s: float, shared: LimitSlot | None = None, probed: tuple[str, ...] = ()
    ) -> None:
        self._pacer = pacer
        self.shared = shared
        """That of the limit that the pacer shares, if it shares any."""
        self.at_s = at_s
        """When the call counts as started."""
        self.probed = probed
        """The holds that it is the probe of."""

    def depart(self, another: Callable[[], Awaitable["Slot"]]) -> Awaitable[None] | None:
        """Let the first byte leave, which it must do then: the call counts from here on.

        A slot older than `STALE_S` is first to be exchanged for `another`: what is returned then is to be awaited, and
        `depart` called again. Small lateness costs no slot.
        """
        return None if self.leave() else self._exchange(another)

    def leave(self) -> bool:
        """Do the same where the slot is young enough, that of the limit too; return whether it is."""
        now_s = self._pacer.clock()
        if now_s - self.at_s >= STALE_S or (self.shared is not None and not self.shared.leave()):
            return False
        self.at_s = self._pacer.schedule.restart(self.at_s, now_s)
        return True

    async def _exchange(self, another: Callable[[], Awaitable["Slot"]]) -> None:
        self.give_back()
        slot = await another()
        self.at_s, self.probed, self.shared = slot.at_s, slot.probed, slot.shared

    def give_back(self) -> None:
        """Start no call after all."""
        self._pacer.take_back(self.at_s, self.probed)
        if self.shared is not None:
            self.shared.give_back()


class Pacer:
    """Hands out the right to start a call, in order of asking. For one event loop.

    The right is taken when `start` or `try_start` returns a slot. A waiter that is cancelled has taken nothing.
    """

    def __init__(
        self, rate_per_s: float | None, *, clock: Callable[[], float] | None = None, limit: Limit | None = None
    ) -> None:
        """Take `rate_per_s` calls per second; None or inf is unlimited, 0 or less a ValueError.

        Without a `clock` it is made inside the loop, and goes by the loop's. `limit`: the rate that it shares.
        """
        self.clock = clock or loop_clock(asyncio.get_running_loop())
        self._limit = limit
        # Where the own rate is below a fair share of the limit, a turn there takes less time than one call at this rate.
        self.schedule = Schedule(rate_per_s, catch_up_calls=0 if limit is None else 1)
        self.started = 0
        self._holds: dict[str, Hold] = {}
        self._holds_changed = asyncio.Event()
        # Who waits, in order; set means woken and about to run. If the first is not woken, a timer or a hold is.
        self._waiters: deque[asyncio.Event] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def asked_per_s(self) -> float | None:
        """The rate asked for, in calls per second; None is unlimited."""
        return self.schedule.rate_per_s

    @property
    def rate_per_s(self) -> float | None:
        """The rate in force, in calls per second: the one asked for, or less where the service or the limit allows less.

        The others' share of the limit is not taken off: they may have nothing to send.
        """
        shared_per_s = None if self._limit is None else self._limit.rate_per_s
        rates = (self.schedule.rate_per_s, self.schedule.learnt_per_s, shared_per_s)
        return min((rate for rate in rates if rate is not None), default=None)

    @property
    def started_per_s(self) -> int:
        """How many calls started in the last second."""
        return self.schedule.started_within(self.clock(), 1.0)

    def set_rate(self, rate_per_s: float | None) -> None:
        """Change the rate asked for at once, for those who wait too. None or inf is unlimited, 0 or less a ValueError."""
        self.schedule.rate_per_s = rate_per_s
        self._wake()

    def learn(self, rate_per_s: float | None) -> None:
        """Space calls by what the service allows from now on; None: it allows what was asked for."""
        if rate_per_s != self.schedule.learnt_per_s:
            self.schedule.learnt_per_s = rate_per_s
            self._wake()

    def try_start(self) -> Slot | None:
        """Take the right to start a call now, unless somebody waits, a hold stands or it is too early."""
        return None if self._waiters else self._take()

    async def start(self, just_before: Callable[[], object] | None = None) -> Slot:
        """Wait for the right to start a call, and take it; `just_before` is called when it can be had."""
        if not self._waiters and (slot := self._take(just_before)):
            return slot
        woken = asyncio.Event()
        self._waiters.append(woken)
        try:
            while True:
                if self._waiters[0] is woken:
                    self._wake()
                await woken.wait()
                # The slot is taken here, not by who wakes: a stall in between must not antedate the call.
                if self._waiters[0] is woken:
                    if slot := self._take(just_before):
                        return slot
                    if self._limit is not None and (slot := await self._take_in_turn(self._limit, just_before)):
                        return slot
                woken.clear()
        finally:
            self._waiters.remove(woken)
            if self._waiters and not self._waiters[0].is_set():
                self._wake()

    def take_back(self, start_s: float, probed: tuple[str, ...]) -> None:
        """Take a slot back: `Slot.give_back` says so."""
        self.started -= 1
        self.schedule.take_back(start_s)
        for key in probed:
            if key in self._holds:
                self._holds[key] = self._holds[key]._replace(probe_at_s=self.clock())
        self._wake()

    def delay_s(self) -> float:
        """Return how many seconds the next call has to wait; 0: it may start now; inf: until a hold is released.

        As far as this pacer knows: that of a limit depends on who else asks for it.
        """
        now_s = self.clock()
        return max(self._held_until_s(now_s) - now_s, self.schedule.delay(now_s))

    def due_within(self, lead_s: float) -> int:
        """Return at most how many calls may start from now to `lead_s` seconds ahead (0 to 1), those waiting included.

        0 while a hold stands, `UNBOUNDED` when the rate is unlimited.
        """
        now_s = self.clock()
        if self._held_until_s(now_s) > now_s:
            return 0
        due = min(1 if self._holds else UNBOUNDED, self.schedule.due_within(now_s, lead_s))
        return due if self._limit is None else min(due, self._limit.due_within(lead_s))

    def hold(self, key: str, reason: str, until_s: float | None = None, probe_at_s: float | None = None) -> None:
        """Let no call start until `release(key)`, or `until_s` on the pacer's `clock` if that is earlier.

        But for one from `probe_at_s` on. Holds of different keys stand side by side; one of the same key replaces the
        one before.
        """
        self._holds[key] = Hold(key, reason, until_s, probe_at_s)
        self._change_holds()

    def release(self, key: str) -> None:
        """End the hold of that key; without one, nothing happens."""
        if self._holds.pop(key, None):
            self._change_holds()

    async def unheld(self) -> None:
        """Wait until no hold keeps the next call from starting."""
        while (held_s := self._held_until_s(self.clock()) - self.clock()) > 0:
            self._holds_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if held_s == math.inf else max(held_s, MIN_SLEEP_S)):
                    await self._holds_changed.wait()

    def holds(self) -> list[Hold]:
        """Return the holds that stand now, the oldest key first."""
        self._held_until_s(self.clock())
        return list(self._holds.values())

    def _held_until_s(self, now_s: float) -> float:
        """Drop the holds that have ended by themselves; return when the others let the next call start."""
        if not self._holds:
            return -math.inf
        self._holds = {key: hold for key, hold in self._holds.items() if hold.until_s is None or hold.until_s > now_s}
        return max((hold.lets_go_s for hold in self._holds.values()), default=-math.inf)

    def _change_holds(self) -> None:
        self._holds_changed.set()
        self._wake()

    async def _take_in_turn(self, limit: Limit, just_before: Callable[[], object] | None) -> Slot | None:
        """Wait for the limit, unless it is not that which holds the call up; then start the call if it still may.

        A slot of the limit that comes too late, since the call is held up now, goes on to whoever waits next.
        """
        if self.delay_s() > 0:
            return None
        shared, slot = await limit.start(), None
        try:
            slot = self._take(just_before, shared)
        finally:
            if slot is None:
                shared.give_back()
        return slot

    def _take(self, just_before: Callable[[], object] | None = None, shared: LimitSlot | None = None) -> Slot | None:
        """Start a call now if the holds, the rate and the limit let it; `shared` is the slot of the limit for it."""
        now_s = self.clock()
        if (self._holds and self._held_until_s(now_s) > now_s) or self.schedule.delay(now_s) > 0:
            return None
        if just_before is not None:
            just_before()  # it may take its time, hold or slow the run
            return self._take(None, shared)
        if self._limit is not None and shared is None and (shared := self._limit.try_start()) is None:
            return None
        self.schedule.start(now_s)
        self.started += 1
        if not self._holds:
            return Slot(self, now_s, shared)
        probed = tuple(self._holds)
        self._holds = {key: hold._replace(probe_at_s=None) for key, hold in self._holds.items()}
        return Slot(self, now_s, shared, probed)

    def _wake(self) -> None:
        """Wake those who may start now, the longest waiting first; if none may, set the timer for the first."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._waiters:
            return
        wait_s = self.delay_s()
        if wait_s == 0:
            # All at once, not each by the one before: on a busy loop a turn may take longer than 1/R.
            for woken in islice(self._waiters, max(1, self.due_within(0))):
                woken.set()
        elif wait_s < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(wait_s, MIN_SLEEP_S), self._wake)
