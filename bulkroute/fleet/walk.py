"""Works through the tenants of a fleet in one process: in their order, so many at once, each by an engine of its own.

Promises that whatever becomes of one tenant, a bug included, touches no other, and that each of them has an outcome in
the end, those that were never begun too. Where other processes work on the same fleet, whoever holds a tenant's ledger
works on it; the others stand by, and go on with it should that process die.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Generic, TypeVar

from bulkroute.engine import Engine
from bulkroute.errors import BulkrouteError, ExitCode, LedgerBusy, StopKind, StoppedEarly
from bulkroute.events import Event, RowFailed, RunEnded, RunStarted, Stopping
from bulkroute.fleet.ground import EndedElsewhere, Ground
from bulkroute.fleet.tenants import Fleet, FleetTenant
from bulkroute.progress import Progress, Summary
from bulkroute.run.verbs import FLEET_STOPPED

T = TypeVar("T")
Work = Callable[[Engine, FleetTenant], Awaitable[tuple[int, T]]]
"""What is done for each tenant: returns its exit code, and what was found."""

NOBODY_MUST_ACT = frozenset({ExitCode.DONE, ExitCode.STOPPED, ExitCode.BUSY})
"""Exit codes after which the same command goes on by itself."""

BEGIN_EVERY_S = 0.01
"""How long a tenant is given to get ready before the next one begins.

Begun at once, all would go on in step, be ready when the last one is, and end together.
"""

LOOK_EVERY_S = 0.5
"""How often it is looked whether a tenant that others work on is free; none is tried again sooner."""

ANOTHER_OUTAGE_S = 60.0
"""A copy that could not be written, and was not missed for so long after that, is waited for anew."""


class TenantWork(Generic[T]):
    """One tenant, and how far the work on it is."""

    def __init__(self, tenant: FleetTenant, rows: int) -> None:
        self.tenant = tenant
        self.rows = rows
        """Of its manifest, as far as it is known."""
        self.engine: Engine | None = None
        """While it is worked on here."""
        self.is_elsewhere = False
        """Whether another process works on it."""
        self.without_copy_s: float | None = None
        """Since when the copy of its ledger cannot be written, by the loop's clock."""
        self.copy_missed_s = 0.0
        """When that was found last."""
        self.again_from_s = 0.0
        """From when it may be tried again, once another process had it, or its copy could not be written."""
        self.last_failure: RowFailed | None = None
        self.summary: Summary | None = None
        """How its run ended; None if there was none."""
        self.exit_code: int | None = None
        """None until it has ended here."""
        self.found: T | None = None
        """What was found; None where an error has ended it."""
        self.error: BaseException | None = None

    @property
    def progress(self) -> Progress | None:
        """How far its run is; None if none goes on here."""
        return self.engine.current.progress() if self.engine and self.engine.current else None

    @property
    def must_act(self) -> bool:
        """Whether it has ended so that somebody has to do something."""
        return self.exit_code is not None and self.exit_code not in NOBODY_MUST_ACT

    def end(self, task: "asyncio.Task[tuple[int, T]]", reason: str) -> None:
        """Take the end of its task; `reason`: why it was cancelled, if it was."""
        self.engine = None
        if task.cancelled():
            self.refuse(reason)
        elif error := task.exception():
            self.error = error
            self.exit_code = error.exit_code if isinstance(error, BulkrouteError) else ExitCode.BUG
        else:
            self.exit_code, self.found = task.result()

    def refuse(self, reason: str) -> None:
        """Take note that nothing was sent, and why not."""
        self.error = StoppedEarly(reason, hint="nothing was sent", stop=StopKind.SIGNAL)
        self.exit_code = ExitCode.STOPPED


