"""The gate: the only way to the service. N calls in flight, each on disk as SENT, each at its slot in time.

It decides when a call may start, and nothing else: what is sent and what comes of it is for `delivery`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from bulkroute.cec.token import TokenSource
from bulkroute.errors import LedgerError
from bulkroute.ledger.copied import LEAVES_WITHIN_S
from bulkroute.ledger.journal import Journal
from bulkroute.rate.pacer import Pacer, Slot

T = TypeVar("T")

LEAD_S = 0.02
"""How far ahead of their slot in time calls are noted as SENT: a commit then serves all calls of the next 20 ms."""


class GateClosed(Exception):
    """The run starts no more calls; the row stays pending."""


class Admission(NamedTuple):
    """The right to make one call. `depart` is that of `Slot`; it raises GateClosed where no slot is to be had any more."""

    token: str
    slot: Slot
    depart: Callable[[], Awaitable[None] | None]


class Entry:
    """A row that waits at the gate until its call may start."""

    __slots__ = ("admitted", "noted_s", "row")

    def __init__(self, row: int, admitted: asyncio.Future[Admission]) -> None:
        self.row = row
        self.admitted = admitted
        self.noted_s = 0.0
        """When it was noted as SENT, or a moment before."""


class Gate:
    """Lets calls out: at most `slots` in flight, each on disk as SENT before it starts, each at its slot in time.

    Two loops with a queue in between. `stage` notes the next calls as SENT, just ahead of their time. `start` lets
    each go at its slot, so that a slow disk may delay calls but never bunches them up past the rate.
    """

    def __init__(self, slots: int, pacer: Pacer, journal: Journal, tokens: TokenSource) -> None:
        self.slots = slots
        self.in_flight = 0
        self._pacer = pacer
        self._journal = journal
        self._tokens = tokens
        self._waiting: deque[Entry] = deque()
        self._staged: deque[Entry] = deque()
        self.is_shut = False
        """Whether no call may start but one that is let through."""
        self._let_through: int | None = None
        """The one row that may pass while the gate is shut."""
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._stage_stirred = asyncio.Event()
        self._start_stirred = asyncio.Event()

    def enter(self, row: int) -> asyncio.Future[Admission]:
        """Let this row wait at the gate; the future ends when its call may start, or raises GateClosed, as this does."""
        self.require_open()
        admitted: asyncio.Future[Admission] = self._loop.create_future()
        self._waiting.append(Entry(row, admitted))
        self._stage_stirred.set()
        return admitted

    def resize(self, slots: int) -> None:
        """Let so many calls be in flight from now on; what is in flight beyond that ends in its own time."""
        self.slots = slots
        self._stage_stirred.set()
        self._start_stirred.set()

    def leave(self) -> None:
        """Give the slot back: the call was answered or given up."""
        self.in_flight -= 1
        self._stage_stirred.set()
        self._start_stirred.set()

    def shut(self) -> None:
        """Start no calls but one that is let through, until `reopen`. Those noted as SENT that have not started wait again."""
        self.is_shut, self._let_through = True, None
        self._wait_again(self._staged)
        self._staged.clear()

    def let_through(self, row: int) -> None:
        """Let the call of this row start, while the gate is shut, as soon as it waits here; and no other."""
        self._let_through = row
        self._stage_stirred.set()

    def reopen(self) -> None:
        """Let calls start again."""
        self.is_shut, self._let_through = False, None
        self._stage_stirred.set()
        self._start_stirred.set()

    def waiting(self) -> list[int]:
        """Return the rows that wait here, in their order."""
        return [entry.row for entry in self._waiting]

    def close(self) -> None:
        """Start no more calls. Those noted as SENT that have not started are withdrawn."""
        self._closed.set_result(None)
        self._withdraw(self._staged)
        self._refuse((*self._waiting, *self._staged))
        self._waiting.clear()
        self._staged.clear()

    def require_open(self) -> None:
        """Raise GateClosed if it is closed."""
        if self._closed.done():
            raise GateClosed

    async def rest(self, wait_s: float | None, until: asyncio.Future[None] | None = None) -> None:
        """Wait outside the gate, for a backoff or for something to happen. Raises GateClosed as soon as the gate closes."""
        await asyncio.wait(
            (self._closed, until) if until else (self._closed,), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
        )
        self.require_open()

    async def while_open(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work outside the gate, such as reading. It is cut off, and GateClosed raised, as soon as the gate closes."""
        task = asyncio.create_task(work)
        try:
            await asyncio.wait((task, self._closed), return_when=asyncio.FIRST_COMPLETED)
            self.require_open()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _wait_again(self, entries: Iterable[Entry]) -> None:
        """Let calls that were noted as SENT wait again, the first in line."""
        self._withdraw(entries)
        self._waiting.extendleft(reversed(list(entries)))

    def _withdraw(self, entries: Iterable[Entry]) -> None:
        if rows := [entry.row for entry in entries]:
            self._journal.withdraw(rows)

    def _refuse(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if not entry.admitted.done():
                entry.admitted.set_exception(GateClosed())

    def _to_stage(self) -> list[Entry]:
        """Take the waiting calls that are to be noted as SENT now."""
        room = min(len(self._waiting), self.slots - self.in_flight - len(self._staged))
        if room <= 0:
            return []
        if self.is_shut:
            return self._take_probe()
        due = max(1, self._pacer.due_within(LEAD_S))
        # Half of them at least at a time, so that one commit serves several calls.
        count = min(room, due - len(self._staged)) if len(self._staged) <= due // 2 else 0
        return [self._waiting.popleft() for _ in range(count)]

    def _take_probe(self) -> list[Entry]:
        """Take the one call that may start while the gate is shut, if it waits already."""
        found = [entry for entry in self._waiting if entry.row == self._let_through]
        if found:
            self._waiting.remove(found[0])
            self._let_through = None
        return found

    async def stage(self) -> None:
        """Keep the next calls noted as SENT. Runs until cancelled. Raises LedgerError."""
        while True:
            # Nothing is noted as SENT while nothing may start: it would look like a call in the air.
            await self._pacer.unheld()
            was_shut = self.is_shut
            entries = self._to_stage()
            if not entries:
                self._stage_stirred.clear()
                await self._stage_stirred.wait()
                continue
            noted_s = self._pacer.clock()
            for entry in entries:
                entry.noted_s = noted_s
            try:
                # Shielded: others wait for the same commit.
                await asyncio.shield(self._journal.sent([entry.row for entry in entries]))
            except LedgerError:
                self._refuse(entries)
                raise
            except asyncio.CancelledError:
                self._withdraw(entries)
                raise
            if self._closed.done():
                self._withdraw(entries)
                self._refuse(entries)
                return
            if self.is_shut and not was_shut:
                self._wait_again(entries)
                continue
            self._staged.extend(entries)
            self._start_stirred.set()

    async def _another_slot(self) -> Slot:
        return await self.while_open(self._pacer.start())

    async def start(self) -> None:
        """Let the staged calls go, each at its time. Runs until cancelled. Raises what TokenSource.get raises."""
        while True:
            # After a refused token a single call goes ahead, to see whether the new one is any better.
            if not self._staged or (self.in_flight and not self._tokens.proven):
                self._start_stirred.clear()
                await self._start_stirred.wait()
                continue
            token = await self._tokens.get()
            # What is due for the disk is written before the slot is taken: a slow disk between slot and call would bunch
            # calls up past the rate.
            slot = await self._pacer.start(self._journal.commit)
            if not self._staged or not self._tokens.good(token):
                slot.give_back()
                continue
            self._admit(token, slot)
            # Nothing else happens before the next turn of the loop: whoever is due by now goes along.
            while self._staged and self._tokens.proven and (next_slot := self._pacer.try_start()):
                self._admit(token, next_slot)
            if self._waiting:
                self._stage_stirred.set()

    def _admit(self, token: str, slot: Slot) -> None:
        entry = self._staged.popleft()
        self.in_flight += 1
        depart = partial(slot.depart, self._another_slot)
        if self._journal.copy is not None:
            depart = partial(self._depart, depart, entry)
        entry.admitted.set_result(Admission(token, slot, depart))

    def _depart(self, depart: Callable[[], Awaitable[None] | None], entry: Entry) -> Awaitable[None] | None:
        """Let a call leave that the ledger's copy has as SENT since a moment ago; else let the copy confirm first that it may.

        Another host may hold the tenant by now, as after a freeze: it is told so there, and nothing leaves.
        """
        if self._pacer.clock() - entry.noted_s < LEAVES_WITHIN_S:
            return depart()
        entry.noted_s = self._pacer.clock()
        return self.while_open(self._journal.flush())
