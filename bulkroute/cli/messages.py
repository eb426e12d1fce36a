"""What a command reports beside its results: on stderr and, if --log-file names one, in a file; in the log's format.

The file gets everything, whatever --quiet keeps from stderr. A file that cannot be written never ends a run.
"""

import contextlib
import os
import stat
import sys
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

from bulkroute.errors import BulkrouteError, ExitCode, ManifestError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

log_format: ContextVar[str] = ContextVar("log_format", default="text")
"""How errors that end the command are written; set as soon as --log-format is read."""

log_file: ContextVar[TextIO | None] = ContextVar("log_file", default=None)
"""The file of --log-file, once it is open."""

STAMP = "%Y-%m-%d %H:%M:%S%z"
"""In the file: it holds many nights."""


def open_log(file: "Path", ledger: "Path | None", *others: "Path") -> None:
    """Open the file of --log-file to append to it; it is made (mode 0600) if there is none.

    Raises UsageError for a ledger, that of the command above all, and for the `others` that it needs otherwise.
    """
    from bulkroute.ledger.paths import of_a_ledger, require_apart, same_file  # here, since help must not wait for it

    hint = "name another file with --log-file"
    if ledger is not None:
        require_apart(file, ledger, hint=hint)
    if of_a_ledger(file) or any(same_file(file, other) for other in others):
        raise UsageError("is needed otherwise", where=str(file), hint=hint)
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(file, flags, 0o600)
    except OSError as error:
        raise UsageError(f"the log cannot be written: {error.strerror}", where=str(file), hint=hint) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError("is no regular file", where=str(file), hint=hint)
    # Open to the end: the last line says how it ended.
    log_file.set(open(descriptor, "a", buffering=1, encoding="utf-8", errors="backslashreplace"))  # noqa: SIM115


def streams(*, quiet: bool = False) -> list[TextIO]:
    """Return where to write: stderr, if it is not to be quiet, and the file."""
    opened = log_file.get()
    return [*([] if quiet else [sys.stderr]), *([opened] if opened else [])]


def report_error(error: Exception, code: ExitCode, *, quiet: bool = False) -> None:
    """Write the error that ends the command; `quiet`: into the file alone."""
    for stream in streams(quiet=quiet):
        with contextlib.suppress(OSError):  # a stream that is full or gone changes nothing of how it went
            (_record_error if log_format.get() == "json" else _say_error)(error, code, stream)


def _say_error(error: Exception, _code: ExitCode, stream: TextIO) -> None:
    from bulkroute.output.tables import say  # here, as above

    text = _headline(error)
    if isinstance(error, ManifestError):
        for fault in error.faults:
            say(fault, stream)
    elif isinstance(error, click.ClickException):
        error.show(stream)
        return
    elif not isinstance(error, BulkrouteError):
        import traceback  # here, as above

        traceback.print_exception(error, file=stream)
    stamp = "" if stream is sys.stderr else f"{datetime.now().astimezone():{STAMP}} "
    say(f"{stamp}bulkroute: {text}", stream)


def _record_error(error: Exception, code: ExitCode, stream: TextIO) -> None:
    from bulkroute.output.json_log import write  # here, as above

    fields: dict[str, Any] = {}
    if isinstance(error, ManifestError):
        for fault in error.faults:
            write("manifest_fault", stream, text=fault)
    elif not isinstance(error, BulkrouteError | click.ClickException):
        import traceback  # here, as above

        fields["traceback"] = "".join(traceback.format_exception(error))
    write("error", stream, text=_headline(error), exit_code=int(code), **fields)


def _headline(error: Exception) -> str:
    if isinstance(error, ManifestError):
        return error.headline
    if isinstance(error, BulkrouteError):
        return str(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    return "this is a bug in bulkroute; the ledger holds what was done. Please report it."
