"""The runs of a batch: how each began and ended, and what it is doing if it has not."""

import os
import pwd
import socket
import sqlite3
import time
from enum import Enum
from typing import NamedTuple

from bulkroute.errors import StopKind
from bulkroute.ledger import back_outs
from bulkroute.ledger.batches import Batch, Tenant
from bulkroute.ledger.file import transaction
from bulkroute.ledger.lock import Holder, Process
from bulkroute.model import escaped
from bulkroute.settings import Settings
from bulkroute.version import __version__


class Calls(NamedTuple):
    """The calls of one run that were answered or given up."""

    attempts: int = 0
    retries: int = 0
    """Of these, not the first try of their row."""
    throttled: int = 0
    """Of these, refused by throttling."""


class RunStart(NamedTuple):
    """How a run begins: what it does and whose routes it changes; who started it, what for and how."""

    command: str
    """run or rollback."""
    version: str
    """Of bulkroute."""
    tenant: Tenant
    rate_per_s: float | None
    """Asked for; None: unlimited."""
    tenant_name: str = ""
    """What the operator calls the tenant."""
    note: str = ""
    """What the run is for, in the operator's words."""
    who: str = ""
    """user@host."""
    command_line: str = ""
    """As it was given, without secrets."""
    ends_at: float | None = None
    """When its window closes; None: it has none."""
    routes: int = 0
    """Called routes that the service lists; 0: they were not read."""

    @classmethod
    def of(cls, settings: Settings, command: str, ends_at: float | None, routes: int) -> "RunStart":
        """Return how this process starts a run."""
        tenant, labels = Tenant.of(settings), (settings.tenant, settings.note)
        origin = (*labels, who(), settings.command_line)
        return cls(command, __version__, tenant, settings.rate_per_s, *origin, ends_at, routes)


def who() -> str:
    """Return the user that the kernel knows this process by, not one that a variable names; and whose sudo it is."""
    user = _user(os.getuid())
    caller = os.environ.get("SUDO_UID", "")
    by = f" by sudo of {_user(int(caller))}" if not os.getuid() and caller.isascii() and caller.isdigit() else ""
    return f"{user}@{socket.gethostname()}{by}"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):  # in a container users need no name
        return str(uid)


class RunEnd(NamedTuple):
    """How a run ended; of one that goes on or was killed, how far it is."""

    seconds: float
    calls: Calls
    stopped: str | None = None
    """Why it stopped early, in words."""
    exit_code: int | None = None
    stop: StopKind | None = None
    """Why it stopped early, in one word."""


class RunState(Enum):
    """What a run is doing."""

    RUNNING = "running"
    ELSEWHERE = "unknown"
    """It goes on at another host, or was killed there."""
    KILLED = "killed"
    ENDED = "ended"


class RunRecord(NamedTuple):
    """One run, as recorded; times in seconds since the epoch, None where it has not ended or was killed."""

    run: int
    batch: int
    command: str
    started_at: float
    ended_at: float | None
    seconds: float | None
    pid: int
    host: str
    version: str
    service: str
    rate: float | None
    attempts: int | None
    retries: int | None
    throttled: int | None
    stopped: str | None
    exit_code: int | None
    stop: str | None
    pid_started: int | None
    digest: str | None = None
    """Of the manifest, as it was when the run began."""
    tenant: str = ""
    note: str = ""
    who: str = ""
    command_line: str = ""
    ends_at: float | None = None
    """When its window closes."""
    routes: int = 0
    """Called routes that the service listed before it."""

    @property
    def process(self) -> Process:
        """The process that made it."""
        return Process(self.pid, self.host, self.pid_started)

    def state(self, holder: Holder | None) -> RunState:
        """Return what it is doing, if that is who holds the ledger."""
        if self.exit_code is not None:
            return RunState.ENDED
        if holder is None or not self.process.may_be(holder.process):
            return RunState.KILLED
        return RunState.RUNNING if self.process.is_here else RunState.ELSEWHERE

    def end(self, calls: Calls, last_call_at: float | None) -> RunEnd:
        """Return how it ended; of one that has not, how far it was at its last call."""
        seconds = self.seconds
        if seconds is None:
            seconds = max(0.0, (last_call_at or self.started_at) - self.started_at)
        stop = next((kind for kind in StopKind if kind.value == self.stop), None)
        return RunEnd(seconds, calls, self.stopped, self.exit_code, stop)


def begin(connection: sqlite3.Connection, batch: Batch, start: RunStart) -> int:
    """Record that this process starts a run, and whose routes its batches change from now on; return the run's number."""
    own, parent = batch.number, batch.parent
    process = Process.own()
    record = {
        "batch": own,
        "command": start.command,
        "started_at": time.time(),
        "version": start.version,
        "service": start.tenant.service,
        "rate": start.rate_per_s,
        "pid": process.pid,
        "host": process.host,
        "pid_started": process.started_ticks,
        "digest": batch.digest,
        "tenant": start.tenant_name,
        "note": start.note,
        "who": start.who,
        "command_line": start.command_line,
        "ends_at": start.ends_at,
        "routes": start.routes,
    }
    with transaction(connection):
        connection.execute(
            "UPDATE batch SET service = ?1, app_key = coalesce(nullif(?2, ''), app_key, '') WHERE batch IN (?3, ?4)"
            " OR (batch BETWEEN ?4 AND ?3 AND (SELECT since FROM batch WHERE batch = ?3))",
            (*start.tenant, own, parent),
        )
        made = connection.execute(
            f"INSERT INTO run ({', '.join(record)}) VALUES ({', '.join('?' * len(record))})", tuple(record.values())
        )
    return made.lastrowid or 0


def end(connection: sqlite3.Connection, batch: Batch, run: int, end: RunEnd, *, backs_out: bool) -> None:
    """Record how a run ended, and whether what its batch has changed is taken back now."""
    with transaction(connection):
        connection.execute(
            "UPDATE run SET ended_at = ?, seconds = ?, attempts = ?, retries = ?, throttled = ?, stopped = ?,"
            " exit_code = ?, stop = ? WHERE run = ?",
            (time.time(), end.seconds, *end.calls, end.stopped and escaped(end.stopped), end.exit_code, end.stop, run),
        )
        if backs_out:
            back_outs.decide(connection, batch, run)


def of_batch(connection: sqlite3.Connection, batch: int) -> list[RunRecord]:
    """Return the runs of a batch, the first one first."""
    columns = ", ".join(RunRecord._fields)
    found = connection.execute(f"SELECT {columns} FROM run WHERE batch = ? ORDER BY run", (batch,))
    return [RunRecord(*run) for run in found]


def count_calls(connection: sqlite3.Connection, run: int) -> tuple[Calls, float | None]:
    """Count the calls of a run, also while it goes on; return the end of the last one too, in seconds since the epoch."""
    *counts, last_at = connection.execute(
        "SELECT count(*), coalesce(sum(number > 1), 0), coalesce(sum(verdict = 'throttled'), 0),"
        " max(started_at + latency_ms / 1000) FROM attempt WHERE run = ?",
        (run,),
    ).fetchone()
    return Calls(*counts), last_at
