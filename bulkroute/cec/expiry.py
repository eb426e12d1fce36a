"""When answers are waited for no longer: one timer for all calls that are under way, however many there are.

A timer for each call would be set and taken back thousands of times a second, and hardly ever go off.
"""

import asyncio
import math
from collections.abc import Callable, Hashable
from typing import Protocol

STALL_S = 0.5
"""A timer that goes off so late shows that the process was stopped, or the loop held up: answers may have come since."""
READ_S = 0.1
"""So long they are read before anybody is called overdue. The first look after a stop sees none (epoll_wait, EINTR)."""


class Waiting(Hashable, Protocol):
    """What an answer is waited for on, as aiohttp's connections are."""

    def set_exception(self, error: BaseException, /) -> None:
        """End the waiting with an error."""


class Expiry:
    """Ends the waiting of whoever is overdue, with an error made for it. Times are those of the event loop's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, error: Callable[[], BaseException]) -> None:
        self._loop = loop
        self._error = error
        self._due_s: dict[Waiting, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._goes_off_s = math.inf

    def begin(self, waiting: Waiting, due_s: float) -> None:
        """End the waiting at `due_s`, unless `end` is called before."""
        self._due_s[waiting] = due_s
        if due_s < self._goes_off_s:
            self._set_timer(due_s)

    def end(self, waiting: Waiting) -> None:
        """Let it be: the answer is there, or nobody waits for it any more."""
        # The timer stays: when it goes off, it is set for whoever is next by then.
        self._due_s.pop(waiting, None)

    def _set_timer(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._goes_off_s = due_s
        self._timer = self._loop.call_at(due_s, self._go_off)

    def _go_off(self) -> None:
        now_s, late_s = self._loop.time(), self._loop.time() - self._goes_off_s
        self._timer, self._goes_off_s = None, math.inf
        if late_s > STALL_S:
            self._set_timer(now_s + READ_S)
            return
        for waiting in [waiting for waiting, due_s in self._due_s.items() if due_s <= now_s]:
            del self._due_s[waiting]
            waiting.set_exception(self._error())
        if self._due_s:
            self._set_timer(min(self._due_s.values()))
