"""The ledger: the file that every answered call is recorded in, and the only way to it from outside of `ledger/`.

    with Ledger(path).read() as ledger:
        print(ledger.require_batch().counts())

What goes wrong is a LedgerError that says what to do; no connection and no `sqlite3.Error` leaves this package.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from bulkroute.ledger.file import is_frozen, open_for_reading
from bulkroute.ledger.reader import LedgerReader


class Identity(NamedTuple):
    """Which file lies at a ledger's path, and how it has to be opened to be read."""

    device: int
    inode: int
    frozen: bool


class Ledger:
    """A ledger by its path; the file need not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def read(self) -> Iterator[LedgerReader]:
        """Open an existing ledger for the block, to read it, also while a run writes it. Raises LedgerError."""
        with closing(open_for_reading(self.path)) as connection:
            yield LedgerReader(connection, self.path)

    def identity(self) -> Identity | None:
        """Return what tells the file from another one that is put in its place; None if there is no file."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return Identity(found.st_dev, found.st_ino, is_frozen(self.path))
