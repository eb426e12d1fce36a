"""How each tenant stands, in plain values, for whoever shows a fleet: those first that need somebody's attention."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from bulkroute.errors import ExitCode
from bulkroute.fleet.walk import NOBODY_MUST_ACT, TenantWork
from bulkroute.model import route_text

TO_COME, PREPARING, ENDED = "to come", "preparing", "ended"
"""States of a tenant whose run does not go on; else it is that of the run."""


class TenantView(NamedTuple):
    """How a tenant stands. Counts are rows of its batch, rates calls per second."""

    tenant: str
    state: str
    reason: str = ""
    """Why it does not go its way, or how it ended; empty while it does."""
    total: int = 0
    done: int = 0
    failed: int = 0
    """Those refused included."""
    started_per_s: int = 0
    """Calls of the last second."""
    rate_per_s: float | None = None
    """Calls allowed; None: unlimited."""
    eta_s: float | None = None
    last_failure: str = ""
    exit_code: int | None = None
    """None until it has ended."""

    @property
    def left(self) -> int:
        """Rows without an outcome."""
        return self.total - self.done - self.failed

    @property
    def need(self) -> int:
        """How much it needs somebody's attention, the smaller the more."""
        if self.exit_code is not None:
            return 0 if self.exit_code not in NOBODY_MUST_ACT else 3 if self.exit_code else 6
        if self.state in (TO_COME, PREPARING):
            return 5 if self.state == TO_COME else 4
        return 4 if self.state == "running" and not self.failed else 2 if self.state == "running" else 1


def view_of(work: TenantWork[Any]) -> TenantView:
    """Return how far the work on a tenant is."""
    name, progress = work.tenant.name, work.progress
    failure = work.last_failure
    last = f"{route_text(failure.id, failure.number)}: {failure.error}" if failure else ""
    if work.exit_code is not None:
        ended = TenantView(name, ENDED, str(work.error or ""), work.rows, last_failure=last, exit_code=work.exit_code)
        if (found := work.summary) is None:
            return ended
        failed = found.failed + found.refused
        return ended._replace(reason=found.stopped or "", total=found.total, done=found.done, failed=failed)
    if progress is None:
        return TenantView(name, TO_COME if work.engine is None else PREPARING, total=work.rows)
    failed = progress.failed + progress.refused
    shown = TenantView(name, progress.state, progress.reason or "", progress.total, progress.done, failed)
    return shown._replace(
        started_per_s=progress.started_per_s,
        rate_per_s=progress.rate_per_s,
        eta_s=progress.fields()["eta_s"],
        last_failure=last,
    )


def by_need(views: Iterable[TenantView]) -> list[TenantView]:
    """Return those first that need somebody's attention most; alike ones stay in the fleet's order."""
    return sorted(views, key=lambda view: view.need)


class Totals(NamedTuple):
    """A fleet in a line. Counts of rows are of the tenants whose rows are known."""

    tenants: int
    ended: int
    succeeded: int
    """Tenants that ended with exit code 0."""
    total: int
    done: int
    failed: int
    started_per_s: int


def totals_of(views: Iterable[TenantView]) -> Totals:
    """Add up how the tenants stand."""
    all_views = list(views)
    return Totals(
        tenants=len(all_views),
        ended=sum(view.exit_code is not None for view in all_views),
        succeeded=sum(view.exit_code == ExitCode.DONE for view in all_views),
        total=sum(view.total for view in all_views),
        done=sum(view.done for view in all_views),
        failed=sum(view.failed for view in all_views),
        started_per_s=sum(view.started_per_s for view in all_views),
    )
