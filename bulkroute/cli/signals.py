"""SIGINT, SIGTERM, and SIGHUP of a terminal that is gone: the first stops in good order, the second at once, whatever the command is doing.

before the loop, or while a manifest is taken in    StoppedEarly is raised on the spot: nothing was sent
in the loop, no run yet (live bindings are read)    the command is cancelled: nothing was sent
in a run                                            Run.stop, then Run.abort
after it, while hooks are waited for                they are cut off; the exit code stays
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol, TypeVar

from bulkroute.errors import ExitCode, StopKind, StoppedEarly
from bulkroute.run.loop import run_in_loop

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptible(Protocol):
    """What a signal may stop: an engine, or a whole fleet."""

    @property
    def reading(self) -> bool:
        """Whether plain code runs that lets nothing else happen, and may be broken off."""

    def refuse_reading(self) -> None:
        """Begin no such code from now on."""

    def interrupt(self, reason: str) -> bool:
        """Stop in good order, the second time at once; False if nothing has begun: then the command is cancelled."""


class Interrupts:
    """Takes the signals of one command."""

    def __init__(self) -> None:
        self.work: Interruptible | None = None
        """What to stop, once there is anything."""
        self.blocking = False
        """Whether plain code runs, that no event loop could interrupt."""
        self._cancel: Callable[[], None] | None = None
        self._name = ""
        self._count = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take the signals for the block."""
        ours = list(SIGNALS)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            ours.remove(signal.SIGHUP)  # nohup
        before = {number: signal.signal(number, self._on_signal) for number in ours}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in an event loop."""
        guarded = self._guard(main)
        try:
            return run_in_loop(guarded)
        except asyncio.CancelledError:
            raise self._interrupted() from None
        finally:
            for each in (guarded, main):
                each.close()  # where a signal came before the loop began it: Python would complain

    async def _guard(self, main: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None  # noqa: S101 -- a coroutine that runs is in a task

        def cancel() -> None:
            loop.call_soon_threadsafe(self._in_loop, task)

        self._cancel = cancel
        return await main

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._name = signal.Signals(number).name
        self._count += 1
        if self.blocking or self._cancel is None or (self.work is not None and self.work.reading):
            raise self._interrupted()
        if self._count > 2:
            os._exit(ExitCode.STOPPED)  # not even the second was heard; the ledger tells the truth as it is
        if self.work is not None:
            self.work.refuse_reading()
        self._cancel()

    def _in_loop(self, task: "asyncio.Task[Any]") -> None:
        if self.work is None or not self.work.interrupt(f"interrupted by {self._name}"):
            task.cancel()

    def _interrupted(self) -> StoppedEarly:
        return StoppedEarly(f"interrupted by {self._name}", hint="nothing was sent", stop=StopKind.SIGNAL)
