"""A run's status in words: rows that were refused are no failures of the service."""

from bulkroute.cli.ctl import describe, describe_shortly
from tests.unit.output.test_words import PROGRESS


def test_refused_rows_stand_apart_from_failed_ones() -> None:
    refused = PROGRESS._replace(refused=26).fields()
    assert describe(refused)[1] == "rows      1,234 of 8,000 done, 3 failed, 26 refused, 6,737 left"
    assert "; 1,234 of 8,000 done, 3 failed, 26 refused, 6,737 left; 19/s of 20/s" in describe_shortly(refused)
    assert "refused" not in " ".join([*describe(PROGRESS.fields()), describe_shortly(PROGRESS.fields())])
