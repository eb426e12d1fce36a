"""Files that are never replaced: a ledger and what belongs to it."""

from pathlib import Path

import pytest

from bulkroute.errors import UsageError
from bulkroute.ledger.paths import SQLITE_MAGIC, of_a_ledger, require_apart


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
    with pytest.raises(UsageError, match=says):
        require_apart(tmp_path / name, ledger, hint="name another file")
    assert ledger.read_text() == "precious"


def test_a_ledger_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    ledger, other = tmp_path / "night.csv", tmp_path / "other"
    ledger.write_bytes(SQLITE_MAGIC + b"...")
    other.write_text("id,devicetype,deviceId\n")
    (tmp_path / "link").symlink_to(ledger)
    assert of_a_ledger(ledger)
    assert of_a_ledger(tmp_path / "link")
    assert of_a_ledger(tmp_path / "night.csv-wal")
    assert not of_a_ledger(other)
    assert not of_a_ledger(tmp_path / "other-wal")
    assert not of_a_ledger(tmp_path / "none")
