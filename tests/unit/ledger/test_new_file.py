"""A ledger is made whole or not at all; that power loss finds no other, tests/crash/test_power_loss.py tries."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.ledger import new_file
from bulkroute.ledger.paths import database_files
from tests.ledgers import written


def fill(unfinished: Path) -> None:
    with new_file.opened(unfinished) as connection:
        connection.executescript("CREATE TABLE song (title TEXT); INSERT INTO song VALUES ('Yesterday');")


def songs(path: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT title FROM song").fetchall()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_it_is_there_whole_private_and_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.touch(0o666)
    new_file.make(path, fill)
    assert names(tmp_path) == {"x.db"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes()[18:20] == b"\2\2", "it is not in WAL mode"
    assert songs(path) == [("Yesterday",)]


def test_if_it_cannot_be_filled_nothing_is_there(tmp_path: Path) -> None:
    def fail(unfinished: Path) -> None:
        fill(unfinished)
        with new_file.opened(unfinished) as connection:
            connection.execute("SELECT nothing")

    with pytest.raises(sqlite3.OperationalError):
        new_file.make(tmp_path / "x.db", fail)
    assert not names(tmp_path)


def test_what_a_killed_maker_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = (".x.db.0123abcd.unfinished", ".x.db.0123abcd.unfinished-wal")
    others = {".x.db.old.0123abcd.unfinished", ".y.db.0123abcd.unfinished", "x.db.csv"}
    for name in (*left, *others):
        (tmp_path / name).touch()
    new_file.make(tmp_path / "x.db", fill)
    assert names(tmp_path) == {"x.db", *others}


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x.db").symlink_to("victim")
    with pytest.raises(FileExistsError):
        new_file.make(tmp_path / "x.db", fill)
    assert names(tmp_path) == {"x.db"}


def test_a_link_to_an_empty_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    (tmp_path / "x.db").symlink_to("there")
    new_file.make(tmp_path / "x.db", fill)
    assert (tmp_path / "x.db").is_symlink()
    assert songs(tmp_path / "there") == [("Yesterday",)]


def test_the_wal_of_a_ledger_that_was_removed_is_not_taken_for_that_of_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(written(path)) as connection:
        connection.execute("INSERT INTO batch (created_at, manifest, digest) VALUES (1, 'old.csv', '')")
        wal = database_files(path)[1]
        kept = wal.read_bytes()
    path.unlink()
    wal.write_bytes(kept)
    with closing(written(path)) as connection:
        assert not connection.execute("SELECT * FROM batch").fetchall()


def test_a_link_in_place_of_a_log_that_leads_nowhere_is_removed(tmp_path: Path) -> None:
    (tmp_path / "x.db-wal").symlink_to("victim")
    new_file.make(tmp_path / "x.db", fill)
    assert names(tmp_path) == {"x.db"}


def test_a_folder_that_may_not_be_listed_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: Path) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(os, "listdir", refuse)
    new_file.make(tmp_path / "x.db", fill)
    assert (tmp_path / "x.db").exists()
