"""The report: one HTML file that holds all it needs, made from the ledger alone."""

import html
from typing import Any

from bulkroute.ledger.batches import Which
from bulkroute.ledger.reader import LedgerReader
from bulkroute.web.document import POLICY, data_of, document
from bulkroute.web.page_data import Snapshots

MOST_FAILED_ROWS = 20_000
"""Failed rows that are put into the page, about 100 bytes each; `export --status failed` has all of them."""


def page_of(ledger: LedgerReader, number: int | None = None, *, live: str = "") -> str:
    """Return the report of the batch of that number, or of the one that `watch` would show; `live`: HTML above it.

    Raises LedgerError, and UsageError if there is no such batch.
    """
    which = Which.SHOWN if number is None else number
    return render(Snapshots(ledger).read(which, failed_rows=MOST_FAILED_ROWS), live=live)


def render(snapshot: dict[str, Any], *, live: str = "") -> str:
    """Return the page for a snapshot."""
    return document(
        ("report.js",),
        title=html.escape(f"{snapshot['manifest']}: report"),
        lead=html.escape(_lead(snapshot)),
        head=POLICY,
        live=live,
        tail=data_of(snapshot),
    ).html


def _lead(snapshot: dict[str, Any]) -> str:
    """Return the outcome in one sentence, for whoever reads it without scripts."""
    counts = snapshot["counts"]
    done = counts["succeeded"] + counts["unchanged"] + counts["skipped"]
    left = counts["pending"] + counts["in_doubt"]
    refused = f", {counts['refused']:,} refused" if counts["refused"] else ""
    return f"{done:,} of {counts['total']:,} rows done, {counts['failed']:,} failed{refused}, {left:,} left."
