"""One run for a ledger: a kernel lock that dies with the process, so that a kill leaves nothing to clean up."""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bulkroute.errors import LedgerBusy, LedgerError


@contextlib.contextmanager
def hold(ledger: Path) -> Iterator[None]:
    """Hold the ledger's lock (`<ledger>.lock`, mode 0600) for the block.

    Raises LedgerBusy at once, naming the holder's pid, host and start, and LedgerError where the folder
    cannot be written. The file is removed at the end; a leftover of a killed process is no lock.
    """
    path = ledger.with_name(ledger.name + ".lock")
    lock = _acquire(path, ledger)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


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
            holder = os.pread(lock, 4096, 0)
            os.close(lock)
            raise LedgerBusy(
                f"another run holds this ledger ({_describe(holder)})",
                where=str(ledger),
                hint="nothing was done; wait for it to end",
            ) from None
        # The holder before us may have removed the file between our open and our lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                break
        os.close(lock)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    facts = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": started})
    os.ftruncate(lock, 0)
    os.pwrite(lock, facts.encode(), 0)
    return lock


def _describe(holder: bytes) -> str:
    try:
        facts = json.loads(holder)
        return f"pid {facts['pid']} on {facts['host']}, since {facts['started']}"
    except (ValueError, KeyError, TypeError):
        return "it has just started"
