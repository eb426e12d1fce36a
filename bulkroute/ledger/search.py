"""Which rows a text finds: by the number that callers dial, the route's id, or the name of a target. Reads only."""

import re
import sqlite3
from typing import Any

from bulkroute.ledger import numbers
from bulkroute.manifest.numbers import normalised

_DIGITS = re.compile(r"[0-9*#+]+")
_WITH_EXTENSION = re.compile(r"(.+?)\s+ext\.?\s+(.+)", re.IGNORECASE)
NAMES = (
    "LEFT JOIN target AS wanted ON wanted.batch = row.batch AND wanted.devicetype = row.devicetype"
    " AND wanted.device_id = row.device_id"
    " LEFT JOIN target AS earlier ON earlier.batch = row.batch AND earlier.devicetype = row.before_devicetype"
    " AND earlier.device_id = row.before_device_id"
)
"""SQL that joins the names of a row's targets: `wanted`, and `earlier` of the one that it led to."""


def add_functions(connection: sqlite3.Connection) -> None:
    """Let SQL on this connection compare numbers and names as `condition` does."""
    numbers.add_functions(connection)
    connection.create_function("folded", 1, _folded, deterministic=True)


def condition(text: str) -> tuple[str, dict[str, Any]]:
    """Return SQL of what `text` finds of `row`, with its targets' names joined as `wanted` and `earlier`, and parameters.

    A number is compared as in manifests, wherever the text stands in it; `4008001234 ext 2` finds that extension alone.
    """
    parts = ["instr(folded(row.id), :text)", "instr(folded(wanted.name), :text)", "instr(folded(earlier.name), :text)"]
    parameters: dict[str, Any] = {"text": text.strip().casefold()}
    if with_extension := _WITH_EXTENSION.fullmatch(text.strip()):
        parts.append("(compared(row.access_code) = :access_code AND compared(row.ext_code) = :ext_code)")
        parameters |= {"access_code": normalised(with_extension[1]), "ext_code": normalised(with_extension[2])}
    elif _DIGITS.fullmatch(number := normalised(text)):
        parts.append("instr(compared(row.access_code) || compared(row.ext_code), :number)")
        parameters["number"] = number
    return f"({' OR '.join(parts)})", parameters


def _folded(text: str | None) -> str:
    return (text or "").casefold()
