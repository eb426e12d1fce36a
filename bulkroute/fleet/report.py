"""The report of a fleet: a page with a line a tenant, and beside it the report of each, all in one folder.

It is made from the ledgers, and from what runs that go on answer; each page opens offline, by itself.
"""

import html
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from bulkroute.fleet.page import LEAD_BACK, fleet_document, head_of, lines_of
from bulkroute.fleet.status_table import describe_rows, describe_states
from bulkroute.fleet.views import TenantView, totals_of
from bulkroute.ledger.ledger import Ledger
from bulkroute.web.document import POLICY, data_of
from bulkroute.web.report import page_of

INDEX = "index.html"

TENANTS = "tenants"
"""The folder of their reports, within that of the fleet's."""


def page_name(tenant: str) -> str:
    """Return the path of a tenant's report within the folder."""
    return f"{TENANTS}/{tenant}.html"


def index_page(name: str, views: Sequence[TenantView], pages: frozenset[str]) -> str:
    """Return the page of all tenants; `name`: of the fleet file, `pages`: the tenants that have one of their own."""
    totals = totals_of(views)
    lines = lines_of(views, lambda view: quote(page_name(view.tenant)) if view.tenant in pages else None)
    return fleet_document(
        ("fleet_report.js",),
        title=html.escape(f"{name}: report"),
        lead=html.escape(f"{describe_states(totals)}. {describe_rows(totals, views)}."),
        head=POLICY,
        tail=data_of({**head_of(name, views), "lines": lines}),
    ).html


def tenant_page(ledger: Path) -> str:
    """Return the report of a tenant, which leads back to that of the fleet. Raises LedgerError."""
    with Ledger(ledger).read() as reader:
        return page_of(reader, live=LEAD_BACK.format(f"../{INDEX}"))
