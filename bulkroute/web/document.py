"""Pages in one piece: HTML that holds its styles and scripts, and the policy that lets nothing else run.

Whatever came from outside is text: in HTML escaped, in the data JSON that cannot end its element.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from string import Template
from typing import Any, NamedTuple

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
"""What both pages of a ledger use, in the order they need it."""


POLICY = '<meta http-equiv="Content-Security-Policy" content="$policy">\n'
"""The head of a page that is a file: no server says its policy."""


class Document(NamedTuple):
    """A page in one piece, with its styles and scripts, and the policy that lets nothing else run."""

    html: str
    policy: str


def document(scripts: tuple[str, ...], *, tail: str = "", **parts: str) -> Document:
    """Return the page of a ledger that `scripts` bring to life, after what both such pages use. What is passed is HTML."""
    licence = asset("vendor/uplot/LICENSE")
    tail = f"<!-- uPlot:\n{licence.replace('--', '- -')}-->\n{tail}"
    return assembled("page.html", STYLES, (*SCRIPTS, *scripts), tail=tail, **parts)


def assembled(
    page: str,
    styles: Sequence[str],
    scripts: Sequence[str],
    *,
    title: str,
    lead: str = "",
    head: str = "",
    live: str = "",
    controls: str = "",
    tail: str = "",
) -> Document:
    """Return a page made of shipped files. What is passed beside them is HTML."""
    style = "\n".join(asset(name) for name in styles)
    code = [asset(name) for name in scripts]
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {' '.join(map(_digest, code))}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    text = Template(asset(page)).substitute(
        title=title,
        lead=lead,
        head=f"{Template(head).substitute(policy=policy)}<style>{style}</style>",
        live=live,
        controls=controls,
        tail="\n".join([tail, *(f"<script>{each}</script>" for each in code)]),
    )
    return Document(text, policy)


def asset(name: str) -> str:
    """Return a file shipped with the pages."""
    return resources.files("bulkroute.web").joinpath("static", name).read_text("utf-8")


def data_of(value: Any) -> str:
    """Return the element that holds a page's data."""
    return f'<script type="application/json" id="data">{as_script_data(value)}</script>'


def as_script_data(value: Any) -> str:
    """Return JSON that may stand in a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
