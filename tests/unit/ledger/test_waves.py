"""Waves in the ledger: which row goes with which, and that it stays so."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulkroute.errors import UsageError
from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute
from bulkroute.ledger.staging import Staged, Staging
from bulkroute.ledger.waves import WaveState
from bulkroute.ledger.writer import BatchWriter, LedgerWriter
from bulkroute.manifest import Faults
from bulkroute.manifest.rows import LabelledRow
from bulkroute.settings import parse_waves

Given = Sequence[tuple[str, int, int | None]]
"""id, the skill queue wanted, and the manifest's wave."""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LedgerWriter]:
    with Ledger(tmp_path / "l.db").hold() as held, held.write() as writer:
        yield writer


def taken(writer: LedgerWriter, given: Given, into: BatchWriter | None = None) -> BatchWriter:
    with Staging() as rows:
        labelled = (
            LabelledRow(line, row_id, 1, queue, "", None, None, "", wave)
            for line, (row_id, queue, wave) in enumerate(given, 2)
        )
        rows.load_labelled(labelled, Faults("m.csv"))
        return writer.take_over(Staged(rows, "m.csv", "digest"), Tenant("s", ""), into)[0]


def waves_of(batch: BatchWriter) -> dict[str, int | None]:
    return {row["id"]: row["wave"] for row in batch.export()}


@contextmanager
def live(**bindings: int | None) -> Iterator[LiveBindings]:
    with LiveBindings() as found:
        found.take((LiveRoute(row_id, 1, queue, "", "", None, "", "0") for row_id, queue in bindings.items()), 1)
        found.finish(1)
        yield found


def test_the_first_wave_is_spread_over_the_targets_and_the_others_go_in_order(writer: LedgerWriter) -> None:
    given: Given = [
        ("a", 101, None),
        ("b", 101, None),
        ("c", 101, None),
        ("d", 102, None),
        ("e", 103, None),
        ("f", 101, None),
    ]
    batch = taken(writer, given)
    made = batch.make_waves(parse_waves("3,1,rest"))
    assert [(wave.number, wave.state, wave.asked) for wave in made] == [
        (number, WaveState.WAITING, "3,1,rest") for number in (1, 2, 3)
    ]
    assert waves_of(batch) == {"a": 1, "d": 1, "e": 1, "b": 2, "c": 3, "f": 3}
    assert batch.rows_to_send() == [3, 1, 2]
    assert [queued.row.id for queued in batch.pending(3)] == ["c", "f"]
    assert {queued.row.id for _ in range(20) if (queued := batch.draw_pending(2))} == {"b"}


def test_rows_that_were_tried_come_last_in_the_first_wave(writer: LedgerWriter) -> None:
    batch = taken(writer, [("a", 101, None), ("b", 101, None), ("c", 102, None)])
    batch._connection.execute("UPDATE row SET tried = 1 WHERE id IN ('a', 'c')")
    batch.make_waves(parse_waves("1,rest"))
    assert waves_of(batch) == {"a": 2, "b": 1, "c": 2}


def test_rows_keep_their_wave_and_new_ones_go_with_the_last(writer: LedgerWriter) -> None:
    first: Given = [("a", 101, None), ("b", 102, None), ("c", 103, None)]
    batch = taken(writer, first)
    batch.make_waves(parse_waves("1,rest"))
    again = taken(writer, [("n", 101, 1), ("a", 109, 7), ("c", 103, None), ("b", 102, None)], batch)
    again.make_waves(parse_waves("2,2,rest"))
    assert waves_of(again) == {"n": 2, "a": 1, "b": 2, "c": 2}
    assert [each.wave for each in again.waves()] == [1, 2]


def test_rows_that_nothing_is_sent_for_need_no_wave_until_they_are(writer: LedgerWriter) -> None:
    batch = taken(writer, [("a", 101, None), ("b", 102, None), ("c", 103, None), ("d", 103, None)])
    with live(a=900, b=102, c=900) as found:
        batch.decide(found)
    batch.make_waves(parse_waves("50%,rest"))
    assert waves_of(batch) == {"a": 1, "b": None, "c": 2, "d": None}
    batch._connection.execute("UPDATE row SET status = 'pending' WHERE id = 'd'")
    batch.make_waves(())
    assert waves_of(batch)["d"] == 2


