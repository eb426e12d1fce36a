"""Rows by where they led and are to lead: each once, in the column that it stands in."""

from pathlib import Path

from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.pair_queries import PairCounts
from tests.ledgers import made, written


def test_rows_are_counted_by_pair_and_by_where_they_stand(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=20)
    connection = written(ledger)
    connection.execute(
        "UPDATE row SET before_devicetype = 3, before_device_id = iif(row <= 12, 201, 202) WHERE row <= 18"
    )
    for status, error, where in (
        ("failed", "business", "row <= 2"),
        ("failed", "locked", "row IN (3, 13)"),
        ("pending", None, "row IN (4, 5)"),
        ("unchanged", None, "row IN (17, 18)"),
        ("skipped", "locked", "row = 16"),
        ("failed", "unknown_id", "row = 20"),
    ):
        connection.execute(f"UPDATE row SET status = ?, error = ? WHERE {where}", (status, error))
    connection.execute(
        "UPDATE row SET listed = 0 WHERE row = 4"
    )  # gone from the manifest, never sent: no row of the batch
    connection.close()
    with Ledger(ledger).read() as reader:
        batch = reader.require_batch()
        found = batch.count_pairs(10)
        assert found.total == 3
        assert list(found.counts.items()) == [
            ((3, 201, 1, 101), PairCounts(rows=11, done=7, failed=2, refused=1)),
            ((3, 202, 1, 101), PairCounts(rows=3, done=2, failed=0, refused=1)),
            ((None, None, 1, 101), PairCounts(rows=2, done=1, failed=0, refused=1)),
        ]
        counts = batch.counts()
        right = counts.unchanged + counts.skipped
        assert sum(each.rows for each in found.counts.values()) == counts.total - right
        few = batch.count_pairs(1)
        assert (few.total, len(few.counts)) == (3, 1), "how many there are is told, however few are counted"
