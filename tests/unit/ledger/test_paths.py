"""Files that are never replaced: a ledger and what belongs to it."""

from pathlib import Path

import pytest

from bulkroute.errors import UsageError
from bulkroute.ledger.paths import require_apart


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
