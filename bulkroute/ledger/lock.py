"""One run for a ledger: a kernel lock that dies with the process, so that a kill leaves nothing to clean up."""

import contextlib
import fcntl
import json
import os
import shlex
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from bulkroute.errors import LedgerBusy, LedgerError
from bulkroute.events import iso
from bulkroute.ledger.paths import lock_file


@contextlib.contextmanager
def hold(ledger: Path) -> Iterator[None]:
    """Hold the ledger's lock (`<ledger>.lock`, mode 0600) for the block.

    Raises LedgerBusy at once, naming the holder's pid, host and start, and LedgerError where the folder
    cannot be written. The file is removed at the end; a leftover of a killed process is no lock.
    """
    path = lock_file(ledger)
    lock = _acquire(path, ledger)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def holder(ledger: Path) -> str | None:
    """Return who seems to hold the ledger, without touching its lock; None where nobody does, or who does has died."""
    try:
        noted = lock_file(ledger).read_bytes()
    except OSError:
        return None
    try:
        facts = json.loads(noted)
        if facts["host"] == socket.gethostname():
            os.kill(facts["pid"], 0)
    except ProcessLookupError:
        return None
    except (ValueError, KeyError, TypeError, OverflowError, PermissionError):
        pass  # not written yet, or a process of somebody else's
    return _describe(noted)


def _acquire(path: Path, ledger: Path) -> int:
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError(
                f"cannot make the lock file {path.name}: {error.strerror}",
                where=str(ledger),
                hint="check that the folder exists and that you may write to it",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            noted = os.pread(lock, 4096, 0)
            os.close(lock)
            raise LedgerBusy(
                f"another run holds this ledger ({_describe(noted)})",
                where=str(ledger),
                hint=f"nothing was done; `bulkroute ctl {shlex.quote(str(ledger))} status` shows how far that one is",
            ) from None
        # The holder before us may have removed the file between our open and our lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                break
        os.close(lock)
    facts = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": iso(time.time())})
    os.ftruncate(lock, 0)
    os.pwrite(lock, facts.encode(), 0)
    return lock


def _describe(noted: bytes) -> str:
    try:
        facts = json.loads(noted)
        return f"pid {facts['pid']} on {facts['host']}, since {facts['started']}"
    except (ValueError, KeyError, TypeError):
        return "it has just started"
