"""Files that change only as a whole: whoever reads one finds the old content or the new, never half of it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from bulkroute.errors import UsageError

BESIDE_LEDGER = ("-wal", "-shm", ".lock", ".ctl")
"""What a ledger's name is followed by in the names of the files that belong to it."""


def same_file(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file, or would if it were there."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist, or leads nowhere
        return os.path.realpath(one) == os.path.realpath(other)


def demand_apart(path: Path, ledger: Path, *, hint: str) -> None:
    """Refuse to replace the ledger or a file that belongs to it: its rows would be lost. Raises UsageError."""
    if same_file(path, ledger):
        raise UsageError("is the ledger itself", where=str(path), hint=hint)
    if any(same_file(path, ledger.with_name(ledger.name + end)) for end in BESIDE_LEDGER):
        raise UsageError("belongs to the ledger", where=str(path), hint=hint)


@contextlib.contextmanager
def replacing(path: Path, *, ledger: Path | None = None, what: str = "", hint: str = "") -> Iterator[TextIO]:
    """Give a new file beside `path`, and put it in its place once the block is done.

    Raises UsageError, which says that `what` cannot be written, and for a `path` that is, or belongs to, the `ledger`
    the content comes from.
    """
    if ledger is not None:
        demand_apart(path, ledger, hint="name another file with -o")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            with partial.open("x", encoding="utf-8", newline="") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{what} cannot be written: {error.strerror}".strip(), where=str(path), hint=hint) from error
