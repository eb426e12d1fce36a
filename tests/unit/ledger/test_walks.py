"""What goes through a whole batch does so in the rows' own order: by their ids it would jump from page to page."""

import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.ledger import chart_queries, queries
from bulkroute.ledger.chart_queries import Search
from bulkroute.model import Status
from tests.ledgers import made, written


@pytest.fixture
def connection(tmp_path: Path, exits: contextlib.ExitStack) -> sqlite3.Connection:
    return exits.enter_context(closing(written(made(tmp_path / "l.db", rows=20, failed=3))))


def plan_of(connection: sqlite3.Connection, statements: list[str]) -> str:
    (statement,) = statements
    return "\n".join(step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))


@pytest.mark.parametrize("text", ["", "1125"])
def test_failed_rows(connection: sqlite3.Connection, text: str) -> None:
    said: list[str] = []
    connection.set_trace_callback(said.append)
    rows = list(chart_queries.failed_rows(connection, 1, Search(text=text)))
    connection.set_trace_callback(None)
    assert len(rows) == chart_queries.count_failed(connection, 1, Search(text=text)) == 3
    assert "row_id" not in plan_of(connection, said)


@pytest.mark.parametrize(("statuses", "count"), [((), 20), ((Status.FAILED,), 3)])
def test_export(connection: sqlite3.Connection, statuses: tuple[Status, ...], count: int) -> None:
    said: list[str] = []
    connection.set_trace_callback(said.append)
    rows = list(queries.export(connection, 1, statuses))
    connection.set_trace_callback(None)
    assert len(rows) == count
    assert "row_id" not in plan_of(connection, said)
