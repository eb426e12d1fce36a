"""Puts a database where none is: whatever ends this on the way, power loss too, it is there whole or not at all.

So it is made under another name, synced, and renamed. Made in its place by SQLite, it is in the way of every later run
after a kill in the first milliseconds: the switch to WAL leaves a journal that no reader can roll back.
"""

import contextlib
import errno
import glob
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from bulkroute.atomic_file import sync_folder
from bulkroute.ledger.paths import database_files

UNFINISHED = ".unfinished"
"""What the name of a database ends with while it is made."""


def make(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a database (WAL, mode 0600) that `fill` fills, where nothing or an empty file is; the caller holds its lock.

    A link that leads nowhere is not followed. Raises OSError, sqlite3.Error.
    """
    if path.is_symlink() and not path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    place = Path(os.path.realpath(path))
    for left in place.parent.glob(f".{glob.escape(place.name)}.{'[0-9a-f]' * 8}{UNFINISHED}*"):
        left.unlink(missing_ok=True)  # of one who was killed: nobody else is at it, who would need the lock
    unfinished = place.with_name(f".{place.name}.{os.urandom(4).hex()}{UNFINISHED}")
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA journal_mode=WAL")
            fill(connection)
        os.fsync(descriptor)
        for stale in database_files(place)[1:]:  # of one that was removed: SQLite would take its WAL for this one's
            stale.unlink(missing_ok=True)
        sync_folder(place.parent)
        unfinished.rename(place)
    except BaseException:
        for file in database_files(unfinished):
            file.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    sync_folder(place.parent)
