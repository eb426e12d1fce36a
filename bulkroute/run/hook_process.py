"""One shell line of the operator's: a hook, or a gate's command.

    ended = await run_shell("./approve.sh", clean=tokens.clean, stdin=b"{}", variables={"BULKROUTE_EVENT": "gate"})
    if ended.exit_code == 0: ...

However it ends is a value. Whatever the command does (hang, ignore signals, leave children behind, print without end,
never read its input), it costs `timeout_s` at most, the event loop goes on, memory stays flat, and no process of it is
left: neither in its group, nor in a session of its own (`setsid`), unless it has wiped its environment, where a mark
tells. So it is if the caller is cancelled. It is never given a secret: not in its environment, and what it prints is
kept without any.
"""

import asyncio
import contextlib
import os
import re
import secrets
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bulkroute.cec.clean_text import CleanText
from bulkroute.model import printable

TIMEOUT_S = 30.0

OUTPUT_LIMIT = 4096
"""Characters that are kept of what a command prints: the last ones."""

TERMINATE_BEFORE_S = 2.0
"""So long before it is killed a command gets SIGTERM, to hang up a call say; a tenth of a short time-out."""

FIRST_LOOK_S, LAST_LOOK_S = 0.001, 0.05
"""How often is looked whether a command has ended: ever more rarely."""

REAP_WITHIN_S = 2.0
"""How long a killed process may take to be gone. One that may not be killed (another user's, by sudo) is left then."""

CHUNK_BYTES = 64 * 1024

LAST_CHUNKS = 16
"""How much is read once the command has ended: all that a pipe can hold, never all that a runaway may print."""

DATABASE_PASSWORD = "PGPASSWORD"  # noqa: S105 -- a name
"""Where libpq looks for the one of `--on`."""

OWN_PREFIX = "BULKROUTE_"

MARK = "BULKROUTE_HOOK"
"""The variable that marks a command's processes: a number that no other command has."""

STRAYS_WITHIN_S = 1.0
"""How long processes are looked for that a command left behind, while new ones appear."""

_LOGIN = re.compile(r"://[^/@\s]*:[^/@\s]*@")

NOTHING: Mapping[str, str] = MappingProxyType({})


class ShellEnd(NamedTuple):
    """How a command ended: one of the first four tells, the others are None, False or empty."""

    exit_code: int | None = None
    """What it exited with."""
    signal: int | None = None
    """The signal that ended it, unless that was bulkroute's own."""
    timed_out: bool = False
    """Whether it had not ended in time."""
    trouble: str = ""
    """Why it could not be started or watched."""
    output: str = ""
    """The last `OUTPUT_LIMIT` characters of what it printed, stdout and stderr; printable lines, without secrets."""

    @property
    def last_line(self) -> str:
        """The last line that it printed; empty if there is none."""
        return self.output.rpartition("\n")[2]

    @property
    def words(self) -> str:
        """How it ended, for people: `exit code 3`, `killed by SIGSEGV`, `not ended in time`, or why it never began."""
        if self.exit_code is not None:
            return f"exit code {self.exit_code}"
        if self.signal is not None:
            return f"killed by {_signal_name(self.signal)}"
        return "not ended in time" if self.timed_out else self.trouble


async def run_shell(
    command: str,
    *,
    clean: CleanText,
    stdin: bytes = b"",
    variables: Mapping[str, str] = NOTHING,
    timeout_s: float = TIMEOUT_S,
) -> ShellEnd:
    """Run `/bin/sh -c command` with `stdin`, and with `variables` (BULKROUTE_...) beside this process's environment.

    Other BULKROUTE_ variables, and all that hold a secret, are left out. Cancelled, it kills all that the command
    started before it lets the cancellation go on.
    """
    loop = asyncio.get_running_loop()
    cancelled = threading.Event()
    tail = Tail(OUTPUT_LIMIT + clean.longest)
    environment = environment_for(variables, clean) | {MARK: secrets.token_hex(8)}
    thread = ThreadPoolExecutor(1, thread_name_prefix="hook")
    try:
        work = loop.run_in_executor(thread, _run, command, stdin, environment, timeout_s, cancelled, tail)
        try:
            await asyncio.wait({work})
        finally:
            cancelled.set()
            while not work.done():
                with contextlib.suppress(asyncio.CancelledError):  # the first one goes on once nothing is left
                    await asyncio.wait({work})
    finally:
        thread.shutdown(wait=False)
    return work.result()._replace(output=tail.text(clean))


def environment_for(variables: Mapping[str, str], clean: CleanText) -> dict[str, str]:
    """Return this process's environment without its own variables and without any secret, and with `variables`.

    An address with a password in it, of a proxy say, is a secret too.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith((OWN_PREFIX, DATABASE_PASSWORD))
        and clean.blot_out(value) == value
        and not _LOGIN.search(value)
    }
    return kept | dict(variables)


class Tail:
    """The last bytes of what was printed, in memory that does not grow."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept = bytearray()
        self._cut = False

    def add(self, chunk: bytes) -> None:
        """Take note of what was printed next."""
        self._kept += chunk
        if len(self._kept) > self._most:
            self._cut = True
            del self._kept[: -self._most]

    def text(self, clean: CleanText) -> str:
        """Return the last `OUTPUT_LIMIT` characters in printable lines, without secrets."""
        text = clean.blot_out(self._kept.decode(errors="replace"))
        if self._cut:
            # The rest of a secret may stand at the very front, where its beginning was cut off.
            text = text[clean.longest :]
        lines = (printable(line, OUTPUT_LIMIT) for line in text[-OUTPUT_LIMIT:].splitlines())
        return "\n".join(line for line in lines if line)


