"""Rows held against live bindings: what is settled, and how a conflict is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute
from bulkroute.ledger.settle import Doubts, Refusal
from bulkroute.ledger.staging import Staged, Staging
from bulkroute.ledger.writer import BatchWriter
from bulkroute.manifest import Faults
from bulkroute.model import Binding, FailureKind, Row

ROWS = [Row(2, "a", 1, 101), Row(3, "b", 3, 201), Row(4, "c", 1, 101), Row(5, "d", 1, 102)]


@pytest.fixture
def batch(tmp_path: Path) -> Iterator[BatchWriter]:
    with Staging() as rows, Ledger(tmp_path / "l.db").hold() as held, held.write() as writer:
        rows.load(ROWS, Faults("m.csv"))
        yield writer.take_over(Staged(rows, "m.csv", "digest"), Tenant("s", ""))[0]


@contextmanager
def live(**bindings: tuple[int | None, int | None]) -> Iterator[LiveBindings]:
    with LiveBindings() as found:
        found.take((LiveRoute(row_id, *target, "", "", None, "", "0") for row_id, target in bindings.items()), 1)
        found.finish(1)
        yield found


def failures(batch: BatchWriter) -> dict[str, str]:
    return {row["id"]: row["description"] for row in batch.export() if row["status"] == "failed"}


def test_a_conflict_says_what_was_what_was_wanted_and_what_is(batch: BatchWriter) -> None:
    with live(a=(1, 900), b=(3, 900), c=(1, 900), d=(7, 900)) as found:
        batch.decide(found)
    batch._connection.execute("UPDATE row SET status = 'sent'")
    with live(a=(3, 999), b=(7, 999), c=(None, None), d=(7, 900)) as found:
        assert batch.settle_doubts(found) == Doubts(landed=0, again=1, conflict=3)
    assert failures(batch) == {
        "a": "was skill_queue 900, wanted skill_queue 101, is ivr 999",
        "b": "was ivr 900, wanted ivr 201, is devicetype 7 999",
        "c": "was skill_queue 900, wanted skill_queue 101, is without a target",
    }
    with live(a=(1, 101), b=(3, 900), c=(1, 999), d=(7, 900)) as found:
        batch.settle_doubts(found)
    assert set(failures(batch)) == {"c"}, "a row in conflict goes on once its binding is an expected one"


def test_targets_are_told_with_their_names_wherever_these_are_known_from(batch: BatchWriter) -> None:
    with live(a=(1, 900)) as found:
        batch.decide(found)
    batch._connection.execute("UPDATE row SET status = 'sent'")
    batch.note_names({Binding(1, 900): "Billing", Binding(1, 101): "Sales"})
    with LiveBindings() as found:
        found.take([LiveRoute("a", 3, 999, "", "", None, "Holiday", "0")], 1)
        found.finish(1)
        batch.settle_doubts(found)
        batch._connection.execute("SAVEPOINT done")
        batch._connection.execute("UPDATE row SET status = 'succeeded', wave = 1 WHERE row = 1")
        (told,) = batch.differences_of(1, found, 9).told
        batch._connection.execute("ROLLBACK TO done")
        batch._connection.execute("RELEASE done")
    assert failures(batch)["a"] == "was Billing (skill_queue 900), wanted Sales (skill_queue 101), is Holiday (ivr 999)"
    assert told == "a: wanted Sales (skill_queue 101), is Holiday (ivr 999)"


def test_a_settled_row_keeps_nothing_of_its_last_answer_and_says_when(batch: BatchWriter) -> None:
    batch._connection.execute("UPDATE row SET status = 'sent', description = 'x', http_status = 500, latency_ms = 9")
    with live(a=(1, 101), b=(3, 900)) as found:
        assert batch.settle_doubts(found) == Doubts(landed=1, again=3)
    (settled, *others) = batch._connection.execute(
        "SELECT status, attempts, error, http_status, description, latency_ms, finished_at > 0 FROM row"
    ).fetchall()
    assert settled == ("succeeded", 1, None, None, None, None, 1)
    assert others == [("pending", 1, None, None, None, None, None)] * 3


def test_what_live_bindings_decide_is_counted(batch: BatchWriter) -> None:
    with live(a=(1, 101), d=(1, 900)) as found:
        decided = batch.decide(found)
    assert decided.refusals == (Refusal(FailureKind.UNKNOWN_ID, 2, "b", "no called route has this id", skipped=False),)
    assert decided.changed_earlier == 0
    assert failures(batch) == dict.fromkeys("bc", "no called route has this id")
