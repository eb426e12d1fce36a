"""A ledger brought up from format 1 is what a new one is, or what it was: never anything in between."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.errors import LedgerError
from bulkroute.ledger import file, migrations
from tests.ledgers import of_format_1, written

SPACE = re.compile(r"--[^\n]*|\s+")


def schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    """Return what the file holds, its SQL without comments and blanks."""
    found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")
    return [(*names, SPACE.sub("", sql or "")) for *names, sql in found]


def content(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in tables}


def test_a_ledger_that_was_brought_up_is_like_a_new_one_and_keeps_its_rows(tmp_path: Path) -> None:
    told: list[str] = []
    old, new = of_format_1(tmp_path / "old.db"), tmp_path / "new.db"
    with closing(written(old)) as migrated, closing(written(new)) as fresh:
        before = content(migrated)
        migrations.bring_up(migrated, old, told.append)
        assert told == ["the ledger is of format 1; brought to format 2"]
        assert schema(migrated) == schema(fresh)
        assert file.format_of(migrated) == file.format_of(fresh) == file.FORMAT
        assert content(migrated) == {**before, "pace": []}
        assert migrated.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        migrations.bring_up(migrated, old, told.append)
        migrations.bring_up(fresh, new, told.append)
        assert len(told) == 1


def test_there_is_a_step_for_every_format() -> None:
    assert len(migrations.STEPS) == file.FORMAT - file.OLDEST_FORMAT


@pytest.mark.parametrize("fails", ["CREATE", "PRAGMA user_version=", "COMMIT"])
def test_a_step_that_fails_leaves_what_there_was(tmp_path: Path, fails: str) -> None:
    class Refusing(sqlite3.Connection):
        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql.strip().startswith(fails):
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, *values)  # type: ignore[arg-type]  # handed on as it came

    old = of_format_1(tmp_path / "old.db")
    with closing(sqlite3.connect(old, isolation_level=None, factory=Refusing)) as connection:
        with pytest.raises(LedgerError, match="to format 2"):
            migrations.bring_up(connection, old, print)
        assert file.format_of(connection) == 1
        assert "pace" not in content(connection)


@pytest.mark.parametrize(("version", "says"), [(0, "older"), (-1, "older"), (file.FORMAT + 1, "newer")])
def test_other_formats_are_refused(tmp_path: Path, version: int, says: str) -> None:
    ledger = of_format_1(tmp_path / "l.db")
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute(f"PRAGMA user_version={version}")
    before = ledger.read_bytes()
    for open_it in (written, file.open_for_reading):
        with pytest.raises(LedgerError, match=says):
            open_it(ledger)
    assert ledger.read_bytes() == before
