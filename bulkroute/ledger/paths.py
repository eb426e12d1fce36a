"""Where a ledger's files are, and whether another file is one of them."""

import os
import shlex
from pathlib import Path

from bulkroute.errors import UsageError

SQLITE_MAGIC = b"SQLite format 3\0"
"""What each SQLite database begins with."""

BESIDE_LEDGER = ("-wal", "-shm", ".lock", ".ctl")
"""What a ledger's name is followed by in the names of the files that belong to it."""


def quoted(ledger: str | Path) -> str:
    """Return a ledger's path as a command names it in a shell; one that begins with a dash is no flag there."""
    text = str(ledger)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def same_file(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file, or would if it were there."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist, or leads nowhere
        return os.path.realpath(one) == os.path.realpath(other)


def require_apart(path: Path, ledger: Path, *, hint: str) -> None:
    """Refuse to replace the ledger or a file that belongs to it: its rows would be lost. Raises UsageError."""
    if same_file(path, ledger):
        raise UsageError("is the ledger itself", where=str(path), hint=hint)
    if any(same_file(path, ledger.with_name(ledger.name + end)) for end in BESIDE_LEDGER):
        raise UsageError("belongs to the ledger", where=str(path), hint=hint)


def of_a_ledger(path: Path) -> bool:
    """Tell whether a file is a ledger, or belongs to one that is there. Any SQLite database is taken for a ledger."""
    real = Path(os.path.realpath(path))
    owners = [real.with_name(real.name.removesuffix(end)) for end in BESIDE_LEDGER if real.name.endswith(end)]
    return any(_is_database(each) for each in (real, *owners))


def _is_database(path: Path) -> bool:
    try:
        if not path.is_file():
            return False  # opening a FIFO would wait for its writer
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except OSError:
        return False


def database_files(ledger: Path) -> list[Path]:
    """Return the ledger and what SQLite keeps beside it."""
    return [ledger, *(ledger.with_name(ledger.name + end) for end in ("-wal", "-shm", "-journal"))]


def lock_file(ledger: Path) -> Path:
    """Return where the ledger's lock is."""
    return ledger.with_name(ledger.name + ".lock")
