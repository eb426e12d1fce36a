"""How a fleet's run ended: a line for each tenant that is not done, the totals, one JSON object for machines."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TextIO

from bulkroute.errors import BulkrouteError, ExitCode, LedgerBusy, StopKind
from bulkroute.fleet.tenants import FleetTenant
from bulkroute.fleet.walk import NOBODY_MUST_ACT, TenantWork, exit_code_of
from bulkroute.ledger.status import ended_by
from bulkroute.output.tables import Column, Table, advise, say, show
from bulkroute.progress import Summary

ADDED = ("total", "succeeded", "unchanged", "skipped", "failed", "refused", "pending", "in_doubt", "attempts")
"""What the totals add up, of the tenants' summaries."""

STANDING = "`bulkroute fleet status` shows how far it is"


class TenantEnd(NamedTuple):
    """How a tenant ended, and where it was worked on."""

    tenant: str
    host: str
    summary: Summary

    @property
    def exit_code(self) -> int:
        """As the same run alone would have ended."""
        return self.summary.exit_code or 0

    def fields(self) -> dict[str, Any]:
        """Return it as plain values: the summary's, with the host."""
        return {
            "tenant": self.tenant,
            "host": self.host,
            **{k: v for k, v in self.summary.fields().items() if k != "tenant"},
        }


def end_of(work: TenantWork[Any], host: str) -> TenantEnd:
    """Return how the work on a tenant ended; where there was no run, how its ledger stands."""
    summary = work.summary
    if summary is None:
        summary = ended_without_run(work.tenant, work.error)
    return TenantEnd(work.tenant.name, host, summary)


def ended_without_run(tenant: FleetTenant, error: BaseException | None) -> Summary:
    """Return how a tenant's ledger stands that an error has kept from a run."""
    if error is None:
        error = LedgerBusy("another process works on it", where=tenant.name, hint=STANDING)
    if not isinstance(error, BulkrouteError):
        error = BulkrouteError(f"a bug in bulkroute: {error!r}", hint="please report it", stop=StopKind.BUG)
    return ended_by(error, tenant.ledger, tenant=tenant.name, note=tenant.settings.note)


class FleetEnd(NamedTuple):
    """How all of them ended, in the fleet's order."""

    ends: Sequence[TenantEnd]

    @property
    def exit_code(self) -> ExitCode:
        """0 if all are 0, 4 where nobody must act but rows are left, else 1."""
        return exit_code_of(end.exit_code for end in self.ends)

    def totals(self) -> dict[str, int]:
        """Return the rows of all tenants by what became of them, and how many tenants there are."""
        rows = {name: sum(getattr(end.summary, name) for end in self.ends) for name in ADDED}
        done = sum(end.exit_code == ExitCode.DONE for end in self.ends)
        return {"tenants": len(self.ends), "tenants_done": done, **rows}

    def to_json(self) -> str:
        """Return one JSON object: `tenants`, `totals`, `exit_code`, and `stopped`: why no tenant was begun."""
        tenants = [end.fields() for end in self.ends]
        record = {"tenants": tenants, "totals": self.totals(), "exit_code": int(self.exit_code), "stopped": None}
        return json.dumps(record, ensure_ascii=False)


def never_begun(error: BulkrouteError) -> str:
    """Return the JSON object of a fleet that an error has kept from its first tenant."""
    record = {"tenants": [], "totals": FleetEnd([]).totals(), "exit_code": int(error.exit_code), "stopped": str(error)}
    return json.dumps(record, ensure_ascii=False)


def print_closing(end: FleetEnd, again: str, stream: TextIO) -> None:
    """Print a line for each tenant that is not done, the worst first, the totals, and the command that goes on."""
    undone = sorted((each for each in end.ends if each.exit_code), key=lambda each: each.exit_code in NOBODY_MUST_ACT)
    if undone:
        columns = [Column("tenant"), *(Column(name, right=True) for name in ("exit", "done", "failed", "left"))]
        show(Table("tenants that are not done", [*columns, Column("why")], [_cells(each) for each in undone]), stream)
    say(closing_line(end), stream)
    if undone:
        advise("go on", again, len("go on"), stream)


def closing_line(end: FleetEnd) -> str:
    """Return how the fleet ended in one line."""
    found = end.totals()
    done = found["succeeded"] + found["unchanged"] + found["skipped"]
    failed, left = found["failed"] + found["refused"], found["pending"] + found["in_doubt"]
    tenants = f"{found['tenants_done']:,} of {found['tenants']:,} tenants done"
    return f"{tenants}; {done:,} of {found['total']:,} rows done, {failed:,} failed, {left:,} left; {found['attempts']:,} calls"


def _cells(end: TenantEnd) -> tuple[str, ...]:
    found = end.summary
    failed, left = found.failed + found.refused, found.pending + found.in_doubt
    numbers = (f"{number:,}" for number in (end.exit_code, found.done, failed, left))
    return (end.tenant, *numbers, found.stopped or _commonest(found))


def _commonest(summary: Summary) -> str:
    if not summary.failures:
        return ""
    kind, rows = max(summary.failures.items(), key=lambda each: each[1])
    return f"mostly {kind} ({rows:,})"
