"""The rows in work: offered to the gate as there is room, each with a task of its own once its call may start."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial

from bulkroute.gate import Gate, GateClosed
from bulkroute.ledger.batch import Work

MOST_IN_BACKOFF = 10_000
"""Rows waiting for their next try; with more of them no new row is begun, so that memory stays flat."""


class Pool:
    """Feeds rows to a gate and keeps them until they have an outcome."""

    def __init__(
        self,
        gate: Gate,
        deliver: Callable[[Work, str], Coroutine[None, None, None]],
        failed: Callable[[BaseException], None],
        most: int | None,
    ) -> None:
        """`deliver` brings an admitted row to its outcome; `failed` gets what it raises; `most` rows are begun."""
        self._gate = gate
        self._deliver = deliver
        self._failed = failed
        self._most = most
        self._closed = False
        self._offered = 0
        """Rows at the gate whose call has not started."""
        self._tasks: set[asyncio.Task[None]] = set()
        """Rows whose call has started and that have no outcome yet."""
        self.begun = 0

    @property
    def in_backoff(self) -> int:
        """Rows that wait for their next try."""
        return max(0, self._offered + len(self._tasks) - (self._gate.slots - self._gate.room))

    @property
    def is_full(self) -> bool:
        """Whether as many rows were begun as may be."""
        return self.begun == self._most

    async def feed(self, works: Iterator[Work]) -> None:
        """Begin a row whenever there is room for it, until there are no more or the pool is closed or full."""
        for work in works:
            if self.is_full:
                return
            while not self._closed and (self._gate.room <= 0 or len(self._tasks) >= MOST_IN_BACKOFF):
                self._gate.left.clear()
                await self._gate.left.wait()
            if self._closed:
                return
            self.begun += 1
            self._offered += 1
            self._gate.offer(work.number, partial(self._start, work), self._refuse)

    async def drain(self) -> None:
        """Wait until every row that was begun has its outcome, or was turned away by the gate."""
        while self._offered or self._tasks:
            self._gate.left.clear()
            await self._gate.left.wait()

    def close(self) -> None:
        """Begin no more rows, and close the gate."""
        self._closed = True
        self._gate.close()
        self._gate.left.set()

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cut off the rows that are left; return their tasks."""
        for task in self._tasks:
            task.cancel()
        return list(self._tasks)

    def _start(self, work: Work, token: str) -> None:
        self._offered -= 1
        task = asyncio.create_task(self._deliver(work, token))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _refuse(self) -> None:
        self._offered -= 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._gate.left.set()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, GateClosed):
            self._failed(error)
