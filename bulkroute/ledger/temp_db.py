"""A private temporary database, so that memory stays flat; thrown away at the end, whatever happened.

Nothing of it reaches a ledger by itself: whoever compares or merges attaches it for a moment. A killed process leaves
its folder behind; the next process that makes one removes it. (SQLite attaches files by name alone, so that it cannot be
unlinked while it is in use.)
"""

import contextlib
import fcntl
import functools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from bulkroute.errors import LedgerError

_PREFIX = "bulkroute-scratch-"


@contextlib.contextmanager
def temp_errors(doing: str, where: str) -> Iterator[None]:
    """Turn what SQLite and the file system say about a temporary file into a LedgerError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(
            f"cannot {doing}: {error}",
            where=where,
            hint="make room there, or name another folder with TMPDIR, then run the same command again",
        ) from error


@contextlib.contextmanager
def scratch_folder(doing: str) -> Iterator[Path]:
    """Give a new folder that is this user's alone, for the block. Raises LedgerError where TMPDIR is of no use."""
    with temp_errors(doing, "temporary folder"):
        folder, lock = _make_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


class Scratch:
    """The file and the one connection that writes it. Use as a context manager."""

    def __init__(self, name: str, doing: str, schema: str, *, cache_kib: int) -> None:
        """Make the temporary file; `doing` is what it is for. Raises LedgerError where its folder (TMPDIR) is of no use."""
        self._doing = doing
        with self.errors("temporary folder"):
            self._folder, self._lock = _make_folder()
        self.path = self._folder / name
        try:
            with self.errors():
                self._connection = sqlite3.connect(self.path, isolation_level=None)
                # Nothing of it need survive a crash.
                self._connection.executescript(
                    f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{cache_kib}; {schema}"
                )
        except LedgerError:
            self._remove()
            raise

    def errors(self, where: str = "") -> contextlib.AbstractContextManager[None]:
        """Turn what SQLite and the file system say about the temporary file into a LedgerError."""
        return temp_errors(self._doing, where or str(self.path))

    def close(self) -> None:
        """Remove the temporary file."""
        self._connection.close()
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the temporary file."""
        self.close()


def _make_folder() -> tuple[Path, int]:
    """Return a new folder of our own and its open descriptor, which holds the kernel's lock as long as we live."""
    _remove_leftovers(tempfile.gettempdir())
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Before it is locked, somebody may have taken it for a leftover.
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                with contextlib.suppress(OSError):  # without locks on this disk nobody takes it for a leftover either
                    fcntl.flock(lock, fcntl.LOCK_EX)
                folder.stat()  # names are not given twice: mkdtemp draws them
            except FileNotFoundError:
                os.close(lock)
                raise
            return folder, lock


@functools.cache
def _remove_leftovers(among: str) -> None:
    """Remove folders whose process is gone: those of this user that nobody holds the lock of. Looks once a process."""
    for folder in Path(among).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # it belongs to another user, is in use, or has just been removed
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
