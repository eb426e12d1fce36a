"""Files that are replaced as a whole."""

from pathlib import Path

import pytest

from bulkroute.atomic_file import replacing


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