def test_a_manifest_that_numbers_its_rows_makes_the_waves(writer: LedgerWriter) -> None:
    batch = taken(writer, [("a", 101, 20), ("b", 102, None), ("c", 103, 10), ("d", 101, 20)])
    with pytest.raises(UsageError, match="column `wave`"):
        batch.make_waves(parse_waves("1,rest"))
    made = batch.make_waves(())
    assert [(wave.number, wave.asked) for wave in made] == [(10, ""), (20, ""), (21, "")]
    assert waves_of(batch) == {"a": 20, "b": 21, "c": 10, "d": 20}


def test_without_sizes_and_numbers_there_are_no_waves(writer: LedgerWriter) -> None:
    batch = taken(writer, [("a", 101, None), ("b", 102, None)])
    assert (batch.make_waves(()), batch.waves(), batch.rows_to_send()) == ([], [], [])


def test_the_rows_of_a_wave_are_found_by_its_index(writer: LedgerWriter) -> None:
    batch = taken(writer, [(f"r{number}", 101, None) for number in range(50)])
    batch.make_waves(parse_waves("10%,rest"))
    asked: list[str] = []
    batch._connection.set_trace_callback(asked.append)
    assert len(list(batch.pending(1))) == 5
    assert len(batch.waves()) == 2
    batch._connection.set_trace_callback(None)
    for sql in asked:
        plan = " ".join(str(line[3]) for line in batch._connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "row_wave" in plan or "SCAN wave" in plan or "SEARCH wave" in plan, plan
        assert "SCAN row" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan


def test_what_is_wrong_with_a_wave_is_told_of_its_rows_alone(writer: LedgerWriter) -> None:
    batch = taken(writer, [("a", 101, None), ("b", 102, None), ("c", 103, None)])
    batch.make_waves(parse_waves("2,rest"))
    batch._connection.execute("UPDATE row SET status = 'succeeded', latency_ms = 1")
    with live(a=101, b=9, c=9) as found:
        assert batch.differences_of(1, found, 5) == (1, 2, ["b: wanted skill_queue 102, is skill_queue 9"])
        assert batch.differences_of(2, found, 0) == (1, 1, [])
    batch._connection.execute("UPDATE row SET status = 'failed', error = 'business' WHERE id <> 'b'")
    assert batch.failures_of(1, 5) == (1, 2, ["a: business"])


def test_rows_known_to_be_bad_hold_nothing_up_unless_no_row_is_good(writer: LedgerWriter) -> None:
    batch = taken(writer, [("a", 101, None), ("b", 102, None)])
    batch.make_waves(parse_waves("2"))
    batch._connection.execute("UPDATE row SET status = 'failed', error = 'business', latency_ms = 1 WHERE id = 'a'")
    batch._connection.execute("UPDATE row SET status = 'succeeded', latency_ms = 1 WHERE id = 'b'")
    assert batch.failures_of(1, 5).rows == 1
    batch._connection.execute("UPDATE row SET tried = 1")
    assert batch.failures_of(1, 5).rows == 0, "it failed before, by itself, and the other is right"
    batch._connection.execute("UPDATE row SET error = 'timeout' WHERE id = 'a'")
    assert batch.failures_of(1, 5).rows == 1, "that is not the row's own reason"
    batch._connection.execute("UPDATE row SET status = 'failed', error = 'business'")
    assert batch.failures_of(1, 5).rows == 2, "nothing of the wave is right"


def test_targets_are_those_of_the_wave(writer: LedgerWriter) -> None:
    batch = taken(writer, [("a", 101, None), ("b", 102, None), ("c", 103, None)])
    batch.make_waves(parse_waves("1,rest"))
    assert [target.device_id for target in batch.targets_of(2)] == [102, 103]
