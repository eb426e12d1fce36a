"""The ledger's tables, as schema.sql and its comments have them; what a row's status may become."""

import re
from importlib import resources

from bulkroute.ledger.lifecycle import DONE
from bulkroute.model import Status
from tests.docs.markdown import table
from tests.docs.members import lines_of
from tests.moves import MOVES

TABLE = re.compile(
    r"(?P<before>(?:^--[^\n]*\n)*)^CREATE TABLE (?P<name>\w+) \(\n(?P<columns>.*?)^\)", re.MULTILINE | re.DOTALL
)
COLUMN = re.compile(
    r"^ +(?P<name>\w+) +(?P<type>TEXT|INTEGER|REAL|BLOB)(?P<rules>[^\n]*?),?(?: *-- (?P<line>.*))?$", re.MULTILINE
)


def tables() -> str:
    """Return a section for each table."""
    schema = resources.files("bulkroute.ledger").joinpath("schema.sql").read_text("utf-8")
    sections = []
    for found in TABLE.finditer(schema):
        about = " ".join(line.removeprefix("--").strip() for line in found["before"].splitlines())
        rows = [
            (f"`{column['name']}`", column["type"].lower(), _meaning(column["rules"], column["line"] or ""))
            for column in COLUMN.finditer(found["columns"])
        ]
        parts = [f"### {found['name']}", about, table(("column", "type", "holds"), rows)]
        sections.append("\n\n".join(part for part in parts if part))
    return "\n\n".join(sections)


def _meaning(rules: str, line: str) -> str:
    """Return a column's comment, with the table it points into where it points into one."""
    points = re.search(r"REFERENCES (\w+)", rules)
    return "; ".join(part for part in (line, f"see [{points[1]}](#{points[1]})" if points else "") if part)


def statuses() -> str:
    """Return what each status means, and whether a row with it is done."""
    lines = lines_of(Status)
    rows = [(f"`{status.value}`", lines[status.name], "yes" if status in DONE else "") for status in Status]
    return table(("status", "means", "done"), rows)


def moves() -> str:
    """Return what may follow each status."""
    rows = [
        (f"`{status.value}`", ", ".join(f"`{after.value}`" for after in Status if after in MOVES[status]))
        for status in Status
    ]
    return table(("from", "to"), rows)
