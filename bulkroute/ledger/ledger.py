"""The ledger: the file that every answered call is recorded in, and the only way to it from outside of `ledger/`.

    with Ledger(path).read() as ledger:
        print(ledger.require_batch().counts())

    with Ledger(path).hold() as held, held.checked() as ledger:
        batch = ledger.require_batch()
        with held.write(print) as writer:
            writer.work_on(batch).reopen()

What goes wrong is a LedgerError that says what to do; no connection and no `sqlite3.Error` leaves this package.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, NamedTuple

from bulkroute.errors import LedgerError
from bulkroute.ledger import lock, migrations
from bulkroute.ledger.file import checked, is_frozen, make_whole, make_whole_beside, open_for_reading, open_for_writing
from bulkroute.ledger.guard import ledger_errors
from bulkroute.ledger.mounts import network_file_system
from bulkroute.ledger.paths import database_files, quoted
from bulkroute.ledger.reader import READ, LedgerReader

if TYPE_CHECKING:
    from bulkroute.ledger.back_outs import BackOut
    from bulkroute.ledger.copied import LedgerCopy
    from bulkroute.ledger.writer import LedgerWriter


class Identity(NamedTuple):
    """Which file lies at a ledger's path, and how it has to be opened to be read."""

    device: int
    inode: int
    frozen: bool
    log: int | None
    """Its write-ahead log, by its inode. The last writer takes it away; whoever still reads the old one learns nothing new.

    SQLite keeps it for readers that hold their lock. Of a process that opens the ledger twice, that lock is lost with the
    first file of it that is closed.
    """


class Ledger:
    """A ledger by its path; the file need not be there yet. `copy` is where commits of runs go as well."""

    def __init__(self, path: Path, copy: "LedgerCopy | None" = None) -> None:
        self.path, self.copy = path, copy

    @contextmanager
    def read(self) -> Iterator[LedgerReader]:
        """Open an existing ledger for the block, to read it, also while a run writes it. Raises LedgerError."""
        with closing(open_for_reading(self.path)) as connection:
            _read_as_today(connection, self.path)
            yield LedgerReader(connection, self.path)

    @contextmanager
    def hold(self) -> Iterator["HeldLedger"]:
        """Hold the ledger's lock for the block: only so it can be written. Raises LedgerBusy, LedgerError."""
        with lock.hold(self.path):
            yield HeldLedger(self.path, self.copy)

    def doubt_of_owner(self) -> str:
        """Return what is wrong with who may write an existing ledger; nothing if only its owner may, who is this user.

        Raises LedgerError for an empty file of somebody else's, who would hold the ledger that is made of it.
        """
        with ledger_errors(self.path, "open the ledger"):
            try:
                found = self.path.stat()
            except FileNotFoundError:
                return ""
        mode = f"mode {stat.S_IMODE(found.st_mode):04o}"
        if found.st_uid != os.geteuid():
            if not found.st_size:
                hint = "remove it, or name another with --ledger"
                raise LedgerError(f"it is an empty file of somebody else's ({mode})", where=str(self.path), hint=hint)
            return f"{self.path}: the ledger is somebody else's ({mode})"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            remedy = f"chmod 600 {quoted(self.path)}"
            return f"{self.path}: others may write the ledger ({mode}); `{remedy}` ends that"
        return ""

    def doubt_of_place(self) -> str:
        """Return what is wrong with where the ledger lies; nothing if it is a local disk, as far as can be told."""
        kind = network_file_system(self.path.resolve().parent)
        if not kind:
            return ""
        return (
            f"{self.path}: the ledger lies on a network file system ({kind}), which SQLite may damage: use a local disk"
        )

    def identity(self) -> Identity | None:
        """Return what tells the file from another one that is put in its place; None if there is no file."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        log = self.path.with_name(f"{self.path.name}-wal")
        try:
            log_inode = log.stat().st_ino
        except OSError:
            log_inode = None
        return Identity(found.st_dev, found.st_ino, is_frozen(self.path), log_inode)


class HeldLedger:
    """A ledger whose lock is ours; the file need not be there yet."""

    def __init__(self, path: Path, copy: "LedgerCopy | None" = None) -> None:
        self.path, self._copy = path, copy
        self._is_in_use = False
        """Whether somebody reads an earlier state, so that the log could not be emptied."""
        self._is_sound = False
        """Whether it was searched for damage since we hold it, and not written since."""

    @contextmanager
    def checked(self) -> Iterator[LedgerReader]:
        """Give what there is to read, once it was searched for damage; an empty ledger if there is no file yet.

        It is not searched again until it is written. Raises LedgerError.
        """
        with checked(self.path, search=not self._is_sound) as connection:
            _read_as_today(connection, self.path)
            yield LedgerReader(connection, self.path)
        self._is_sound = True

    def unfinished_back_out(self) -> "BackOut | None":
        """Return the back-out that is to be gone on with; None if there is none. Raises LedgerError."""
        if not self.path.exists():
            return None
        with self.checked() as ledger:
            return ledger.unfinished_back_out()

    @contextmanager
    def write(self) -> Iterator["LedgerWriter"]:
        """Open the ledger for the block, once `checked` found it sound; it is made if there is none yet.

        One that is made here and into which nothing is put is removed again. Raises LedgerError.
        """
        from bulkroute.ledger.writer import LedgerWriter  # here, since whoever reads needs neither asyncio nor YAML

        is_new, self._is_in_use, self._is_sound = not self.path.exists(), False, False
        try:
            with closing(open_for_writing(self.path)) as connection:
                writer = LedgerWriter(connection, self.path, self._copy)
                try:
                    yield writer
                finally:
                    is_new = is_new and writer.is_empty()
                    if not self._is_in_use:
                        make_whole(connection)
        finally:
            if is_new:
                for file in database_files(self.path):
                    file.unlink(missing_ok=True)

    async def make_whole(self) -> None:
        """Empty the log in a thread, before `write` ends and would do it on the event loop, where it is little then.

        Ends only once the thread has, also if it is cancelled: the lock must not be given up before.
        """
        import asyncio  # here, as above

        task = asyncio.create_task(asyncio.to_thread(make_whole_beside, self.path))
        try:
            self._is_in_use = not await asyncio.shield(task)
        finally:
            await asyncio.wait([task])


def _read_as_today(connection: Connection, path: Path) -> None:
    with ledger_errors(path, READ):
        migrations.read_as_today(connection)
