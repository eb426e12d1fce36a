"""How the tenants of a fleet stand, read from outside: a run that goes on is asked, for any other its ledger is read.

It changes nothing, needs no credentials, and does not mind which process or which command works on a tenant. What one
tenant's ledger or run does not answer is said of that tenant and keeps nobody from the others.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bulkroute.errors import BulkrouteError
from bulkroute.fleet.views import (
    BROKE_OFF,
    ELSEWHERE,
    ENDED,
    PREPARING,
    TO_COME,
    UNREADABLE,
    TenantView,
)
from bulkroute.ledger import lock
from bulkroute.ledger.batches import Which
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.reader import BatchReader
from bulkroute.ledger.runs import RunRecord, RunState
from bulkroute.ledger.status import state_of
from bulkroute.model import route_text
from bulkroute.run import control

AT_ONCE = 8
"""Tenants that are asked or read at the same time."""

ANSWER_WITHIN_S = 2.0
"""A run that takes longer to answer is shown as its ledger has it."""

SETTLED_S = 1.0
"""A file that was written later than so long ago may be written again within one tick of its file system's clock."""

MOST_WAITS = 20


class TenantLedger(NamedTuple):
    """A tenant of a fleet, and where it is recorded."""

    tenant: str
    ledger: Path


class _Known:
    """What was read of a tenant last."""

    def __init__(self) -> None:
        self.stamp: object = None
        """Of the ledger's files when `view` was read; None: it has to be read again."""
        self.view: TenantView | None = None
        self.failed = 0
        """Rows that had failed when `failure` was read."""
        self.failure = ""


class Standing:
    """How each tenant stands, read again and again: a ledger that has not changed is not read again."""

    def __init__(self, tenants: Sequence[TenantLedger]) -> None:
        self.tenants = tenants
        self._known = {each.tenant: _Known() for each in tenants}
        self._host = socket.gethostname()

    async def read(self) -> list[TenantView]:
        """Return how they stand now, in the fleet's order."""
        places = asyncio.Semaphore(AT_ONCE)

        async def look(each: TenantLedger) -> TenantView:
            async with places:
                return await self._look(each)

        return list(await asyncio.gather(*map(look, self.tenants)))

    async def _look(self, each: TenantLedger) -> TenantView:
        known, holder = self._known[each.tenant], lock.holder(each.ledger)
        if holder is not None and holder.process.is_here:
            with contextlib.suppress(BulkrouteError, TimeoutError):  # then its ledger tells
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    answer = await control.ask(each.ledger, "status")
                view = self._view_of_answer(each, answer)
                if view.failed != known.failed:
                    known.failure = await asyncio.to_thread(_last_failure, each.ledger)
                    known.failed = view.failed
                return view._replace(last_failure=known.failure if view.failed else "")
        stamp = (holder, _stamp(each.ledger))
        if known.view is None or known.stamp != stamp:
            known.view = await asyncio.to_thread(view_of_ledger, each)
            # Stamped as it was before: what is written meanwhile is read the next time.
            is_settled = all(time.time() - changed_ns / 1e9 > SETTLED_S for _, _, changed_ns in stamp[1])
            known.stamp = stamp if is_settled and not known.view.goes_on else None
        return known.view

    def _view_of_answer(self, each: TenantLedger, answer: Mapping[str, Any]) -> TenantView:
        """Return how a run says it stands."""
        failed = answer["failed"] + answer["refused"]
        shown = TenantView(
            each.tenant, answer["state"], answer["reason"] or "", answer["total"], answer["done"], failed
        )
        return shown._replace(
            started_per_s=answer["started_per_s"],
            rate_per_s=answer["rate_per_s"],
            asked_per_s=answer["asked_per_s"],
            eta_s=answer["eta_s"],
            host=self._host,
            ledger=str(each.ledger),
        )


def view_of_ledger(each: TenantLedger) -> TenantView:
    """Return how a tenant stands as its ledger has it; one that cannot be read is said so of."""
    nothing = TenantView(each.tenant, TO_COME, ledger=str(each.ledger))
    held = lock.holder(each.ledger)
    if held is not None:
        nothing = nothing._replace(state=PREPARING, host=held.process.host)
    if not each.ledger.exists():
        return nothing
    try:
        with Ledger(each.ledger).read() as reader, reader.at_one_moment():
            batch = reader.find_batch(Which.SHOWN)
            return nothing if batch is None else _view_of_batch(batch, nothing, held)
    except BulkrouteError as error:
        # One that is being made is not ready to be read.
        return nothing if held is not None else nothing._replace(state=UNREADABLE, reason=str(error))


def _view_of_batch(batch: BatchReader, nothing: TenantView, held: lock.Holder | None) -> TenantView:
    counts, runs = batch.counts(), batch.runs()
    failed = counts.failed + counts.refused
    view = nothing._replace(total=counts.total, done=counts.done, failed=failed)
    if failed:
        view = view._replace(last_failure=_failure_of(batch))
    if (state := state_of(runs, batch.path, held)) is None:
        return view
    last = runs[-1]
    view = view._replace(host=last.host)
    if state is RunState.ENDED:
        if held is not None and held.process.is_here:  # the next run gets ready
            return view
        reason = ": ".join(filter(None, ("rollback" * (batch.parent is not None), last.stopped)))
        return view._replace(state=ENDED, reason=reason, exit_code=last.exit_code)
    if state is RunState.ELSEWHERE:
        return view._replace(state=ELSEWHERE, reason=f"it goes on at {last.host}, or was killed there")
    if state is RunState.KILLED:
        return view._replace(state=BROKE_OFF, reason="without a word; the same command again resumes")
    return _going_on(batch, last, view)


def _going_on(batch: BatchReader, run: RunRecord, view: TenantView) -> TenantView:
    """Return how a run is doing that does not answer itself: its rate is the mean since it began."""
    waits = [wait.reason for wait in batch.waits(MOST_WAITS) if wait.run == run.run and wait.ended_at is None]
    seconds = max(1.0, time.time() - run.started_at)
    pace_per_s = batch.end_of(run).calls.attempts / seconds
    return view._replace(
        state="waiting" if waits else "running",
        reason="; ".join(waits),
        started_per_s=round(pace_per_s),
        rate_per_s=run.rate,
        asked_per_s=run.rate,
        eta_s=view.left / pace_per_s if pace_per_s and not waits else None,
    )


def _last_failure(ledger: Path) -> str:
    """Return why the last row failed; nothing where the ledger cannot be read just now."""
    with contextlib.suppress(BulkrouteError), Ledger(ledger).read() as reader:
        batch = reader.find_batch(Which.SHOWN)
        return _failure_of(batch) if batch else ""
    return ""


def _failure_of(batch: BatchReader) -> str:
    found = batch.last_failure()
    return f"{route_text(found.example_id, found.example_number)}: {found.error}" if found else ""


def _stamp(ledger: Path) -> tuple[tuple[int, int, int], ...]:
    """Return what tells the ledger from what it was: inode, size, and when it was written (ns), and of its log.

    An empty log is nothing: whoever reads makes one.
    """
    found = []
    for file in (ledger, ledger.with_name(f"{ledger.name}-wal")):
        with contextlib.suppress(OSError):
            seen = file.stat()
            if seen.st_size:
                found.append((seen.st_ino, seen.st_size, seen.st_mtime_ns))
    return tuple(found)
