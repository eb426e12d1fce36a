"""Files that are replaced as a whole."""

import os
from pathlib import Path

import pytest

from bulkroute.atomic_file import replacing
from bulkroute.errors import UsageError


def test_a_file_changes_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    path.write_text("old")
    with replacing(path) as file:
        file.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(KeyboardInterrupt):
        break_off(path)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def break_off(path: Path) -> None:
    with replacing(path) as file:
        file.write("half")
        raise KeyboardInterrupt


def test_two_writers_of_one_file_do_not_sweep_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a[1].prom"
    with replacing(path) as first, replacing(path) as second:
        first.write("first")
        second.write("second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_nobody_writes_any_more_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "a[1].prom"
    (tmp_path / ".a[1].prom.77.partial").write_text("half")
    other = tmp_path / ".a1.prom.77.partial"
    other.write_text("of another file")
    with replacing(path) as file:
        file.write("whole")
    assert sorted(tmp_path.iterdir()) == [other, path]


def test_a_link_stays_and_its_file_changes(tmp_path: Path) -> None:
    path, link = tmp_path / "today.csv", tmp_path / "latest.csv"
    path.write_text("old")
    link.symlink_to("today.csv")
    with replacing(link) as file:
        file.write("new")
    assert link.is_symlink()
    assert path.read_text() == "new"


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no regular file"), replacing(tmp_path / "pipe"):
        raise AssertionError("not reached")
