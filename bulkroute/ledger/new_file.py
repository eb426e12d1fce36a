"""Puts a database where none is: whatever ends this on the way, power loss too, it is there whole or not at all.

So it is made under another name, synced, and renamed. Made in its place by SQLite, it is in the way of every later run
after a kill in the first milliseconds: the switch to WAL leaves a journal that no reader can roll back.
"""

import contextlib
import errno
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from bulkroute.atomic_file import sync_folder
from bulkroute.ledger.paths import database_files

UNFINISHED = ".unfinished"
"""What the name of a database ends with while it is made."""

_UNFINISHED = re.compile(rf"[0-9a-f]{{8}}{re.escape(UNFINISHED)}")


def make(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a database (mode 0600) where nothing or an empty file is; the caller holds its lock.

    `fill` gets an empty file, and makes a database in WAL mode of it. A link that leads nowhere is not followed. Raises
    OSError, sqlite3.Error.
    """
    if path.is_symlink() and not path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    place = Path(os.path.realpath(path))
    begin = f".{place.name}."
    # Of one who was killed: nobody else is at it without the lock. A folder may be written, and not listed.
    with contextlib.suppress(PermissionError):
        for name in os.listdir(place.parent):  # noqa: PTH208 -- names alone: a folder may hold hundreds of ledgers
            if name.startswith(begin) and _UNFINISHED.match(name, len(begin)):
                place.with_name(name).unlink(missing_ok=True)
    unfinished = place.with_name(f"{begin}{os.urandom(4).hex()}{UNFINISHED}")
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fill(unfinished)
        os.fsync(descriptor)
        # Of one that was removed: SQLite would take its WAL for this one's.
        if stale := [file for file in database_files(place)[1:] if os.path.lexists(file)]:
            for file in stale:
                file.unlink(missing_ok=True)
            sync_folder(place.parent)
        unfinished.rename(place)
    except BaseException:
        for file in database_files(unfinished):
            file.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    sync_folder(place.parent)


@contextlib.contextmanager
def opened(unfinished: Path) -> Iterator[sqlite3.Connection]:
    """Open what `fill` gets, to fill it by statements. Raises sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=WAL")
        yield connection
