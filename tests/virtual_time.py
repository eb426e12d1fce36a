"""An event loop that does not wait: where nothing is left to do but wait for a timer, its clock jumps there.

Unmodified asyncio code runs on it, an aiohttp client and server on loopback in the same loop too: an hour of backoff
takes milliseconds. Work in executor threads takes no virtual time. Never for peers in another process: they would
see this one racing.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

TICK_S = 1e-6
"""What each turn of the loop takes, so that code that polls the clock gets on."""

SOCKET_POLL_S = 0.0005
"""Real time given to bytes on their way over loopback, before a jump."""

PATIENCE_S = 5.0
"""Real time without any event after which a loop that has no timer is given up."""


class VirtualDeadlock(RuntimeError):
    """Nothing can happen any more: no timer, no thread at work, and no socket became ready."""


class JumpingSelector(selectors.BaseSelector):
    """The system's selector, which moves the virtual clock on instead of sleeping."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now_s = 0.0
        self.jobs = 0  # in threads; while there are some, real time has to pass

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += TICK_S
        if timeout is not None and timeout <= 0:
            return self._real.select(0)
        ready = self._real.select(SOCKET_POLL_S)
        if not ready and (self.jobs or timeout is None):
            ready = self._wait()
        elif not ready and timeout is not None:
            self.now_s += timeout
        return ready

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait in real time: for as long as a thread is at work, else for `PATIENCE_S`."""
        until_s = time.monotonic() + PATIENCE_S
        while self.jobs or time.monotonic() < until_s:
            if ready := self._real.select(PATIENCE_S):
                return ready
        raise VirtualDeadlock(f"no timer is set, no thread is at work and no socket became ready in {PATIENCE_S:g} s")

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a virtual clock that begins at 0."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def stall(self, seconds: float) -> None:
        """Let time pass without the loop turning, as a blocking call would."""
        self._jumping.now_s += seconds

    def run_in_executor(  # type: ignore[override]  # typeshed's TypeVarTuple cannot be passed on
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        job = super().run_in_executor(executor, func, *args)
        self._jumping.jobs += 1
        job.add_done_callback(self._job_done)
        return job

    def _job_done(self, _job: asyncio.Future[Any]) -> None:
        self._jumping.jobs -= 1

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._jumping.jobs += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._jumping.jobs -= 1


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a new virtual loop, as `asyncio.run` would, and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
