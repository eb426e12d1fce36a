"""Runs commands and says what they spent."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from tests.harness import ROOT

ENVIRONMENT = {
    # PYTHONDONTWRITEBYTECODE, say, would have every start compile everything again.
    **{name: value for name, value in os.environ.items() if not name.startswith(("BULKROUTE_", "PYTHON", "COVERAGE_"))},
    "PYTHONPATH": str(ROOT),
    "BULKROUTE_TOKEN": "bench-" + "t" * 26,
    "TERM": "xterm",
}
SCRIPT = str(Path(sys.executable).with_name("bulkroute"))


class Spent(NamedTuple):
    """What a process and the children it waited for spent, from its start to its end."""

    wall_s: float
    cpu_s: float
    """User and system."""
    peak_mib: float
    out: str


class BenchError(Exception):
    """A command that is measured failed: its figures would mean nothing."""


def spend(arguments: Sequence[object], *, cwd: Path, stderr: int | TextIO | None = None) -> Spent:
    """Run a command to its end. Raises BenchError where it fails.

    `peak_mib` counts from this process's own size at the start, which Linux hands down: it must stay small.
    """
    command = [str(argument) for argument in arguments]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started_s = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err if stderr is None else stderr,
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # the bench is interrupted: nothing that it started is left running
            process.kill()
            raise
        wall_s = time.perf_counter() - started_s
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise BenchError(f"{' '.join(command)[:200]} ended with {process.returncode}: {err.read()[-2000:]}")
        return Spent(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read())


def python(module: str, *arguments: object) -> list[object]:
    """Return the command that runs a module of the bench."""
    return [sys.executable, "-m", f"tests.bench.{module}", *arguments]


@contextlib.contextmanager
def terminal() -> Iterator[int]:
    """Open a terminal of its own and read whatever is drawn there, as a person's would; yield its near end."""
    far, near = os.openpty()

    def drain() -> None:
        with contextlib.suppress(OSError):  # EIO once the near end is closed
            while os.read(far, 65536):
                pass

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    try:
        yield near
    finally:
        os.close(near)
        reader.join(5)
        os.close(far)


def json_of(spent: Spent) -> Mapping[str, Any]:
    """Return the object a command printed."""
    found: Mapping[str, Any] = json.loads(spent.out)
    return found
