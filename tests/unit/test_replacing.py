"""Files that are replaced as a whole, and those that never are."""

from pathlib import Path

import pytest

from bulkroute.errors import UsageError
from bulkroute.replacing import replacing


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("night.db", "is the ledger itself"),
        ("folder/../night.db", "is the ledger itself"),
        ("link", "is the ledger itself"),
        ("hard", "is the ledger itself"),
        *((f"night.db{end}", "belongs to the ledger") for end in ("-wal", "-shm", ".lock", ".ctl")),
    ],
)
def test_a_ledger_and_what_belongs_to_it_are_never_replaced(tmp_path: Path, name: str, says: str) -> None:
    ledger = tmp_path / "night.db"
    ledger.write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("night.db")
    (tmp_path / "hard").hardlink_to(ledger)
    with pytest.raises(UsageError, match=says), replacing(tmp_path / name, ledger=ledger):
        pytest.fail("it was opened")
    assert ledger.read_text() == "precious"


def test_a_file_changes_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    path.write_text("old")
    with replacing(path, ledger=tmp_path / "night.db") as file:
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
