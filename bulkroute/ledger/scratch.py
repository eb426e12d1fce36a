"""A private temporary database, so that memory stays flat; thrown away at the end, whatever happened.

Nothing of it reaches a ledger by itself: whoever compares or merges attaches it for a moment.
"""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from bulkroute.errors import LedgerError


class Scratch:
    """The file and the one connection that writes it. Use as a context manager."""

    def __init__(self, name: str, doing: str, schema: str, *, cache_kib: int) -> None:
        """Make the temporary file; `doing` is what it is for. Raises LedgerError where its folder (TMPDIR) is of no use."""
        self._doing = doing
        with self.errors("temporary folder"):
            self._folder = tempfile.TemporaryDirectory(prefix="bulkroute-")
        self.path = Path(self._folder.name) / name
        try:
            with self.errors():
                self._connection = sqlite3.connect(self.path, isolation_level=None)
                # Nothing of it need survive a crash.
                self._connection.executescript(
                    f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{cache_kib}; {schema}"
                )
        except LedgerError:
            self._folder.cleanup()
            raise

    @contextlib.contextmanager
    def errors(self, where: str = "") -> Iterator[None]:
        """Turn what SQLite and the file system say about the temporary file into a LedgerError."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"cannot {self._doing}: {error}",
                where=where or str(self.path),
                hint="make room there, or name another folder with TMPDIR, then run the same command again",
            ) from error

    def close(self) -> None:
        """Remove the temporary file."""
        self._connection.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the temporary file."""
        self.close()
