"""The rows in work: a worker for each slot takes one after the other, and rows to be tried again leave it at once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator

from bulkroute.cec.service import Feedback, Service
from bulkroute.ledger.batches import Work
from bulkroute.ledger.journal import Journal
from bulkroute.run.admission import Gate, GateClosed
from bulkroute.run.delivery import Delivery, Later

MOST_IN_BACKOFF = 10_000
"""Rows waiting for their next try; with more of them no new row is begun, so that memory stays flat."""


class Pool:
    """Brings rows through a gate to their outcome."""

    def __init__(
        self,
        gate: Gate,
        deliver: Callable[[Work, str], Awaitable[Later | None]],
        on_error: Callable[[BaseException], None],
        most: int | None,
    ) -> None:
        """`deliver` makes the first try of an admitted row; `on_error` gets what is raised; `most` rows are begun."""
        self._gate = gate
        self._deliver = deliver
        self._on_error = on_error
        self._most = most
        self._closed = False
        self._works: Iterator[Work] = iter(())
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

    async def work_off(self, works: Iterator[Work]) -> None:
        """Begin rows as there is room, until there are no more or the pool is closed or full; wait for their outcomes."""
        self._works = self._begin(works)
        self.resize(self._gate.slots)
        await self.drain()

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

    def _begin(self, works: Iterator[Work]) -> Iterator[Work]:
        for work in works:
            if self._closed or self.is_full:
                return
            self.begun += 1
            yield work

    async def _work(self) -> None:
        for work in self._works:
            token = await self._gate.enter(work.number)
            later = await self._deliver(work, token)
            if later is not None:
                self._start(later, self._later)
                await self._wait_for_room()

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


class Sending:
    """The three, and the two loops of the gate, which run from `start` to `end`."""

    def __init__(
        self,
        service: Service,
        journal: Journal,
        feedback: Feedback,
        on_error: Callable[[BaseException], None],
    ) -> None:
        """`on_error` gets what a row, or a loop of the gate, raised."""
        settings = service.settings
        self.gate = Gate(settings.concurrency, service.pacer, journal, service.tokens)
        self.delivery = Delivery(service, self.gate, journal, feedback)
        self.pool = Pool(self.gate, self.delivery.deliver, on_error, settings.max_rows)
        self._on_error = on_error
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Open the gate."""
        self._loops = [
            asyncio.create_task(self.gate.stage(), name="gate: stage"),
            asyncio.create_task(self.gate.start(), name="gate: start"),
        ]
        for loop in self._loops:
            loop.add_done_callback(self._loop_ended)

    async def end(self) -> None:
        """Cut off what is left, and wait for the end of that."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, *self.pool.cancel(), return_exceptions=True)

    def _loop_ended(self, loop: asyncio.Task[None]) -> None:
        if not loop.cancelled() and (error := loop.exception()) is not None:
            self._on_error(error)
