"""The pages of a fleet: HTML in one piece, and the values that it shows."""

import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from bulkroute.fleet.views import TenantView, totals_of
from bulkroute.version import __version__
from bulkroute.web.document import Document, assembled

LEAD_BACK = '<nav class="back"><a href="{}">All tenants of the fleet</a></nav>\n'
"""Above the page of a tenant; takes where it leads."""

LINE = "t/"
"""What the name of a tenant's line begins with where each is a part of its own."""


def fleet_document(scripts: tuple[str, ...], *, title: str, **parts: str) -> Document:
    """Return the page of a fleet that `scripts` bring to life. What is passed is HTML."""
    shared = ("elements.js", "formats.js", "tables.js", "fleet_table.js")
    return assembled("fleet.html", ("page.css",), (*shared, *scripts), title=title, **parts)


def head_of(name: str, views: Sequence[TenantView]) -> dict[str, Any]:
    """Return what the page shows of the fleet as a whole; `name`: of its file."""
    totals = totals_of(views)._asdict()
    return {"made_at": time.time(), "version": __version__, "fleet": name, "totals": totals}


def lines_of(views: Sequence[TenantView], href: Callable[[TenantView], str | None]) -> list[dict[str, Any]]:
    """Return a line for each tenant; `href`: where its own page is, None if there is none."""
    return [
        {
            **view.fields(),
            "word": view.word,
            "need": view.need,
            "goes_on": view.goes_on,
            "place": place,
            "href": href(view),
        }
        for place, view in enumerate(views)
    ]


def live_page(view: TenantView) -> str:
    """Return where a tenant's live page is."""
    return f"{LINE}{quote(view.tenant, safe='')}/"
