"""What SQLite and the file system say about a ledger, as a LedgerError: what could not be done, where, and what to do.

Whoever is outside `ledger/` never meets a `sqlite3.Error`: the methods that leave this room are guarded here.
"""

import contextlib
import functools
import os
import pwd
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from bulkroute.errors import LedgerError
from bulkroute.ledger.paths import quoted

P = ParamSpec("P")
T = TypeVar("T")

DAMAGED = "it is damaged or not a ledger: keep it, and name another with --ledger"
"""What to do about it."""


class OfLedger(Protocol):
    """Something that reads or writes one ledger."""

    path: Path


Self = TypeVar("Self", bound=OfLedger)


@contextlib.contextmanager
def ledger_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn what SQLite and the file system say about the ledger into a LedgerError."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(f"cannot {doing}: {error}", where=str(path), hint=_hint(error)) from error
    except UnicodeDecodeError as error:  # SQLite quotes the damaged place, and its bytes are no text
        raise LedgerError(f"cannot {doing}: its bytes are not what they were", where=str(path), hint=DAMAGED) from error
    except OSError as error:
        hint = "check the permissions of the file and its folder, and the space there"
        if isinstance(error, PermissionError):
            hint = hint_for_colleagues(path) or hint
        raise LedgerError(f"cannot {doing}: {error.strerror}", where=str(path), hint=hint) from error


def hint_for_colleagues(path: Path) -> str:
    """Return what somebody can do to whom a ledger does not belong; nothing for its owner."""
    try:
        found = path.stat()
    except OSError:
        return ""
    if found.st_uid == os.geteuid():
        return ""
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = f"user {found.st_uid}"
    return (
        f"it is {owner}'s (mode {stat.S_IMODE(found.st_mode):04o}): use `sudo -u {owner} bulkroute ...`, or let {owner} run"
        f" `bulkroute watch {quoted(path)} --control` and give you its link, to look and to pause"
    )


def guarded(doing: str) -> Callable[[Callable[Concatenate[Self, P], T]], Callable[Concatenate[Self, P], T]]:
    """Let a method raise LedgerError, `cannot <doing>: ...`. Not for generators, which do their work after they return."""

    def decorate(method: Callable[Concatenate[Self, P], T]) -> Callable[Concatenate[Self, P], T]:
        @functools.wraps(method)
        def call(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with ledger_errors(self.path, doing):
                return method(self, *args, **kwargs)

        return call

    return decorate


def _hint(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return "the disk is full: make room, then run the same command again; what was recorded stays"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return "check the permissions of the file and its folder"
    if name.startswith("SQLITE_IOERR"):
        return "the disk fails or is full: move the ledger to a healthy disk, then run the same command again"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "another program holds it open for writing: close it, then run the same command again"
    return DAMAGED
