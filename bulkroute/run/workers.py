"""The rows in work: a worker for each slot takes one after the other, and rows to be tried again leave it at once."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator

from bulkroute.ledger.batches import QueuedRow
from bulkroute.run.admission import Gate, GateClosed
from bulkroute.run.delivery import Delivery, RowInWork

MOST_IN_BACKOFF = 10_000
"""Rows waiting for their next try; with more of them no new row is begun, so that memory stays flat."""


class Pool:
    """Brings rows through a gate to their outcome."""

    def __init__(
        self,
        gate: Gate,
        delivery: Delivery,
        on_error: Callable[[BaseException], None],
        most: int | None,
    ) -> None:
        """`on_error` gets what a row raised; `most` rows are begun."""
        self._gate = gate
        self._delivery = delivery
        self._on_error = on_error
        self._most = most
        self._closed = False
        self._queue: Iterator[QueuedRow] = iter(())
        self._draw: Callable[[], QueuedRow | None] = lambda: None
        self._drawn: set[int] = set()
        """Rows that were begun out of their turn, which has not come yet."""
        self._workers: set[asyncio.Task[None]] = set()
        self._later: set[asyncio.Task[None]] = set()
        """Rows whose first try has failed and that have no outcome yet."""
        self._room = asyncio.Event()
        """Set each time a task has ended."""
        self.begun = 0

    @property
    def is_full(self) -> bool:
        """Whether as many rows were begun as may be."""
        return self.begun == self._most

    async def process(self, queue: Iterator[QueuedRow], draw: Callable[[], QueuedRow | None] = lambda: None) -> None:
        """Begin rows as there is room, until there are no more or the pool is closed or full; wait for their outcomes.

        `draw` returns any one of the rows still to be sent, those in work included, if there is a quick way to do so.
        """
        self._queue = self._begin(queue)
        self._draw = draw
        self._delivery.more_rows()
        self.resize(self._gate.slots)
        await self.drain()

    def draw(self) -> RowInWork | None:
        """Return a row that is on its way to the gate, drawn from all that are not done; None if all are in flight."""
        queued = self._draw()
        if queued is not None and not self._delivery.has(queued.number) and not self._closed and not self.is_full:
            self.begun += 1
            self._drawn.add(queued.number)
            return self._begin_now(queued)
        if row := self._delivery.bring(queued.number if queued else None):
            return row
        queued = next(self._queue, None)
        return self._begin_now(queued) if queued else None

    def _begin_now(self, queued: QueuedRow) -> RowInWork:
        """Begin a row beside the workers."""
        row = self._delivery.begin(queued)
        self._start(self._process(row), self._later)
        return row

    def resize(self, slots: int) -> None:
        """Let so many calls be in flight from now on."""
        self._gate.resize(slots)
        # Workers that are too many stay: they wait at the gate as any other does.
        while len(self._workers) < slots:
            self._start(self._work(), self._workers)

    async def drain(self) -> None:
        """Wait until every row that was begun has its outcome, or was turned away by the gate."""
        while tasks := self._workers | self._later:
            await asyncio.wait(tasks)

    def close(self) -> None:
        """Begin no more rows, and close the gate."""
        self._closed = True
        self._gate.close()
        self._room.set()

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cut off the rows that are left; return their tasks."""
        tasks = [*self._workers, *self._later]
        for task in tasks:
            task.cancel()
        return tasks

    def _begin(self, queue: Iterator[QueuedRow]) -> Iterator[QueuedRow]:
        for queued in queue:
            if queued.number in self._drawn:
                self._drawn.remove(queued.number)
                continue
            if self._closed or self.is_full:
                break
            self.begun += 1
            yield queued
        self._delivery.no_more_rows()

    async def _work(self) -> None:
        for queued in self._queue:
            later = await self._delivery.deliver(self._delivery.begin(queued))
            if later is not None:
                self._start(later, self._later)
                await self._wait_for_room()

    async def _process(self, row: RowInWork) -> None:
        later = await self._delivery.deliver(row)
        if later is not None:
            await later

    async def _wait_for_room(self) -> None:
        while len(self._later) >= MOST_IN_BACKOFF and not self._closed:
            self._room.clear()
            await self._room.wait()

    def _start(self, coroutine: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(coroutine)
        tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        self._later.discard(task)
        self._room.set()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, GateClosed):
            self._on_error(error)
