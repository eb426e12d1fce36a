"""What a command did to its ledger, said, and sent, in the order in which it did it: `recorder.c`, built here and preloaded."""

import platform
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness import ROOT, Result, environment

SOURCE = Path(__file__).with_name("recorder.c")
FLAGS = ("-O1", "-Wall", "-Wextra", "-shared", "-fPIC")

TALKATIVE = """
import sys
from bulkroute.cli import main
from bulkroute.ledger import commit_thread
from bulkroute.output.json_log import Records
Records.every_s = 0.01
if sys.argv.pop(1) == "slow":
    commit_thread.SLOW_S, commit_thread.FAST_IN_A_ROW = 0.0, 1_000_000
main(sys.argv[1:])
"""
"""The command line, which tells how far it is a hundred times a second, on a disk that is slow or not."""


class Operation(NamedTuple):
    """One thing that was done. Which of the fields mean anything, `recorder.c` tells."""

    kind: str
    """O open, W write, Z truncate, S sync, U unlink, R rename; T told, C called."""
    fd: int
    at: int
    """Offset of a write, new size of a truncate; of an open: whether it truncates."""
    name: str
    data: bytes


def built(folder: Path) -> Path:
    """Return the recorder, built into a folder; skip the test where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("the recorder of disk writes is for Linux with glibc")
    if compiler is None:
        pytest.skip("no C compiler (Debian: gcc, libc6-dev) to build the recorder of disk writes with")
    library = folder / "recorder.so"
    done = subprocess.run(
        [compiler, *FLAGS, "-o", str(library), str(SOURCE), "-ldl"], capture_output=True, text=True, check=False
    )
    if done.returncode and "No such file" in done.stderr:
        pytest.skip(f"no C headers (Debian: libc6-dev): {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return library


def recorded(recorder: Path, ledger: Path, *arguments: object, slow: bool = False) -> tuple[Result, list[Operation]]:
    """Run the command line beside its ledger to its end; return how that was, and what it did."""
    log = ledger.with_name("recording")
    log.unlink(missing_ok=True)
    env = environment(
        {"LD_PRELOAD": str(recorder), "RECORDED": str(ledger), "RECORDING": str(log)},
        measured=False,
    )
    command = [sys.executable, "-c", TALKATIVE, "slow" if slow else "fast", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ledger.parent, env={**env, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=120, check=False,
    )  # fmt: skip
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode()), list(read(log))


def read(log: Path) -> Iterator[Operation]:
    """Yield what stands in a recording."""
    data, place = log.read_bytes(), 0
    head = struct.Struct("=IIQII")
    while place < len(data):
        kind, fd, at, name_size, data_size = head.unpack_from(data, place)
        place += head.size
        name = data[place : place + name_size].decode()
        place += name_size
        yield Operation(chr(kind), fd, at, name, data[place : place + data_size])
        place += data_size
