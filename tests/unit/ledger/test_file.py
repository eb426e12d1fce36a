"""The ledger's rooms one by one, on real files."""

import asyncio
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.errors import LedgerError
from bulkroute.ledger import batches, file, merge, queries, runs
from bulkroute.ledger.batches import Batch, Changes, QueuedRow, Tenant, Which
from bulkroute.ledger.journal import Journal
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.notes import Attempt
from bulkroute.ledger.remarks import Remark
from bulkroute.ledger.runs import RunStart
from bulkroute.ledger.staging import Staged, Staging
from bulkroute.manifest import Faults
from bulkroute.model import FailureKind, Row, Ruling, Status, Verdict
from tests.ledgers import made, written


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(written(tmp_path / "x.ledger.db")) as connection:
        yield connection


def merged(
    connection: sqlite3.Connection,
    rows: Iterable[tuple[str, int, int]],
    batch: Batch | None = None,
    first_line: int = 2,
) -> tuple[Batch, Changes]:
    with Staging() as staging:
        staging.load([Row(line, *row) for line, row in enumerate(rows, start=first_line)], Faults("m.csv"))
        return merge.merge(connection, batch, Staged(staging, "m.csv", "digest"), TENANT)


def statuses(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT id, status FROM row WHERE listed ORDER BY line"))


TENANT = Tenant("https://cc.example.com", "")

DONE = Verdict(Ruling.DONE, None, 200, "0", "data update success")


def attempt(row: int, status: Status, verdict: Verdict = DONE) -> Attempt:
    return Attempt(QueuedRow(row, Row(2, "any", 1, 1), tried=False), 1, 1000.0, 20.0, verdict, status, None)


def test_a_new_ledger_is_private_durable_and_known_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(written(path)) as connection:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA application_id").fetchone() == (file.APPLICATION_ID,)


@pytest.mark.parametrize("in_the_middle", [False, True])
def test_the_file_alone_is_whole_once_a_run_has_ended_though_a_page_is_open(
    tmp_path: Path, in_the_middle: bool
) -> None:
    path = made(tmp_path / "l.db", rows=3)
    with Ledger(path).read(), closing(sqlite3.connect(path, isolation_level=None)) as page:
        if in_the_middle:  # of reading an earlier state: then the log is kept, as it must be
            page.execute("BEGIN")
        page.execute("SELECT count(*) FROM row").fetchone()
        with Ledger(path).hold() as held, held.write() as writer:
            writer.keep_remarks(1, [Remark.of_notice("written last")])
        copy = tmp_path / "copy.db"
        copy.write_bytes(path.read_bytes())
        log_bytes = path.with_name("l.db-wal").stat().st_size
    remarks = []
    for each in (copy, path):
        with closing(sqlite3.connect(each)) as connection:
            remarks += connection.execute("SELECT count(*) FROM remark").fetchone()
    assert remarks == ([0, 1] if in_the_middle else [1, 1])
    assert (log_bytes > 0) is in_the_middle


@pytest.mark.parametrize("content", [b"id,devicetype,deviceId\n", b"SQLite format 3\0" + b"x" * 200])
def test_what_is_no_ledger_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.ledger.db"
    path.write_bytes(content)
    for open_it in (written, file.open_for_reading):
        with pytest.raises(LedgerError, match="ledger"):
            open_it(path)
        assert path.read_bytes() == content


def test_a_ledger_is_searched_for_damage_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(written(path)) as connection:
        batch, _changes = merged(connection, [(f"id-{number}", 1, 1) for number in range(3000)])
    with file.checked(path) as reader:
        assert queries.count(reader, batch.number).pending == 3000
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = b"\xa5" * 5000
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="damaged"), file.checked(path):
        pytest.fail("it was read")
    with pytest.raises(LedgerError, match="damaged"):
        written(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_named_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE music (title TEXT)")
    with pytest.raises(LedgerError, match="not a ledger"), file.checked(path):
        pytest.fail("it was read")


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE music (title TEXT)")
    with pytest.raises(LedgerError, match="not a ledger"):
        written(path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(written(path)) as connection:
        connection.execute(f"PRAGMA user_version={file.FORMAT + 1}")
    with pytest.raises(LedgerError, match="newer"):
        written(path)


def test_a_maker_killed_in_its_first_moment_leaves_a_ledger_that_can_be_made(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(sqlite3.connect(path)) as half_made:
        half_made.execute("PRAGMA journal_mode=WAL")
    with closing(written(path)) as connection:
        assert batches.find(connection, Which.LATEST) is None


def test_staging_drops_same_targets_and_names_both_lines_of_different_ones() -> None:
    faults = Faults("m.csv")
    rows = [Row(2, "a", 1, 1), Row(3, "b", 1, 1), Row(4, "a", 1, 1), Row(5, "b", 3, 9), Row(6, "a", 1, 1)]
    with Staging() as staging:
        staging.load(rows, faults)
        assert staging.count == 2
    assert faults.kept == ["m.csv:5: id b is to go to ivr 9, but line 3 sends it to skill_queue 1; keep one of them"]
    assert "2 rows were dropped" in faults.warnings[0]


def test_merging_goes_by_id_and_target_not_by_position(ledger: sqlite3.Connection) -> None:
    batch, changes = merged(ledger, [("a", 1, 1), ("b", 1, 2), ("c", 1, 3), ("d", 1, 4)])
    assert not changes
    ledger.execute("UPDATE row SET status = 'succeeded' WHERE id IN ('a', 'b', 'd')")

    batch, changes = merged(ledger, [("e", 1, 5), ("c", 1, 3), ("b", 3, 2), ("a", 1, 1)], batch)
    assert changes == Changes(new=1, retargeted=1, gone=1)
    assert statuses(ledger) == {"e": "pending", "c": "pending", "b": "pending", "a": "succeeded"}
    assert [queued.row.id for queued in batches.pending(ledger, batch)] == ["b", "c", "e"]
    # What is gone but done stays in the totals, what is gone and undone does not.
    assert queries.count(ledger, batch.number).total == 5

    batch, changes = merged(ledger, [("a", 1, 1), ("d", 1, 4)], batch)
    assert changes == Changes(gone=3, returned=1)
    assert statuses(ledger) == {"a": "succeeded", "d": "succeeded"}
    assert queries.count(ledger, batch.number).total == 2


def standing(connection: sqlite3.Connection, batch: Batch) -> dict[str, tuple[object, ...]]:
    found = connection.execute(
        "SELECT id, devicetype, device_id, line, listed, status FROM row WHERE batch = ?", (batch.number,)
    )
    return {row_id: tuple(values) for row_id, *values in found}


def test_a_merge_of_the_same_rows_changes_nothing_wherever_gaps_are(ledger: sqlite3.Connection) -> None:
    rows = [("a", 1, 1), ("b", 1, 2), ("b", 1, 2), ("c", 1, 3), ("a", 1, 1), ("d", 1, 4)]
    batch, _changes = merged(ledger, rows)
    before = standing(ledger, batch)
    assert merged(ledger, rows, batch)[1] == Changes()
    assert standing(ledger, batch) == before


def test_a_merge_leaves_other_batches_alone(ledger: sqlite3.Connection) -> None:
    first, _changes = merged(ledger, [("a", 1, 1), ("b", 1, 2), ("c", 1, 3)])
    before = standing(ledger, first)
    second, _changes = merged(ledger, [("c", 3, 9), ("a", 3, 9)])
    assert merged(ledger, [("a", 3, 8), ("b", 3, 7)], second)[1] == Changes(new=1, retargeted=1, gone=1)
    assert standing(ledger, first) == before


def test_a_row_of_another_batch_is_not_taken_for_one_that_stands_where_it_should(ledger: sqlite3.Connection) -> None:
    first, _changes = merged(ledger, [("a", 1, 1)])
    merged(ledger, [("b", 1, 2)], first_line=3)
    assert merged(ledger, [("a", 1, 1), ("b", 1, 2)], first)[1] == Changes(new=1)


targets_by_id = st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.sampled_from((1, 3)), st.integers(1, 2)))


@given(st.lists(st.tuples(targets_by_id, st.randoms(use_true_random=False)), min_size=2, max_size=5))
def test_any_merges_leave_what_a_plain_dictionary_would(
    manifests: list[tuple[dict[str, tuple[int, int]], Random]],
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        file._make(connection)
        batch: Batch | None = None
        expected: dict[str, tuple[object, ...]] = {}
        for wanted, shuffled in manifests:
            rows = [(row_id, *target) for row_id, target in wanted.items()]
            shuffled.shuffle(rows)
            batch, changes = merged(connection, rows, batch)
            listed = {row_id for row_id, values in expected.items() if values[3]}
            known = expected.keys() & wanted.keys()
            changed = {row_id for row_id in known if expected[row_id][:2] != wanted[row_id]}
            if expected:
                assert changes == Changes(
                    len(wanted.keys() - expected.keys()),
                    len(changed),
                    len(listed - wanted.keys()),
                    len(known - listed),
                )
            lines = {row[0]: line for line, row in enumerate(rows, start=2)}
            expected |= {row_id: (*values[:3], 0, values[4]) for row_id, values in expected.items()}
            for row_id, target in wanted.items():
                kept = row_id in expected and row_id not in changed
                expected[row_id] = (*target, lines[row_id], 1, expected[row_id][4] if kept else "pending")
            assert standing(connection, batch) == expected
            done = {row_id for row_id in wanted if shuffled.random() < 0.5}
            for row_id in done:
                connection.execute("UPDATE row SET status = 'succeeded' WHERE id = ?", (row_id,))
                expected[row_id] = (*expected[row_id][:4], "succeeded")


def test_reopening_tries_failed_rows_and_rows_in_doubt_again_but_no_conflict(ledger: sqlite3.Connection) -> None:
    batch, _ = merged(ledger, [(name, 1, 1) for name in "abcd"])
    ledger.execute("UPDATE row SET status = 'failed', error = 'server' WHERE id = 'a'")
    ledger.execute("UPDATE row SET status = 'failed', error = 'conflict' WHERE id = 'b'")
    ledger.execute("UPDATE row SET status = 'sent' WHERE id = 'c'")
    assert batches.reopen(ledger, batch, skipped=True) == 1
    assert batches.tried_earlier(ledger, batch) == 2  # the one in doubt was tried, too
    assert statuses(ledger) == {"a": "pending", "b": "failed", "c": "pending", "d": "pending"}


async def test_the_journal_commits_a_turns_notes_together_and_announces_them(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    told: list[Attempt] = []
    with closing(written(path)) as connection, closing(file.open_for_reading(path)) as other:
        batch, _ = merged(connection, [("a", 1, 1), ("b", 1, 1)])
        run = runs.begin(connection, batch, RunStart("run", "0", TENANT, None))
        journal = Journal(connection, path, run, lambda answered, _failed: told.extend(answered))
        first, second = journal.sent([1]), journal.sent([2])
        assert first is second
        await first
        assert statuses(other) == {"a": "sent", "b": "sent"}

        journal.answered(attempt(1, Status.SUCCEEDED))
        journal.answered(attempt(2, Status.PENDING, DONE._replace(ruling=Ruling.AGAIN, kind=FailureKind.SERVER)))
        again = journal.sent([2])
        await again
        assert statuses(other) == {"a": "succeeded", "b": "sent"}
        assert [one.queued.number for one in told] == [1, 2]

        journal.withdraw([2])
        await journal.flush()
        assert statuses(other) == {"a": "succeeded", "b": "pending"}

        journal.sent([2])
        journal.withdraw([2])  # within one commit
        await journal.flush()
        assert statuses(other) == {"a": "succeeded", "b": "pending"}


@pytest.mark.parametrize("illegal", [Status.SUCCEEDED, Status.UNCHANGED, Status.SENT])
async def test_a_row_is_sent_only_from_pending(tmp_path: Path, illegal: Status) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(written(path)) as connection:
        batch, _ = merged(connection, [("a", 1, 1), ("b", 1, 1)])
        run = runs.begin(connection, batch, RunStart("run", "0", TENANT, None))
        connection.execute("UPDATE row SET status = ? WHERE id = 'a'", (illegal,))
        journal = Journal(connection, path, run, lambda *_: None)
        with pytest.raises(LedgerError, match="1 rows were not in the state"):
            await journal.sent([1, 2])
        # All or nothing, and nothing more after a failure.
        assert statuses(connection)["b"] == "pending"
        with pytest.raises(LedgerError):
            await journal.sent([2])


async def test_an_answer_needs_a_sent_row(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(written(path)) as connection:
        batch, _ = merged(connection, [("a", 1, 1)])
        run = runs.begin(connection, batch, RunStart("run", "0", TENANT, None))
        journal = Journal(connection, path, run, lambda *_: None)
        journal.answered(attempt(1, Status.SUCCEEDED))
        with pytest.raises(LedgerError, match="to be answered"):
            await journal.flush()
        await asyncio.sleep(0)
        assert statuses(connection) == {"a": "pending"}


def test_another_programs_unfinished_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "night.ledger.db"
    with closing(sqlite3.connect(tmp_path / "songs.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript("CREATE TABLE song (title TEXT); INSERT INTO song VALUES ('Yesterday');")
        path.write_bytes((tmp_path / "songs.db").read_bytes())
        wal = path.with_name(path.name + "-wal")
        wal.write_bytes((tmp_path / "songs.db-wal").read_bytes())
    before = path.read_bytes(), wal.read_bytes()
    with pytest.raises(LedgerError, match="not a ledger"):
        written(path)
    assert (path.read_bytes(), wal.read_bytes()) == before


def test_a_blank_ledger_that_another_program_writes_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, connect = tmp_path / "x.ledger.db", sqlite3.connect
    with closing(connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(sqlite3, "connect", lambda *where, **how: connect(*where, **{**how, "timeout": 0.1}))
        with pytest.raises(LedgerError, match="locked"):
            file.open_for_writing(path)
    file.open_for_writing(path).close()
