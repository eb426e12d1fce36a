"""Standard streams that are closed, full, or have no reader: each ends a command in words and with a code of its own.

Never lets a stream decide how a run ended: what it could not print is in the ledger.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator

import click

from bulkroute.errors import UsageError

REFUSED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What a write to a stream fails with that is no bug."""


class ReaderGone(Exception):
    """The reader of the output has left (`| head`)."""


def open_closed() -> None:
    """Open the null device in place of streams that are closed, and let stdout escape what its encoding lacks.

    Else the next file opened, a ledger say, would get the stream's number and be printed into; libuv aborts there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
    # Standard input stays None: who reads a manifest from it says that it is closed.
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 -- stays open to the end
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 -- likewise
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a queue's name that the locale cannot write is no bug


@contextlib.contextmanager
def print_errors_named() -> Iterator[None]:
    """Keep a failure to print apart from a bug. Raises ReaderGone, and UsageError for an output that takes no more."""
    try:
        try:
            yield
        except click.exceptions.Exit:  # `--help` has printed
            sys.stdout.flush()
            raise
        sys.stdout.flush()  # here, where a failure can still be reported
    except BrokenPipeError as error:
        _abandon(1)
        raise ReaderGone from error
    except OSError as error:
        if error.errno not in REFUSED or error.filename is not None:
            raise
        _abandon(1)
        from bulkroute.atomic_file import OF_STREAM  # here, since help must not wait for it

        raise UsageError(f"cannot be written: {error.strerror}", where="standard output", hint=OF_STREAM) from error


def help_width(most: int) -> int:
    """Return how many characters a line of help takes, as click would find it: with `shutil`, a 15th of the time of help."""
    columns = 0
    with contextlib.suppress(ValueError):
        columns = int(os.environ.get("COLUMNS", ""))
    if columns <= 0:
        with contextlib.suppress(OSError, ValueError):
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
    return max(min(columns if columns > 0 else 80, most) - 2, 50)


def flush() -> None:
    """Write what is still buffered, if that is possible: Python itself would make an exit code of a failure, 120."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            _abandon(number)


def _abandon(number: int) -> None:
    """Send what is still buffered nowhere: flushed at the end, it would fail again and change the exit code."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
