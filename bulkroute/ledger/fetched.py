"""A ledger made of the copy of it that is kept elsewhere; and what is taken of a ledger for such a copy."""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from bulkroute.errors import LedgerError
from bulkroute.ledger import copied, new_file, replay
from bulkroute.ledger.copied import CopyMark
from bulkroute.ledger.file import has_ledgers_header, make_whole, open_for_reading, open_for_writing, require_writable
from bulkroute.ledger.guard import ledger_errors
from bulkroute.ledger.ledger import Ledger

ASIDE = ".set-aside-{}"
"""What the name of a ledger ends with whose copy is further."""


def mark_of(path: Path) -> CopyMark | None:
    """Return of which copy a ledger is; None if it has none, or is not there. Raises LedgerError."""
    with ledger_errors(path, "open the ledger"):
        if not path.exists() or not has_ledgers_header(path):
            return None  # what is wrong with it, if anything, whoever opens it says
    with closing(open_for_reading(path)) as connection, ledger_errors(path, "read the ledger"):
        return copied.find(connection)


def require_free(path: Path) -> None:
    """Refuse a ledger that has a copy, to whoever does not hold that. Raises LedgerError."""
    with ledger_errors(path, "open the ledger"):
        if path.exists():
            require_writable(path)
    if mark_of(path) is not None:
        raise LedgerError(
            "this ledger has a copy in PostgreSQL, and another host may be at work on it",
            where=str(path),
            hint="use `bulkroute fleet` with --on, as before; `bulkroute fleet detach` ends the copy",
        )


def save_as(ledger: Path, path: Path, mark: CopyMark) -> int:
    """Copy a whole ledger, whose copy is ours now, into a new file; return the number of its last commit.

    Raises LedgerBusy, LedgerError.
    """
    with (
        Ledger(ledger).hold(),
        closing(open_for_writing(ledger)) as connection,
        ledger_errors(ledger, "copy the ledger"),
    ):
        copied.note(connection, mark)
        return copied.save_as(connection, path)


def forget(ledger: Path) -> None:
    """Make it an ordinary ledger again. Raises LedgerBusy, LedgerError."""
    if ledger.exists():
        with (
            Ledger(ledger).hold(),
            closing(open_for_writing(ledger)) as connection,
            ledger_errors(ledger, "write the ledger"),
        ):
            copied.forget(connection)


def put_in_place(ledger: Path, base: Path, records: Iterable[bytes]) -> Path | None:
    """Make the ledger anew from a copy of it and the records since; return where the old one is kept, if there was one.

    Whatever ends this on the way, power loss too, either of the two is there, whole. Raises LedgerBusy, LedgerError.
    """
    with Ledger(ledger).hold(), ledger_errors(ledger, "make the ledger anew from its copy"):
        aside = _set_aside(ledger) if ledger.exists() and ledger.stat().st_size else None

        def fill(unfinished: Path) -> None:
            with new_file.opened(unfinished) as connection:
                with closing(sqlite3.connect(base, isolation_level=None)) as source:
                    source.backup(connection)
                replay.replay(connection, ledger, records)

        new_file.make(ledger, fill)
        return aside


def _set_aside(ledger: Path) -> Path:
    """Give a ledger a second name, with all that it holds in the one file."""
    with closing(open_for_writing(ledger)) as connection:
        make_whole(connection)
    number, real = 1, Path(os.path.realpath(ledger))
    while True:
        aside = real.with_name(real.name + ASIDE.format(number))
        try:
            os.link(real, aside)
        except FileExistsError:
            number += 1
        else:
            return aside
