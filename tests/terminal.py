"""The command line at a real terminal: a pseudo-terminal that is the controlling one of a session of its own."""

import os
import pty
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ

from tests.harness import command, environment

WAIT_S = 60.0


class Terminal:
    """What a person sees and types; the process is the shell's."""

    def __init__(self, process: subprocess.Popen[bytes], controller: int) -> None:
        self.process = process
        self._controller = controller
        self._shown = b""

    @property
    def text(self) -> str:
        """All that was shown so far."""
        return self._shown.decode().replace("\r\n", "\n")

    def type(self, text: str) -> None:
        os.write(self._controller, text.encode())

    def until(self, text: str) -> str:
        """Return all that was shown once `text` was."""
        while text not in self.text:
            if not self._more():
                raise AssertionError(f"{text!r} was not shown: {self.text}")
        return self.text

    def end(self) -> int:
        """Return the exit code, once all is shown."""
        while self._more():
            pass
        return self.process.wait(WAIT_S)

    def _more(self) -> bool:
        """Read on; return whether there may be more."""
        give_up_at = time.monotonic() + WAIT_S
        while not select.select([self._controller], [], [], 0.2)[0]:
            if time.monotonic() > give_up_at:
                raise AssertionError(f"nothing more is shown: {self.text}")
        try:
            data = os.read(self._controller, 65536)
        except OSError:  # no program has it open any more
            return False
        self._shown += data
        return bool(data)


@contextmanager
def at_terminal(
    *arguments: object, cwd: Path, redirected: str = "", columns: int = 80, env: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Type a command at a terminal, with what follows it (`2>log`, `| tee log`); its exit code is that of a pipe's worst."""
    controller, terminal = pty.openpty()
    ioctl(terminal, TIOCSWINSZ, pack("HHHH", 24, columns, 0, 0))
    line = f"{shlex.join(command(*arguments))} {redirected}"
    process = subprocess.Popen(
        ["setsid", "--ctty", "bash", "-o", "pipefail", "-c", line],
        cwd=cwd,
        env=environment({"TERM": "xterm", **(env or {})}),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    try:
        with process:
            try:
                yield Terminal(process, controller)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
    finally:
        os.close(controller)
