"""What was found of each tenant without changing anything: a table with a line each, or one JSON object."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from bulkroute.fleet.walk import TenantWork
from bulkroute.output.tables import Column, Table, say, show


def print_findings(
    title: str, names: Sequence[str], found: Sequence[tuple[TenantWork[Any], tuple[int, ...]]], stream: TextIO
) -> None:
    """Print a table of what was counted, with the sums; tenants of which nothing is known below it, each with why."""
    known = [(work.tenant.name, counts) for work, counts in found if counts]
    if known:
        rows = [(name, *(f"{count:,}" for count in counts)) for name, counts in known]
        sums = (f"{sum(counts[place] for _name, counts in known):,}" for place in range(len(names)))
        columns = [Column("tenant"), *(Column(name, right=True) for name in names)]
        show(Table(title, columns, rows, foot=("total", *sums)), stream)
    for work, counts in found:
        if not counts:
            say(f"{work.tenant.name}: {work.error}", stream)


def finding_of(work: TenantWork[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was found of a tenant as plain values; `stopped` says why there is nothing."""
    stopped = None if work.error is None else str(work.error)
    return {"tenant": work.tenant.name, **fields, "stopped": stopped, "exit_code": work.exit_code}


def to_json(findings: Sequence[Mapping[str, Any]], exit_code: int) -> str:
    """Return one JSON object: `tenants` and `exit_code`."""
    return json.dumps({"tenants": findings, "exit_code": exit_code}, ensure_ascii=False)
