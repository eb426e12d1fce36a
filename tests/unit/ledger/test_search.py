"""What a text finds among the rows of a ledger: numbers as people write them, ids, names; for exports and for the page."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.ledger.chart_queries import Search
from bulkroute.ledger.ledger import Ledger
from tests.ledgers import made

NUMBERS = [("4008001234", "2"), ("+55 11 4002-8922", ""), ("6688", "1"), ("66881", "")]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Make a ledger of five failed rows; the last one has no number on record."""
    path = made(tmp_path / "l.db", rows=5, failed=5)
    with closing(sqlite3.connect(path)) as connection, connection:
        for row, number in enumerate(NUMBERS, 1):
            connection.execute("UPDATE row SET access_code = ?, ext_code = ? WHERE row = ?", (*number, row))
        connection.execute(
            "UPDATE row SET devicetype = 3, device_id = 3015, before_devicetype = 1, before_device_id = 9 WHERE row = 3"
        )
        connection.executemany("INSERT INTO target VALUES (1, ?, ?, ?)", [(3, 3015, "夜间 Night"), (1, 9, "Front")])
    return path


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("4008001234", [1]),
        ("400-800 1234", [1]),
        ("4008001234 ext 2", [1]),
        ("4008001234 ext 3", []),
        ("+551140028922", [2]),
        ("66881", [3, 4]),
        ("6688 ext. 1", [3]),
        ("夜间", [3]),
        ("night", [3]),
        ("front", [3]),
        ("1125397061153369132", [5]),
        ("nobody", []),
    ],
)
def test_a_text_finds(ledger: Path, text: str, rows: list[int]) -> None:
    with Ledger(ledger).read() as reader:
        batch = reader.require_batch()
        assert [record["line"] - 1 for record in batch.export(find=text)] == rows
        assert [row.line - 1 for row in batch.failed_rows(Search(text=text))] == rows
        assert batch.count_failed(Search(text=text)) == len(rows)


def test_the_page_finds_what_the_service_said_too(ledger: Path) -> None:
    with Ledger(ledger).read() as reader:
        batch = reader.require_batch()
        assert [row.line for row in batch.failed_rows(Search(text="IN USE by flow 2"))] == [4]
        assert [row.line for row in batch.failed_rows(Search(kind="business", text="6688"))] == [4, 5]
        assert not batch.count_failed(Search(kind="server", text="6688"))
        (night,) = batch.failed_rows(Search(text="夜间"))
        assert (night.access_code, night.ext_code, night.target) == ("6688", "1", "夜间 Night")
        assert [record["line"] for record in batch.export(find="in use")] == []
