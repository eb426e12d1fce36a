"""One run for a ledger: a kernel lock that dies with the process, so that a kill leaves nothing to clean up.

Others may be able to write into the ledger's folder: what a lock file says is shown as plain text only, and what is no
plain file with this one name is neither waited for nor written to.
"""

import contextlib
import fcntl
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import LedgerBusy, LedgerError
from bulkroute.ledger.paths import lock_file, quoted
from bulkroute.model import iso, printable

MOST_NOTED = 4096
"""Bytes of a lock file that are looked at."""

LONGEST_HOST = 255
"""Characters of a host's name (gethostname(2))."""


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


class Process(NamedTuple):
    """A process of some machine; `started_ticks` tells it from a later one that got its pid."""

    pid: int
    host: str
    started_ticks: int | None
    """In the kernel's clock ticks since the machine started; None if not known."""

    @classmethod
    def own(cls) -> "Process":
        """Return this process."""
        found = _stat(os.getpid())
        return cls(os.getpid(), socket.gethostname(), found.started_ticks if found else None)

    @property
    def is_here(self) -> bool:
        """Whether it is of this machine, so that it can be looked for."""
        return self.host == socket.gethostname()

    def is_alive(self) -> bool:
        """Tell whether it is still there, if it is of this machine."""
        found = _stat(self.pid)
        if found is not None:
            return found.state not in (b"Z", b"X") and self.started_ticks in (None, found.started_ticks)
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            pass  # somebody else's
        return True

    def may_be(self, other: "Process") -> bool:
        """Tell whether both are one process, as far as is known of them."""
        starts = {self.started_ticks, other.started_ticks} - {None}
        return (self.pid, self.host) == (other.pid, other.host) and len(starts) < 2


class _Stat(NamedTuple):
    state: bytes
    """One letter; `Z` and `X`: it is dead and only not yet forgotten."""
    started_ticks: int


def _stat(pid: int) -> _Stat | None:
    """Return what the kernel tells of a process of this machine (proc(5), stat); None if it tells nothing."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        fields = stat.rpartition(b")")[2].split()  # the name before it may hold anything
        return _Stat(fields[0], int(fields[19]))
    except (OSError, ValueError, IndexError):
        return None


class Holder(NamedTuple):
    """Who holds a ledger, and since when (ISO 8601 UTC)."""

    process: Process
    since: str

    def __str__(self) -> str:
        """Return `pid 4711 on host, since 2026-03-29T02:00:00.000Z`."""
        if self == JUST_STARTED:
            return "it has just started"
        return f"pid {self.process.pid} on {self.process.host}, since {self.since}"


JUST_STARTED = Holder(Process(0, "", None), "")
"""Holds a ledger and has not yet written who it is."""


def holder(ledger: Path) -> Holder | None:
    """Return who holds the ledger, without touching its lock; None if nobody does, or if who did has died.

    The one answer to whether a run is alive, for `ctl`, `status` and the page.
    """
    try:
        lock = _open(lock_file(ledger), os.O_RDONLY)
    except OSError:
        return None
    try:
        if _trouble(lock):
            return None
        found = _read(os.pread(lock, MOST_NOTED, 0))
    finally:
        os.close(lock)
    return None if found.process.is_here and not found.process.is_alive() else found


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)


def _trouble(lock: int) -> str:
    """Return why an open file is not to be used as a lock; nothing if it may be."""
    found = os.fstat(lock)
    if not stat.S_ISREG(found.st_mode):
        return "is no regular file"
    return "is another file too (a hard link)" if found.st_nlink > 1 else ""


def _acquire(path: Path, ledger: Path) -> int:
    while True:
        try:
            lock = _open(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise LedgerError(
                f"cannot make the lock file {path.name}: {error.strerror}",
                where=str(ledger),
                hint="check that the folder exists and that you may write to it",
            ) from error
        if trouble := _trouble(lock):
            os.close(lock)
            hint = "remove it, and see who may write to that folder"
            raise LedgerError(f"the lock file {path.name} {trouble}", where=str(ledger), hint=hint)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            noted = os.pread(lock, MOST_NOTED, 0)
            os.close(lock)
            raise LedgerBusy(
                f"another run holds this ledger ({_read(noted)})",
                where=str(ledger),
                hint=f"nothing was done; `bulkroute ctl {quoted(ledger)} status` shows how far that one is,"
                " `stop` in its place ends it, and --wait-for-lock 10m waits for it",
            ) from None
        # The holder before us may have removed the file between our open and our lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                break
        os.close(lock)
    me = Process.own()
    facts = {"pid": me.pid, "host": me.host, "started": iso(time.time()), "pid_started": me.started_ticks}
    noted = json.dumps(facts).encode()
    os.pwrite(lock, noted, 0)
    os.ftruncate(lock, len(noted))  # not to nothing, before: ext4 syncs such a file when it is closed
    return lock


def _read(noted: bytes) -> Holder:
    try:
        facts = json.loads(noted)
        host = printable(str(facts["host"]), LONGEST_HOST)
        process = Process(int(facts["pid"]), host, facts.get("pid_started"))
        return Holder(process, printable(str(facts["started"]), LONGEST_HOST))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return JUST_STARTED
