"""What is kept of what was said: once, the last words first, and a check of a batch shown with its rollback."""

from pathlib import Path

from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.remarks import Remark, RemarkKind, keep, keep_check
from tests.ledgers import made, written

NOTICE, WARNING, CHECK = RemarkKind.NOTICE, RemarkKind.WARNING, RemarkKind.CHECK


def test_a_notice_that_warns_is_a_warning() -> None:
    assert Remark.of_notice("warning: ivr 3010 is not loaded")[1:] == (WARNING, False, "ivr 3010 is not loaded")
    assert Remark.of_notice("night.csv: 2 columns are not used")[1:] == (
        NOTICE,
        True,
        "night.csv: 2 columns are not used",
    )


def test_what_was_said_again_is_shown_once_with_its_last_run(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    connection = written(ledger)
    connection.execute(
        "INSERT INTO run SELECT 2, batch, command, started_at, pid, host, version, service, rate, ended_at,"
        " seconds, attempts, retries, throttled, stopped, exit_code, stop, pid_started, digest, tenant,"
        " note, who, command_line, ends_at, routes FROM run"
    )
    keep(connection, 1, [Remark(1.0, WARNING, False, "not loaded"), Remark(2.0, NOTICE, True, "a column is not used")])
    keep(connection, 2, [Remark(5.0, WARNING, False, "not loaded")])
    connection.close()
    with Ledger(ledger).read() as reader:
        found = reader.require_batch().remarks(10)
        assert [(each.run, each.at, each.kind, each.is_good, each.text) for each in found] == [
            (2, 5.0, "warning", False, "not loaded"),
            (1, 2.0, "notice", True, "a column is not used"),
        ]
        assert len(reader.require_batch().remarks(1)) == 1


def test_a_check_of_a_batch_since_its_rollback_is_shown_with_that(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=3)
    connection = written(ledger)
    connection.execute("INSERT INTO batch (created_at, manifest, digest, parent) VALUES (100, 'night.csv', '', 1)")
    with Ledger(ledger).read() as reader:
        batch, rollback = reader.require_batch(1), reader.require_batch(2)
        for at, text in ((50.0, "before it"), (150.0, "after it")):
            keep_check(connection, batch.facts, Remark(at, CHECK, True, text))
        assert [each.text for each in batch.remarks(10)] == ["after it", "before it"]
        assert [(each.run, each.text) for each in rollback.remarks(10)] == [(None, "after it")]
    connection.close()
