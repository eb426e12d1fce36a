"""The whole work on a fleet in this process: what is done for each tenant, and when no further one is begun."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from bulkroute.engine import Engine
from bulkroute.events import Event
from bulkroute.fleet.closing import TenantEnd, end_of
from bulkroute.fleet.tenants import Fleet, FleetTenant
from bulkroute.fleet.views import TenantView, view_of
from bulkroute.fleet.walk import TenantWork, Walk, own_host
from bulkroute.progress import Summary


class Verb(StrEnum):
    """What is done for each tenant that changes its routes."""

    RUN = "run"
    ROLLBACK = "rollback"


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
        fleet: Fleet,
        verb: Verb,
        *,
        at_once: int,
        most_failed: int | None,
        on_event: Callable[[str, Event], None],
        rows: Mapping[str, int],
        on_end: Callable[[TenantEnd], None] = lambda _end: None,
        is_taken: Callable[[FleetTenant], bool] | None = None,
    ) -> None:
        """`is_taken` is that of `Walk`."""
        self._tell_end = on_end
        self._walk = Walk(
            fleet,
            run_tenant if verb is Verb.RUN else roll_back_tenant,
            at_once=at_once,
            on_event=lambda tenant, event: on_event(tenant.name, event),
            on_end=self._ended,
            rows=rows,
            is_taken=is_taken,
        )
        self._failed = FailedTenants(most_failed, self._walk.close)
        self._host = own_host()
        self.go = self._walk.go
        self.close = self._walk.close
        self.interrupt = self._walk.interrupt
        self.refuse_reading = self._walk.refuse_reading
        self.ended_elsewhere = self._walk.ended_elsewhere

    def views(self) -> list[TenantView]:
        """Return how far each tenant is."""
        return [view_of(work) for work in self._walk.works]

    def ends(self) -> list[TenantEnd]:
        """Return how each tenant ended."""
        return [end_of(work, self._host) for work in self._walk.works]

    def _ended(self, work: TenantWork[Summary]) -> None:
        self._failed.ended(must_act=work.must_act)
        self._tell_end(end_of(work, self._host))
