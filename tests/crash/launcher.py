"""Runs the command line in forks of one warm process, and strikes each at its Nth event: SIGKILL, or SQLite says no.

The strikes wrap sqlite3 and the client from outside, in the forked process alone; production code has no hook for them.
`Launcher` is the tests' side; `python -m tests.crash.launcher` is the warm process.
"""

import codecs
import gc
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from bulkroute.rate import probing
from tests.harness import ROOT, Result, environment

KILLS = ("commit: before", "commit: after", "call: before its bytes leave", "call: bytes gone", "call: answered")
"""Where SIGKILL may strike."""

REFUSALS = {
    "SQLITE_FULL": "database or disk is full",
    "SQLITE_IOERR_WRITE": "disk I/O error",
    "SQLITE_BUSY": "database is locked",
}
"""What SQLite may say instead of doing its work."""


@dataclass(frozen=True)
class Struck:
    """How a command ended (`code` is negative for a signal), and whether the strike came to pass."""

    result: Result
    struck: bool


class Launcher:
    """Starts the warm process and has it run commands. Use as a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.launcher"],
            cwd=ROOT,
            env=environment(measured=False),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout
        self._process.stdout.close()

    def run(
        self,
        *arguments: object,
        cwd: Path,
        at: str = "",
        nth: int = 0,
        file_limit: int = 0,
        patience_s: int = 60,
        user: int | None = None,
        answer: str = "",
        probe_gaps_s: tuple[float, float] = (probing.FIRST_GAP_S, probing.LONGEST_GAP_S),
    ) -> Struck:
        """Run one command; strike at the `nth` event of the kind `at`.

        With `file_limit` no file may grow beyond so many bytes. After `patience_s` it is killed by SIGALRM. With `user`
        it has the rights of that user alone. With an `answer` it has a terminal, where this is typed. `probe_gaps_s`:
        how long a service that is down is left alone before the first probe, and at most before a later one.
        """
        job = {
            "argv": [*map(str, arguments)],
            "cwd": str(cwd),
            "at": at,
            "nth": nth,
            "file_limit": file_limit,
            "patience_s": patience_s,
            "user": user,
            "answer": answer,
            "probe_gaps_s": probe_gaps_s,
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        out, err = (cwd / name for name in (".out", ".err"))
        return Struck(
            Result(told["code"], out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace")),
            told["struck"],
        )


class Strike:
    """Counts events down to the one it strikes at."""

    def __init__(self, at: str, nth: int, mark: Callable[[], object]) -> None:
        self._at = at
        self._left = nth
        self._mark = mark

    def due(self, at: str) -> bool:
        """Tell whether this event is the one; it is marked as struck then."""
        if at != self._at:
            return False
        self._left -= 1
        if self._left == 0:
            self._mark()
        return self._left == 0

    def kill(self, at: str) -> None:
        """Die if this event is the one."""
        if self.due(at):
            os.kill(os.getpid(), signal.SIGKILL)

    def refuse(self) -> None:
        """Raise what SQLite raises if this call is the one."""
        if self._at in REFUSALS and self.due(self._at):
            error = sqlite3.OperationalError(REFUSALS[self._at])
            error.sqlite_errorname = self._at
            raise error


def watch_sqlite(strike: Strike) -> None:
    """Let `strike` see every SQL statement of this process."""

    def guarded(sql: str, execute: Callable[[], Any]) -> Any:
        if sql != "ROLLBACK":  # needs no disk: SQLite does not refuse it
            strike.refuse()
        if "COMMIT" not in sql:
            return execute()
        strike.kill("commit: before")
        done = execute()
        strike.kill("commit: after")
        return done

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> Any:
            return guarded(sql, lambda: sqlite3.Connection.execute(self, sql, *values))

        def executemany(self, sql: str, values: Any) -> Any:
            return guarded(sql, lambda: sqlite3.Connection.executemany(self, sql, values))

        def executescript(self, sql: str) -> Any:
            return guarded(sql, lambda: sqlite3.Connection.executescript(self, sql))

    connect = sqlite3.connect
    sqlite3.connect = lambda *given, **options: connect(*given, factory=Watched, **options)  # type: ignore[assignment]  # one of its overloads


def watch_calls(strike: Strike) -> None:
    """Let `strike` see every call of modifyCalledRoute of this process."""
    import asyncio

    from bulkroute.cec.client import Client
    from bulkroute.cec.connection import Exchange
    from bulkroute.cec.receiver import Receiver

    modify, talk, expect = Client.modify, Exchange._talk, Receiver.expect
    calling = ContextVar("calling", default=False)

    async def watched_modify(self: Client, *given: Any) -> Any:
        strike.kill("call: before its bytes leave")
        answer = await modify(self, *given)
        strike.kill("call: answered")
        return answer

    async def watched_talk(self: Exchange, *given: Any) -> Any:
        calling.set(True)
        try:
            return await talk(self, *given)
        finally:
            calling.set(False)

    def watched_expect(self: Receiver) -> Any:
        if calling.get() and strike.due("call: bytes gone"):
            asyncio.get_running_loop().call_soon(die)  # once the transport has them
        return expect(self)

    def die() -> None:
        time.sleep(0.01)  # the service gets time to read them; nothing else goes on here
        os.kill(os.getpid(), signal.SIGKILL)

    Client.modify = watched_modify  # type: ignore[method-assign, assignment]  # the wrapping is the point
    Exchange._talk = watched_talk  # type: ignore[method-assign, assignment]  # likewise
    Receiver.expect = watched_expect  # type: ignore[method-assign]  # likewise


def _sit_down(answer: str) -> None:
    """Let standard input be a terminal, at which the answer is typed already."""
    person, terminal = pty.openpty()
    os.write(person, f"{answer}\n".encode())
    os.dup2(terminal, 0)


def _child(job: Mapping[str, Any], mark: Callable[[], object]) -> int:
    """Run one job in this forked process; return the exit code."""
    import resource

    from bulkroute.cli import main
    from bulkroute.ledger import commit_thread

    os.chdir(job["cwd"])
    for stream, name in ((0, os.devnull), (1, ".out"), (2, ".err")):
        target = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(target, stream)
        os.close(target)
    if job["answer"]:
        _sit_down(job["answer"])
    strike = Strike(job["at"], job["nth"], mark)
    if job["nth"] // 2 % 2:  # half of the nights have a slow disk, whose commits go through a thread
        commit_thread.SLOW_S, commit_thread.FAST_IN_A_ROW = 0.0, 1_000_000
    probing.FIRST_GAP_S, probing.LONGEST_GAP_S = job["probe_gaps_s"]
    watch_sqlite(strike)
    watch_calls(strike)
    signal.alarm(job["patience_s"])
    if job["file_limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], job["file_limit"]))
    if job["user"] is not None:
        os.setgroups([])
        os.setgid(job["user"])
        os.setuid(job["user"])
    try:
        main(job["argv"])
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1
    return 0


def _serve() -> None:
    import bulkroute.atomic_file
    import bulkroute.cli.check
    import bulkroute.cli.export
    import bulkroute.cli.rollback
    import bulkroute.cli.run
    import bulkroute.cli.session
    import bulkroute.cli.status
    import bulkroute.cli.verify  # noqa: F401  warm: each fork finds them imported

    for encoding in ("utf-8-sig", "idna"):
        codecs.lookup(encoding)  # likewise: `user` may not be able to read the interpreter's own folder

    gc.collect()
    gc.freeze()  # or the first collection of each fork copies all of this process
    for line in sys.stdin:
        job = json.loads(line)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = _child(job, partial(os.write, write_end, b"!"))
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(write_end)
        _, status = os.waitpid(child, 0)
        struck = bool(os.read(read_end, 1))
        os.close(read_end)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "struck": struck}), flush=True)


if __name__ == "__main__":
    _serve()
