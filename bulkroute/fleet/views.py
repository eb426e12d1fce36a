"""How each tenant stands, in plain values, for whoever shows a fleet: those first that need somebody's attention."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from bulkroute.errors import ExitCode
from bulkroute.fleet.walk import NOBODY_MUST_ACT, TenantWork
from bulkroute.model import route_text
from bulkroute.progress import Progress, Summary

TO_COME, PREPARING, ENDED = "to come", "preparing", "ended"
"""States of a tenant whose run does not go on; else it is that of the run."""

BROKE_OFF, ELSEWHERE, UNREADABLE = "broke off", "elsewhere", "unreadable"
"""States that only a ledger tells: killed; not ended, and on a host that cannot be looked at; it cannot be read."""


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
    asked_per_s: float | None = None
    """Calls asked for; None: unlimited."""
    host: str = ""
    """Where it is worked on, or was last; empty if that is not known."""
    ledger: str = ""
    """The ledger's path."""
    progress: Progress | None = None
    """All that its run says of itself, where that is one of this command."""
    summary: Summary | None = None
    """How that run ended."""

    @property
    def goes_on(self) -> bool:
        """Whether a run of it goes on, so that there is a rate."""
        return self.exit_code is None and self.state not in (TO_COME, PREPARING, BROKE_OFF, ELSEWHERE, UNREADABLE)

    @property
    def word(self) -> str:
        """Its state in a word or two for people: one that has ended is done, stopped (nobody must act) or failed."""
        if self.exit_code is None:
            return self.state.replace("_", " ")
        return "done" if self.exit_code == 0 else "stopped" if self.exit_code in NOBODY_MUST_ACT else "failed"

    @property
    def left(self) -> int:
        """Rows without an outcome."""
        return self.total - self.done - self.failed

    @property
    def is_here(self) -> bool:
        """Whether it is known here how it stands."""
        return self.state not in (TO_COME, ELSEWHERE)

    @property
    def need(self) -> int:
        """How much it needs somebody's attention, the smaller the more."""
        if self.exit_code is not None:
            return 0 if self.exit_code not in NOBODY_MUST_ACT else 3 if self.exit_code else 6
        if self.state in (BROKE_OFF, UNREADABLE):
            return 0
        if self.state in (TO_COME, PREPARING):
            return 5 if self.state == TO_COME else 4
        return 4 if self.state == "running" and not self.failed else 2 if self.state == "running" else 1

    def fields(self) -> dict[str, Any]:
        """Return it as plain values for machines; rates: None is unlimited, or that there is no run."""
        found = {**self._asdict(), "left": self.left}
        return {name: value for name, value in found.items() if name not in ("progress", "summary")}


def ended_view(tenant: str, summary: Summary, exit_code: int) -> TenantView:
    """Return how a tenant stands whose run has ended so."""
    failed = summary.failed + summary.refused
    ended = TenantView(tenant, ENDED, summary.stopped or "", summary.total, summary.done, failed)
    return ended._replace(exit_code=exit_code)


def state_of(work: TenantWork[Summary]) -> dict[str, Any]:
    """Return how far the work on a tenant is, for other hosts."""
    return {"view": view_of(work).fields(), "summary": work.summary.fields() if work.summary else None}


def view_of(work: TenantWork[Any]) -> TenantView:
    """Return how far the work on a tenant is."""
    name, progress, ledger = work.tenant.name, work.progress, str(work.tenant.ledger)
    failure = work.last_failure
    last = f"{route_text(failure.id, failure.number)}: {failure.error}" if failure else ""
    if work.exit_code is not None:
        if work.summary is None:
            ended = TenantView(name, ENDED, str(work.error or ""), work.rows, exit_code=work.exit_code)
        else:
            ended = ended_view(name, work.summary, work.exit_code)
        return ended._replace(last_failure=last, ledger=ledger, summary=work.summary)
    if progress is None:
        waiting = ELSEWHERE if work.is_elsewhere else TO_COME
        return TenantView(name, waiting if work.engine is None else PREPARING, total=work.rows, ledger=ledger)
    failed = progress.failed + progress.refused
    shown = TenantView(name, progress.state, progress.reason or "", progress.total, progress.done, failed)
    return shown._replace(
        started_per_s=progress.started_per_s,
        rate_per_s=progress.rate_per_s,
        eta_s=progress.fields()["eta_s"],
        last_failure=last,
        asked_per_s=progress.asked_per_s,
        ledger=ledger,
        progress=progress,
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
    states: dict[str, int]
    """Tenants by their state in a word or two, those first that need somebody's attention."""


def totals_of(views: Iterable[TenantView]) -> Totals:
    """Add up how the tenants stand."""
    all_views = by_need(views)
    return Totals(
        tenants=len(all_views),
        ended=sum(view.exit_code is not None for view in all_views),
        succeeded=sum(view.exit_code == ExitCode.DONE for view in all_views),
        total=sum(view.total for view in all_views),
        done=sum(view.done for view in all_views),
        failed=sum(view.failed for view in all_views),
        started_per_s=sum(view.started_per_s for view in all_views),
        states=dict(Counter(view.word for view in all_views)),
    )
