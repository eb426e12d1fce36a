"""The ledger's file: made, opened and checked here. Anything unusable is a LedgerError and is left untouched."""

import contextlib
import functools
import os
import sqlite3
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from bulkroute.errors import LedgerError
from bulkroute.ledger import new_file
from bulkroute.ledger.guard import ledger_errors
from bulkroute.ledger.paths import SQLITE_MAGIC

APPLICATION_ID = 0x62726F75
"""`brou`, in the header of every ledger: tells it from another program's database."""

_HEADER_BYTES = 72
"""Of each SQLite database, up to its application's id."""

FORMAT = 3
"""The ledger's format, kept in `user_version`. `migrations` tells what each one added."""

OLDEST_FORMAT = 1
"""The oldest format that can be read, and that `migrations` brings to today's."""

PATIENCE_MS = 500
"""So long a writer that ends waits for whoever reads, to leave the file whole."""


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or none of it. What went wrong is raised as it was, whatever the rollback says.

    Within another one it is a part of that.
    """
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


@contextlib.contextmanager
def read_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Let all that the block reads be of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        roll_back(connection)


def roll_back(connection: sqlite3.Connection) -> None:
    """End a transaction, if it is not over by itself, as after a full disk; never hides why it has to end."""
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


@contextlib.contextmanager
def checked(path: Path, *, search: bool = True) -> Iterator[sqlite3.Connection]:
    """Give a connection to read an existing ledger, once it was searched for damage; an empty ledger if there is none yet.

    A search takes about 0.5 s a million rows; without `search` it was done already. Raises LedgerError.
    """
    with ledger_errors(path, "open the ledger"):
        size_bytes = path.stat().st_size if path.exists() else 0
        if size_bytes:
            require_writable(path)
            _check_header(path)
        connection = _connect_to_check(path, size_bytes)
    with contextlib.closing(connection):
        if search and size_bytes:
            _search_for_damage(path)
        yield connection


def require_writable(path: Path) -> None:
    """Refuse a file that may not be written: SQLite would make read-only files beside it, which stay in the way.

    Raises OSError.
    """
    with path.open("r+b"):
        pass


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open a ledger that `checked` found sound, making it (mode 0600) if there is none; the caller holds the lock.

    One of an earlier format stays what it is until `migrations.bring_up`. Raises LedgerError.
    """
    with ledger_errors(path, "open the ledger"):
        if not path.exists() or not path.stat().st_size:
            new_file.make(path, _write_blank)
        # Commits of a slow disk have a thread: `commit_thread`.
        connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            # A run goes through the rows in order; more pages would only add to its memory.
            connection.execute("PRAGMA cache_size=-1000")
            if _is_blank(connection):
                # To copy into a file that another program writes would be tried for ever; this gives up in time.
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
                _make(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def make_whole(connection: sqlite3.Connection) -> bool:
    """Bring what was committed from the log into the file, and empty the log: whoever copies the file then has all of it.

    SQLite does so for the last one who closes a ledger, and only then: a page that shows it would keep it from that.
    What cannot be brought over, since somebody reads an earlier state, stays in the log. Return whether it is empty.
    """
    with contextlib.suppress(sqlite3.Error):  # all is safe in the log, too
        connection.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
        ((is_in_use, *_pages),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return not is_in_use
    return False


def make_whole_beside(path: Path) -> bool:
    """Do the same through a connection of its own: meant for a thread, while the event loop keeps the other one."""
    with contextlib.suppress(sqlite3.Error):
        found = f"{path.absolute().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(found, uri=True, isolation_level=None)) as own:
            return make_whole(own)
    return False


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open an existing ledger to read it, also while a run writes. Raises LedgerError."""
    with ledger_errors(path, "open the ledger"):
        if not path.is_file():
            raise LedgerError("there is no such ledger", where=str(path), hint="`bulkroute run` makes one")
        _check_header(path)
        connection = _connect_read_only(path)
        try:
            if _is_blank(connection):
                raise LedgerError("the ledger is empty", where=str(path), hint="`bulkroute run` fills it")
            _check_format(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def is_frozen(path: Path) -> bool:
    """Return whether a ledger lies where nothing can be made beside it, which reading it otherwise needs, and nobody writes it."""
    return not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()


def _connect_to_check(path: Path, size_bytes: int) -> sqlite3.Connection:
    """Connect to a ledger whose format is known here; to an empty one in memory if nothing was ever put in."""
    if size_bytes:
        connection = _connect_read_only(path)
        try:
            if not _is_blank(connection):
                _check_format(connection, path)
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(_blank())
    return connection


def _connect_read_only(path: Path) -> sqlite3.Connection:
    how = "mode=ro&immutable=1" if is_frozen(path) else "mode=ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, timeout=10)


def _search_for_damage(path: Path) -> None:
    """Refuse a damaged ledger; through a connection of its own that cannot change it."""
    with ledger_errors(path, "open the ledger"), contextlib.closing(_connect_read_only(path)) as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise LedgerError(
            "the ledger is damaged", where=str(path), hint="keep it, and name another with --ledger or repair a copy"
        )


def _check_header(path: Path) -> None:
    """Refuse what SQLite did not write, before SQLite may touch it."""
    with path.open("rb") as file:
        header = file.read(len(SQLITE_MAGIC))
    if header and header != SQLITE_MAGIC:
        raise LedgerError(
            "this is not a ledger",
            where=str(path),
            hint="name the ledger, not the manifest: a file that `bulkroute run` made",
        )


def has_ledgers_header(path: Path) -> bool:
    """Tell whether a file begins as ledgers do, without SQLite."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    return header.startswith(SQLITE_MAGIC) and header.endswith(APPLICATION_ID.to_bytes(4))


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Return whether nothing was ever put in: a new file, or one whose maker was killed in its first moment."""
    return not any(
        connection.execute(question).fetchone()[0]
        for question in ("SELECT count(*) FROM sqlite_schema", "PRAGMA application_id", "PRAGMA user_version")
    )


@functools.cache
def _blank() -> bytes:
    """Return an empty ledger: to copy it takes a part of the time that its statements take, which a fleet makes dozens with."""
    from importlib import resources  # here, since only a new ledger needs it

    schema = resources.files("bulkroute.ledger").joinpath("schema.sql").read_text("utf-8")
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(
            f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT}; BEGIN; {schema} COMMIT;"
        )
        return connection.serialize()


def _write_blank(path: Path) -> None:
    """Write an empty ledger in WAL mode (sqlite.org/fileformat.html, 1.3.3) into an empty file, sooner than SQLite does."""
    blank = bytearray(_blank())
    blank[18:20] = b"\2\2"
    with path.open("r+b") as file:
        file.write(blank)


def _make(connection: sqlite3.Connection) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as blank:
        blank.deserialize(_blank())
        blank.backup(connection)


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = format_of(connection)
    if application != APPLICATION_ID:
        raise LedgerError(
            "this database is not a ledger",
            where=str(path),
            hint="name the ledger, not the manifest: a file that `bulkroute run` made",
        )
    if version > FORMAT:
        raise LedgerError(
            f"the ledger has format {version}, newer than the {FORMAT} known here",
            where=str(path),
            hint="use the newer bulkroute that wrote it",
        )
    if version < OLDEST_FORMAT:
        raise LedgerError(
            f"the ledger has format {version}, older than the {OLDEST_FORMAT} that can still be read",
            where=str(path),
            hint="name another with --ledger",
        )


def format_of(connection: sqlite3.Connection) -> int:
    """Return the format of an open ledger."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def sql_list(words: Iterable[StrEnum]) -> str:
    """Return words of ours as SQL writes a list: `'pending', 'failed'`."""
    return ", ".join(f"'{word}'" for word in words)
