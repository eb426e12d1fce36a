"""The report: one HTML file that holds all it needs, made from the ledger alone.

Whatever came from outside is text: in HTML escaped, in the data JSON that cannot end its element. The page's policy
lets nothing run but the scripts that are shipped with bulkroute, and fetches nothing.
"""

import base64
import hashlib
import html
import json
from importlib import resources
from string import Template
from typing import Any, NamedTuple

from bulkroute.ledger.batches import Which
from bulkroute.ledger.reader import LedgerReader
from bulkroute.web.page_data import Snapshots

MOST_FAILED_ROWS = 20_000
"""Failed rows that are put into the page, about 100 bytes each; `export --status failed` has all of them."""

STYLES = ("vendor/uplot/uPlot.min.css", "page.css")
SCRIPTS = (
    "vendor/uplot/uPlot.iife.min.js",
    "elements.js",
    "formats.js",
    "tables.js",
    "plots.js",
    "charts.js",
    "failures.js",
    "outcome.js",
    "page.js",
)
"""What both pages use, in the order they need it."""


class Document(NamedTuple):
    """A page in one piece, with its styles and scripts, and the policy that lets nothing else run."""

    html: str
    policy: str


def document(
    scripts: tuple[str, ...],
    *,
    title: str,
    lead: str = "",
    head: str = "",
    live: str = "",
    controls: str = "",
    tail: str = "",
) -> Document:
    """Return the page that `scripts` bring to life, after what both pages use. What is passed is HTML."""
    style = "\n".join(asset(name) for name in STYLES)
    code = [asset(name) for name in (*SCRIPTS, *scripts)]
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {' '.join(map(_digest, code))}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    licence = asset("vendor/uplot/LICENSE")
    text = Template(asset("page.html")).substitute(
        title=title,
        lead=lead,
        head=f"{Template(head).substitute(policy=policy)}<style>{style}</style>",
        live=live,
        controls=controls,
        tail="\n".join(
            [f"<!-- uPlot:\n{licence.replace('--', '- -')}-->", tail, *(f"<script>{each}</script>" for each in code)]
        ),
    )
    return Document(text, policy)


def asset(name: str) -> str:
    """Return a file shipped with the pages."""
    return resources.files("bulkroute.web").joinpath("static", name).read_text("utf-8")


def page_of(ledger: LedgerReader, number: int | None = None) -> str:
    """Return the report of the batch of that number, or of the one that `watch` would show.

    Raises LedgerError, and UsageError if there is no such batch.
    """
    which = Which.SHOWN if number is None else number
    return render(Snapshots(ledger).read(which, failed_rows=MOST_FAILED_ROWS))


def render(snapshot: dict[str, Any]) -> str:
    """Return the page for a snapshot."""
    return document(
        ("report.js",),
        title=html.escape(f"{snapshot['manifest']}: report"),
        lead=html.escape(_lead(snapshot)),
        head='<meta http-equiv="Content-Security-Policy" content="$policy">\n',
        tail=f'<script type="application/json" id="data">{as_script_data(snapshot)}</script>',
    ).html


def as_script_data(value: Any) -> str:
    """Return JSON that may stand in a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _lead(snapshot: dict[str, Any]) -> str:
    """Return the outcome in one sentence, for whoever reads it without scripts."""
    counts = snapshot["counts"]
    done = counts["succeeded"] + counts["unchanged"] + counts["skipped"]
    left = counts["pending"] + counts["in_doubt"]
    refused = f", {counts['refused']:,} refused" if counts["refused"] else ""
    return f"{done:,} of {counts['total']:,} rows done, {counts['failed']:,} failed{refused}, {left:,} left."


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
