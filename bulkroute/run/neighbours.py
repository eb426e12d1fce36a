"""Other runs for the same tenant on this machine: said at the start, since their rates add up at the service.

Each run holds the lock of a file of its own for as long as it goes on. The lock dies with its process, and what a
killed one leaves is swept by the next process. Runs of other users are not seen. Never stops a run.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bulkroute.errors import LedgerError
from bulkroute.ledger.batches import Tenant
from bulkroute.model import iso
from bulkroute.run.own_folder import require_own, temporary_folder

END = ".run"


@contextlib.contextmanager
def announced(tenant: Tenant, ledger: Path, on_notice: Callable[[str], None]) -> Iterator[None]:
    """Let others know of the run on this ledger, for the block; `on_notice` gets those that go on already."""
    name = hashlib.sha256("\0".join(tenant).encode()).hexdigest()[:16]
    try:
        own, descriptor = _stand(name, ledger)
    except (OSError, LedgerError) as error:
        on_notice(f"whether other runs of this tenant go on cannot be seen: {error}")
        yield
        return
    try:
        for other in _others(own, name):
            on_notice(f"warning: another run of the same tenant goes on on this machine: {other}; their rates add up")
        yield
    finally:
        own.unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # others are there
            own.parent.rmdir()


def _stand(name: str, ledger: Path) -> tuple[Path, int]:
    """Make our file and hold its lock. Raises OSError, LedgerError."""
    facts = {"pid": os.getpid(), "ledger": os.path.abspath(ledger), "since": iso(time.time())}  # noqa: PTH100 -- a link stays one
    while True:
        own = require_own(temporary_folder()) / f"{name}-{os.urandom(4).hex()}{END}"
        with contextlib.suppress(FileNotFoundError, FileExistsError):  # whoever was last here took the folder away
            descriptor = os.open(own, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:  # else it was swept before it was locked
                os.write(descriptor, json.dumps(facts).encode())
                return own, descriptor
            os.close(descriptor)


def _others(own: Path, name: str) -> Iterator[str]:
    """Yield the other runs of the tenant that go on, and sweep what killed ones have left."""
    _sweep(own.parent)
    for path in _files(own.parent):
        noted = _held(path) if path.name.startswith(name) and path != own else None
        if noted is not None and noted.get("pid") != os.getpid():  # a fleet knows its own tenants
            yield _describe(noted)


@functools.cache
def _sweep(folder: Path) -> None:
    """Sweep what killed runs of any tenant have left, once a process: a fleet would look at each tenant's for each."""
    for path in _files(folder):
        _held(path)


def _files(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):  # whoever was last here took it away
        return sorted(path for path in folder.iterdir() if path.suffix == END)
    return []


def _held(path: Path) -> dict[str, Any] | None:
    """Return what a run that goes on has noted; None if it has ended, and its file is swept."""
    with contextlib.suppress(OSError):  # it has just ended
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink()
        except BlockingIOError:
            return _noted(os.pread(descriptor, 8192, 0))
        finally:
            os.close(descriptor)
    return None


def _noted(content: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(content)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _describe(facts: dict[str, Any]) -> str:
    try:
        return f"{facts['ledger']} (pid {facts['pid']}, since {facts['since']})"
    except KeyError:
        return "one that has just started"
