"""A ledger of an earlier format reads as one of today; brought up it is what a new one is, or what it was: never anything in between."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from bulkroute.errors import LedgerError, UsageError
from bulkroute.ledger import file, migrations
from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.ledger import Ledger
from tests.ledgers import OLD_FORMATS, of_format, written

TABLES = (
    "attempt",
    "back_out",
    "batch",
    "gate",
    "pace",
    "remark",
    "row",
    "run",
    "target",
    "wait",
    "wanted_name",
    "wave",
)
SPACE = re.compile(r"--[^\n]*|\s+")


def schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    """Return what the file holds, its SQL without comments and blanks."""
    found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")
    return [(*names, SPACE.sub("", sql or "")) for *names, sql in found]


def content(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in tables}


@pytest.mark.parametrize("version", OLD_FORMATS)
def test_a_ledger_that_was_brought_up_is_like_a_new_one_and_keeps_its_rows(tmp_path: Path, version: int) -> None:
    told: list[str] = []
    old, new = of_format(version, tmp_path / "old.db"), tmp_path / "new.db"
    with closing(written(old)) as migrated, closing(written(new)) as fresh:
        before = content(migrated)
        migrations.bring_up(migrated, old, told.append)
        assert told == [f"the ledger is of format {version}; brought to format {file.FORMAT}"]
        assert schema(migrated) == schema(fresh)
        assert file.format_of(migrated) == file.format_of(fresh) == file.FORMAT
        assert migrated.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        after = content(migrated)
        for table, rows in before.items():
            width = len(rows[0])
            assert [row[:width] for row in after[table]] == rows
        migrations.bring_up(migrated, old, told.append)
        migrations.bring_up(fresh, new, told.append)
        assert len(told) == 1


@pytest.mark.parametrize("version", OLD_FORMATS)
def test_an_old_ledger_reads_as_it_will_be_once_it_is_brought_up(tmp_path: Path, version: int) -> None:
    path = of_format(version, tmp_path / "old.db")
    before = path.read_bytes()
    with closing(file.open_for_reading(path)) as reader:
        migrations.read_as_today(reader)
        read = {name: reader.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in TABLES}
        columns = {name: [each[0] for each in reader.execute(f"SELECT * FROM {name}").description] for name in TABLES}
    assert path.read_bytes() == before
    with closing(written(path)) as migrated:
        migrations.bring_up(migrated, path, print)
        assert content(migrated) == read
        assert columns == {
            name: [each[1] for each in migrated.execute(f"PRAGMA table_info({name})")] for name in TABLES
        }


def test_what_format_3_adds_is_taken_from_what_was_there(tmp_path: Path) -> None:
    with Ledger(of_format(2, tmp_path / "old.db")).read() as ledger:
        causes = [change.cause for change in ledger.require_batch().pace_changes(0)]
        assert causes == ["started", "throttled", "service", "service", "started", "operator", "operator"]
        ledger.require_batch().require_tenant(Tenant("https://cc.example.com", ""), moved=False)
        for batch in (1, 2):  # a rollback went to where the service had moved to
            ledger.require_batch(batch).require_tenant(Tenant("https://moved.example.com", ""), moved=False)
            with pytest.raises(UsageError, match=r"of https://moved\.example\.com, not of"):
                ledger.require_batch(batch).require_tenant(Tenant("https://cc.example.com", ""), moved=False)


def test_there_is_a_step_and_a_view_for_every_format() -> None:
    assert len(migrations.STEPS) == file.FORMAT - file.OLDEST_FORMAT
    assert sorted(migrations.VIEWS) == [*range(file.OLDEST_FORMAT, file.FORMAT)] == [*OLD_FORMATS]


def error_of(work: Callable[[], None]) -> LedgerError | None:
    try:
        work()
    except LedgerError as error:
        return error
    return None


@pytest.mark.parametrize("version", OLD_FORMATS)
def test_whichever_statement_fails_it_stays_what_it_was(tmp_path: Path, version: int) -> None:
    class Refusing(sqlite3.Connection):
        left = 0

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql not in ("ROLLBACK", "PRAGMA user_version"):
                self.left -= 1
                if self.left == 0:
                    raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, *values)  # type: ignore[arg-type]  # handed on as it came

    old = of_format(version, tmp_path / "old.db")
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        before = schema(connection), content(connection)
    for nth in count(1):
        with closing(sqlite3.connect(old, isolation_level=None, factory=Refusing)) as connection:
            connection.left = nth
            error = error_of(lambda: migrations.bring_up(connection, old, print))
            connection.left = 0
            if error is None:
                break
            assert "cannot bring the ledger to format" in error.what
            assert file.format_of(connection) == version
            assert (schema(connection), content(connection)) == before
    statements = sum(map(len, migrations.STEPS[version - file.OLDEST_FORMAT :]))
    assert nth == statements + 4, "BEGIN, the statements, the version and COMMIT were each refused once"


@pytest.mark.parametrize(("version", "says"), [(0, "older"), (-1, "older"), (file.FORMAT + 1, "newer")])
def test_other_formats_are_refused(tmp_path: Path, version: int, says: str) -> None:
    ledger = of_format(1, tmp_path / "l.db")
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute(f"PRAGMA user_version={version}")
    before = ledger.read_bytes()
    for open_it in (written, file.open_for_reading):
        with pytest.raises(LedgerError, match=says):
            open_it(ledger)
    assert ledger.read_bytes() == before
