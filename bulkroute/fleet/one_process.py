"""The whole work on a fleet in this process: what is done for each tenant, and when no further one is begun."""

import contextlib
import socket
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkroute.engine import Engine
from bulkroute.errors import BulkrouteError, StopKind
from bulkroute.events import WARNING, Event, Notice
from bulkroute.fleet.closing import TenantEnd, end_of, ended_without_run
from bulkroute.fleet.ground import Here, Others
from bulkroute.fleet.tenants import Fleet, FleetTenant
from bulkroute.fleet.views import TenantView, ended_view, state_of, view_of
from bulkroute.fleet.walk import NOBODY_MUST_ACT, TenantWork, Walk
from bulkroute.progress import Summary

if TYPE_CHECKING:
    from bulkroute.fleet.hosts import Hosts
    from bulkroute.postgres.stored import Seen


class Verb(StrEnum):
    """What is done for each tenant that changes its routes."""

    RUN = "run"
    ROLLBACK = "rollback"


class Order(NamedTuple):
    """What is to be done for a fleet."""

    fleet: Fleet
    verb: Verb
    at_once: int
    """Tenants that are worked on at the same time."""
    rows: dict[str, int]
    """Of each tenant's manifest, as far as they are known."""
    most_failed: int | None = None
    """So many tenants for which somebody must act end the work; None: none do."""
    on: str | None = None
    """The database that other hosts share."""


async def run_tenant(engine: Engine, tenant: FleetTenant) -> tuple[int, Summary]:
    """Run a tenant's manifest."""
    summary = await engine.run(tenant.manifest, ledger=tenant.ledger, format=tenant.format)
    return summary.exit_code or 0, summary


async def roll_back_tenant(engine: Engine, tenant: FleetTenant) -> tuple[int, Summary]:
    """Roll back a tenant's latest batch."""
    summary = await engine.rollback(tenant.ledger)
    return summary.exit_code or 0, summary


class FailedTenants:
    """Counts the tenants for which somebody must act, and says when no further one is to be begun."""

    def __init__(self, most: int | None, close: Callable[[str], None]) -> None:
        self._most = most
        self._close = close
        self._failed = 0

    def ended(self, *, must_act: bool) -> None:
        """Take note of the end of a tenant."""
        self._failed += must_act
        if self._most is not None and self._failed >= self._most:
            self._close(f"--max-failed-tenants {self._most} is reached")


class OneProcess:
    """Works on all tenants in this process."""

    reading = False

    def __init__(
        self,
        order: Order,
        on_event: Callable[[str, Event], None],
        *,
        on_end: Callable[[TenantEnd], None] = lambda _end: None,
        others: Others | None = None,
    ) -> None:
        """`others`: what is known of other processes here.

        Raises UsageError for an address that is none, and for two tenants that are one in the database.
        """
        fleet = self._fleet = order.fleet
        self._tell_end = on_end
        self._on_event = on_event
        self._hosts = self._on_hosts(order.on) if order.on else None
        self._walk = Walk(
            fleet,
            run_tenant if order.verb is Verb.RUN else roll_back_tenant,
            at_once=order.at_once,
            on_event=lambda tenant, event: on_event(tenant.name, event),
            on_end=self._ended,
            rows=order.rows,
            ground=self._hosts or Here(fleet.limits, others),
        )
        self._works = {work.tenant.name: work for work in self._walk.works}
        self._there: dict[str, TenantEnd] = {}
        """How tenants ended that other hosts have worked on."""
        self._failed = FailedTenants(order.most_failed, self._walk.close)
        self._host = socket.gethostname()
        self.close = self._walk.close
        self.interrupt = self._walk.interrupt
        self.stop_all = self._walk.stop_all
        self.refuse_reading = self._walk.refuse_reading
        self.ended_elsewhere = self._walk.ended_elsewhere

    def _on_hosts(self, on: str) -> "Hosts":
        from bulkroute.fleet.hosts import Hosts, Told  # here, since only who asks for it needs psycopg

        told = Told(
            self._state_of, lambda name, text: self._on_event(name, Notice(f"{WARNING}{text}")), self._ended_there
        )
        return Hosts(on, self._fleet.tenants, self._fleet.limits, told)

    async def go(self) -> None:
        """Work until every tenant has its outcome. Raises UsageError and StoppedEarly for the database, before anything."""
        async with self._hosts or contextlib.nullcontext():
            await self._walk.go()

    def views(self) -> list[TenantView]:
        """Return how far each tenant is."""
        return [self._view(work) for work in self._walk.works]

    def _view(self, work: TenantWork[Summary]) -> TenantView:
        there = self._there.get(work.tenant.name)
        if there is None or work.exit_code is not None:
            return view_of(work)
        return ended_view(work.tenant.name, there.summary, there.exit_code)._replace(host=there.host)

    def ends(self) -> list[TenantEnd]:
        """Return how each tenant ended."""
        return [self._end(work) for work in self._walk.works]

    def _end(self, work: TenantWork[Summary]) -> TenantEnd:
        there = self._there.get(work.tenant.name)
        return there if there is not None and work.exit_code is None else end_of(work, self._host)

    def _ended(self, work: TenantWork[Summary]) -> None:
        self._failed.ended(must_act=work.must_act)
        self._tell_end(end_of(work, self._host))

    def _ended_there(self, name: str, seen: "Seen") -> None:
        """Take note of a tenant that another host has brought to its end."""
        work = self._works[name]
        if work.exit_code is not None:
            return
        end = self._there[name] = TenantEnd(name, seen.host, _summary_of(work.tenant, seen))
        self._walk.ended_elsewhere(name)
        self._failed.ended(must_act=end.exit_code not in NOBODY_MUST_ACT)
        self._tell_end(end)

    def _state_of(self, name: str) -> Mapping[str, Any]:
        """Return how far a tenant is, for other hosts."""
        return state_of(self._works[name])


def _summary_of(tenant: FleetTenant, seen: "Seen") -> Summary:
    """Return the summary that another host has left of a tenant."""
    state = seen.state or {}
    if state.get("summary"):
        return Summary.from_fields(state["summary"])
    stop = next((kind for kind in StopKind if kind == state.get("stop")), StopKind.BUG)
    said = state.get("stopped")  # with what to do next
    error = BulkrouteError(said or f"ended at {seen.host}", hint="" if said else "see its ledger there", stop=stop)
    return ended_without_run(tenant, error)
