"""A rate that pacers of several processes share, on any hosts: slots in time that the database gives out one after another.

Promises that at most the rate's worth of calls starts in any half-open second, over all processes, whatever their clocks
say and whoever freezes. The database answers with a wait, by its own clock alone, and the wait begins when the answer is
here: so no call starts before its slot. What was asked for longer ago than that wait and `MARGIN_S` is dropped: so none
starts later than that after its slot. And slots are further apart by as much: what a second holds is bounded then.
Nothing is guessed: where the database cannot be reached, no call starts.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from bulkroute.errors import BulkrouteError
from bulkroute.postgres import stored
from bulkroute.postgres.connect import Connection
from bulkroute.postgres.session import Session
from bulkroute.rate.pacer import MIN_SLEEP_S, loop_clock

MARGIN_S = 0.03
"""So late a call may start after its slot: the way to the database and back, and a busy loop. It costs 3 % of the rate."""

ASK_AHEAD_S = 0.05
"""Slots of so much time are taken at once: one round trip then serves several calls."""


class SharedSlot:
    """The right to start one call, from `from_s` to `until_s` on the clock of the loop."""

    __slots__ = ("_limit", "from_s", "until_s")

    def __init__(self, limit: "SharedLimit", from_s: float, until_s: float) -> None:
        self._limit = limit
        self.from_s = from_s
        self.until_s = until_s

    def leave(self) -> bool:
        """Let the first byte leave; False if it is too late for that."""
        return self._limit.clock() <= self.until_s

    def give_back(self) -> None:
        """Start no call by it after all."""
        self._limit.take_back(self)


class SharedLimit:
    """Gives out the slots that this process has taken, in order of asking. For one event loop; a `rate.limit.Limit`."""

    def __init__(self, session: Session, name: str, rate_per_s: float) -> None:
        self.clock: Callable[[], float] = loop_clock(asyncio.get_running_loop())
        self.rate_per_s: float | None = rate_per_s
        self._session = session
        self._name = name
        self._spacing_s = (1 + MARGIN_S) / rate_per_s
        self._at_once = max(1, int(rate_per_s * ASK_AHEAD_S))
        self._slots: deque[SharedSlot] = deque()
        self._waiting: deque[asyncio.Future[SharedSlot]] = deque()
        self._asking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def due_within(self, lead_s: float) -> int:
        """Return how many calls may start from now to `lead_s` seconds ahead, as far as is known."""
        until_s = self.clock() + lead_s
        return sum(slot.from_s <= until_s for slot in self._slots)

    def try_start(self) -> SharedSlot | None:
        """Take a slot if one is at hand and nobody waits for it."""
        return None if self._waiting else self._take()

    async def start(self) -> SharedSlot:
        """Wait for a slot, in turn, and take it. Raises LedgerError where the database is out of reach."""
        turn: asyncio.Future[SharedSlot] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._serve()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.take_back(turn.result())
            raise

    def take_back(self, slot: SharedSlot) -> None:
        """Let somebody else have a slot, if it is still good."""
        self._slots.appendleft(slot)
        self._serve()

    def _take(self) -> SharedSlot | None:
        now_s = self.clock()
        while self._slots and self._slots[0].until_s < now_s:
            self._slots.popleft()
        return self._slots.popleft() if self._slots and self._slots[0].from_s <= now_s else None

    def _serve(self) -> None:
        """Give slots to those who wait, ask for more while anybody does, and look again when the next one is good."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            if self._waiting[0].done():  # cancelled
                self._waiting.popleft()
            elif (slot := self._take()) is not None:
                self._waiting.popleft().set_result(slot)
            else:
                break
        if not self._waiting:
            return
        if len(self._slots) < self._at_once and self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name=f"limit {self._name}")
        if self._slots:
            wait_s = max(self._slots[0].from_s - self.clock(), MIN_SLEEP_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._serve)

    async def _ask(self) -> None:
        asked_s = self.clock()
        try:
            wait_s = await self._session.run(self._next_slots)
        except BulkrouteError as error:
            self._asking = None
            while self._waiting:
                turn = self._waiting.popleft()
                if not turn.done():
                    turn.set_exception(error)
            return
        self._asking = None
        here_s = self.clock()
        for place in range(self._at_once):
            in_s = wait_s + place * self._spacing_s
            self._slots.append(SharedSlot(self, here_s + max(0.0, in_s), asked_s + in_s + MARGIN_S))
        self._serve()

    def _next_slots(self, connection: Connection) -> float:
        return stored.next_slots(connection, self._name, self._at_once * self._spacing_s)