class Walk(Generic[T]):
    """The work on all tenants of a fleet. For one event loop, in which it is made."""

    reading = False
    """A signal never breaks off what runs: the other tenants have to hear of it too."""

    def __init__(
        self,
        fleet: Fleet,
        work: Work[T],
        *,
        at_once: int,
        on_event: Callable[[FleetTenant, Event], None],
        on_end: Callable[[TenantWork[T]], None] = lambda _work: None,
        rows: Mapping[str, int] = MappingProxyType({}),
        ground: Ground,
    ) -> None:
        """`on_event` and `on_end` must not block. `ground`: what a tenant is worked on with, and who else may do so."""
        self.works = [TenantWork[T](tenant, rows.get(tenant.name, 0)) for tenant in fleet.tenants]
        self._work = work
        self._at_once = at_once
        self._on_event = on_event
        self._on_end = on_end
        self._ground = ground
        self._at_work: dict[asyncio.Task[tuple[int, T]], TenantWork[T]] = {}
        self._elsewhere: dict[str, TenantWork[T]] = {}
        """Those that another process works on."""
        self._stopped = ""
        """Why no further tenant is begun; empty while they are."""
        self._stirred = asyncio.Event()

    async def go(self) -> None:
        """Work until every tenant has its outcome, here or elsewhere."""
        to_come = deque(self.works)
        is_time_to_look = True
        while True:
            if is_time_to_look:
                self._take_over()
            self._begin_next(to_come)
            if not self._at_work and not self._elsewhere:
                break
            begins_more = bool(to_come) and self._has_room()
            most_s = BEGIN_EVERY_S if begins_more else LOOK_EVERY_S if self._elsewhere else None
            is_time_to_look = await self._wait(most_s) or not begins_more
            for task in [task for task in self._at_work if task.done()]:
                self._take_end(task)
        for work in to_come:
            if not work.is_elsewhere:
                work.refuse(self._stopped)
                self._on_end(work)

    async def _wait(self, most_s: float | None) -> bool:
        """Wait so long at most until a task has ended or the walk is stirred; tell whether one of them was so."""
        self._stirred.clear()
        stirred = asyncio.ensure_future(self._stirred.wait())
        try:
            done, _pending = await asyncio.wait(
                (*self._at_work, stirred), timeout=most_s, return_when=asyncio.FIRST_COMPLETED
            )
            return bool(done)
        finally:
            stirred.cancel()

    def _has_room(self) -> bool:
        return not self._stopped and len(self._at_work) < self._at_once

    def _take_over(self) -> None:
        """Go on with tenants that others have left, as far as there is room: before new ones, for they were begun."""
        now_s = asyncio.get_running_loop().time()
        for work in list(self._elsewhere.values()):
            is_free = now_s >= work.again_from_s and self._has_room() and not self._ground.is_taken(work.tenant)
            if self._stopped or is_free:
                del self._elsewhere[work.tenant.name]
                if not self._stopped:
                    self._start(work)

    def _begin_next(self, to_come: "deque[TenantWork[T]]") -> None:
        """Begin one more tenant if there is room for it."""
        while to_come and to_come[0].is_elsewhere:
            to_come.popleft()
        if to_come and self._has_room():
            self._start(to_come.popleft())

    def _start(self, work: TenantWork[T]) -> None:
        work.is_elsewhere = False
        self._at_work[asyncio.create_task(self._work_on(work), name=work.tenant.name)] = work

    def _take_end(self, task: "asyncio.Task[tuple[int, T]]") -> None:
        work = self._at_work.pop(task)
        work.is_elsewhere = False
        if not task.cancelled() and self._may_try_again(work, task.exception()):
            work.engine, work.summary, work.is_elsewhere = None, None, True
            work.again_from_s = asyncio.get_running_loop().time() + LOOK_EVERY_S
            if not isinstance(task.exception(), EndedElsewhere):
                self._elsewhere[work.tenant.name] = work
            return
        work.end(task, self._stopped)
        self._on_end(work)

    def _may_try_again(self, work: TenantWork[T], error: BaseException | None) -> bool:
        """Tell whether to stand by for a tenant that another process has, or whose copy cannot be written for now."""
        if not self._ground.is_shared or self._stopped:
            return False
        if isinstance(error, LedgerBusy):
            return True
        if not (isinstance(error, BulkrouteError) and error.stop is StopKind.COPY):
            return False
        now_s = asyncio.get_running_loop().time()
        if work.without_copy_s is None or now_s - work.copy_missed_s > ANOTHER_OUTAGE_S:
            work.without_copy_s = now_s
        work.copy_missed_s = now_s
        return now_s - work.without_copy_s < work.tenant.settings.max_throttle_wait_s

    async def _work_on(self, work: TenantWork[T]) -> tuple[int, T]:
        tenant = work.tenant
        async with self._ground.enter(tenant) as footing:
            tell = partial(self._tell, work)
            async with Engine(tenant.settings, on_event=tell, limit=footing.limit, copy=footing.copy) as engine:
                work.engine = engine
                async with footing.watch(engine):
                    return await self._work(engine, tenant)

    def _tell(self, work: TenantWork[T], event: Event) -> None:
        if isinstance(event, RunStarted):
            work.without_copy_s = None
        elif isinstance(event, RowFailed):
            work.last_failure = event
        elif isinstance(event, RunEnded):
            work.summary = event.summary
        elif isinstance(event, Stopping) and event.reason == FLEET_STOPPED:
            self.stop_all(event.reason)
        self._on_event(work.tenant, event)

    def stop_all(self, reason: str) -> None:
        """Begin no further tenant, and stop those that could not be told: they get ready, or were begun meanwhile."""
        if self._stopped == reason:
            return
        self._stopped = reason
        self._stirred.set()
        for task, work in self._at_work.items():
            if work.engine is None or work.engine.current is None:
                task.cancel()
            else:
                work.engine.current.stop(StopKind.CTL, reason)

    def ended_elsewhere(self, name: str) -> None:
        """Take note that another process has brought a tenant to its end: nothing is left to do about it here."""
        self._elsewhere.pop(name, None)
        for work in self.works:
            if work.tenant.name == name and work.exit_code is None:
                work.is_elsewhere = True
        self._stirred.set()

    def close(self, reason: str) -> None:
        """Begin no further tenant; those under way go on."""
        self._stopped = self._stopped or reason
        self._stirred.set()

    def refuse_reading(self) -> None:
        """Take no further manifest in."""
        for work in self._at_work.values():
            if work.engine is not None:
                work.engine.refuse_reading()

    def interrupt(self, reason: str) -> bool:
        """Stop all tenants in good order, the second time at once; begin no further one."""
        self.close(reason)
        for task, work in self._at_work.items():
            if work.engine is None or not work.engine.interrupt(reason):
                task.cancel()
        return True


def exit_code_of(codes: Iterable[int]) -> ExitCode:
    """Return the exit code of a fleet whose tenants ended with these: 0, 4 where nobody must act, else 1."""
    found = set(codes)
    if found <= {ExitCode.DONE}:
        return ExitCode.DONE
    return ExitCode.STOPPED if found <= NOBODY_MUST_ACT else ExitCode.SOME_FAILED