def _run(
    command: str, stdin: bytes, environment: dict[str, str], timeout_s: float, cancelled: threading.Event, tail: Tail
) -> ShellEnd:
    """Run a command to its end in this thread."""
    kill_at_s = time.monotonic() + timeout_s
    try:
        process = subprocess.Popen(  # noqa: S603 -- to run the operator's own command is what this is for
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in the command or a variable
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return ShellEnd(trouble=f"cannot be started: {reason}")
    try:
        with _Group(process, stdin, tail) as group:
            terminate_at_s = kill_at_s - min(TERMINATE_BEFORE_S, timeout_s / 10)
            return group.watch(terminate_at_s, kill_at_s, cancelled)
    finally:
        _kill_strays(f"{MARK}={environment[MARK]}".encode())


def _kill_strays(mark: bytes) -> None:
    """Kill the processes that have a mark in their environment, and those that they make meanwhile."""
    until_s = time.monotonic() + STRAYS_WITHIN_S
    while sum(_kill_if_marked(pid, mark) for pid in _processes()) and time.monotonic() < until_s:
        time.sleep(FIRST_LOOK_S)


def _processes() -> list[int]:
    try:
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:  # not Linux, or it is hidden: then the group is all that is known
        return []


def _kill_if_marked(pid: int, mark: bytes) -> bool:
    """Kill a process if it has the mark; return whether it had."""
    try:
        process = os.pidfd_open(pid)  # it stays this very process, whoever gets its number next
    except OSError:
        return False
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        if mark not in environment.split(b"\0"):
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except OSError:  # it is gone, or not ours
        return False
    finally:
        os.close(process)
    return True


class _Group:
    """A command and all its children; the block ends with none of them left."""

    def __init__(self, process: "subprocess.Popen[bytes]", stdin: bytes, tail: Tail) -> None:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 -- both are pipes
        self._process = process
        self._input, self._output = process.stdin, process.stdout
        self._to_write = memoryview(stdin)
        self._tail = tail
        self._pipes = selectors.PollSelector()  # which needs no file of its own, so that it cannot fail

    def __enter__(self) -> "_Group":
        for pipe, event in ((self._input, selectors.EVENT_WRITE), (self._output, selectors.EVENT_READ)):
            os.set_blocking(pipe.fileno(), False)
            self._pipes.register(pipe, event)
        self._write()
        return self

    def __exit__(self, *_error: object) -> None:
        """Kill whatever is left, and keep what it printed last."""
        # The leader is not reaped yet: no other group can have got its number.
        self._send(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(REAP_WITHIN_S)
        for _ in range(LAST_CHUNKS):
            if not self._read():
                break
        self._pipes.close()
        self._input.close()
        self._output.close()

    def watch(self, terminate_at_s: float, kill_at_s: float, cancelled: threading.Event) -> ShellEnd:
        """Feed the command and read it, until it has ended or its time is up."""
        look_s, told = FIRST_LOOK_S, False
        while (end := self._end()) is None:
            now_s = time.monotonic()
            if now_s >= kill_at_s or cancelled.is_set():
                return ShellEnd(timed_out=True)
            if now_s >= terminate_at_s and not told:
                told = True
                self._send(signal.SIGTERM)
            next_s = kill_at_s if told else terminate_at_s
            for key, _events in self._pipes.select(min(look_s, next_s - now_s)):
                if key.fileobj is self._input:
                    self._write()
                elif self._read() == b"":
                    self._pipes.unregister(self._output)
            look_s = min(2 * look_s, LAST_LOOK_S)
        return ShellEnd(timed_out=True) if told else end

    def _end(self) -> ShellEnd | None:
        """Return how the command itself ended; None while it has not. It is not reaped."""
        try:
            found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # whoever started bulkroute has SIGCHLD ignored; an unknown end is no success
            return ShellEnd(trouble="its exit code was lost: SIGCHLD is ignored here")
        if found is None:
            return None
        if found.si_code == os.CLD_EXITED:
            return ShellEnd(exit_code=found.si_status)
        return ShellEnd(signal=found.si_status)

    def _write(self) -> None:
        """Write what the pipe takes of the input, and close it at the end of it."""
        try:
            written = os.write(self._input.fileno(), self._to_write[:CHUNK_BYTES]) if self._to_write else 0
            self._to_write = self._to_write[written:]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._to_write = self._to_write[:0]  # it has closed its input: that is its own business
        if not self._to_write:
            self._pipes.unregister(self._input)
            self._input.close()

    def _read(self) -> bytes | None:
        """Read what there is: b"" at the end, None if there is nothing now."""
        try:
            chunk = os.read(self._output.fileno(), CHUNK_BYTES)
        except BlockingIOError:
            return None
        self._tail.add(chunk)
        return chunk

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
