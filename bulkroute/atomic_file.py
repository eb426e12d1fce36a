"""Files that change only as a whole: whoever reads one finds the old content or the new, never half of it.

A device, a FIFO or a terminal is written straight into and never replaced. What a killed process left beside a file
stops nobody: its name is used by nobody else, and the next one that writes there sweeps it.
"""

import contextlib
import fcntl
import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from bulkroute.errors import UsageError

END = ".partial"

ELSEWHERE = "see to space and rights there, or name another file"
OF_STREAM = "see to space and rights of what it leads to"
"""What to do where a file cannot be written."""

NEW_MODE = 0o644
"""Of a file that was not there before, less what the umask takes."""


def is_stream(path: Path) -> bool:
    """Tell whether `path` is written straight into: standard output by whatever name, or what is no regular file."""
    try:
        found = path.stat()
    except OSError:  # nothing, or a link that leads nowhere
        return False
    return not stat.S_ISREG(found.st_mode) or is_standard_output(path)


def is_standard_output(path: Path) -> bool:
    """Tell whether `path`, which is there, is where standard output goes. Raises OSError where there is none."""
    return os.path.samestat(path.stat(), os.fstat(1))


@contextlib.contextmanager
def writing(path: Path | None) -> Iterator[TextIO]:
    """Give a file to write: a stream as it is, else one that is put in the place of `path` at the end.

    None is standard output. Raises UsageError, and BrokenPipeError where the reader of a pipe has gone.
    """
    if path is not None and not is_stream(path):
        with replacing(path) as file:
            yield file
        return
    try:
        # Opened by its name, a file that standard output was redirected to would be cut to nothing.
        ours = path is None or is_standard_output(path)
        with open(1 if ours else path or 1, "w", encoding="utf-8", newline="", closefd=not ours) as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        where, hint = ("standard output", OF_STREAM) if path is None else (str(path), ELSEWHERE)
        raise UsageError(f"cannot be written: {error.strerror}", where=where, hint=hint) from error


@contextlib.contextmanager
def replacing(
    path: Path, *, what: str = "", hint: str = ELSEWHERE, mode: int | None = None, durable: bool = True
) -> Iterator[TextIO]:
    """Give a new file beside `path`, and put it in its place once the block is done; a link stays, and its file changes.

    It gets the mode of the file it replaces; a new one `mode`, else NEW_MODE less the umask. `durable`: it is on disk
    before it takes the place, and has taken it there once this is over. Raises UsageError, which says that `what` cannot
    be written.
    """
    try:
        place = Path(os.path.realpath(path))
        before = _replaceable(place, path, hint)
        _sweep(place)
        partial, descriptor = _make_partial(place)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                if before is not None or mode is not None:
                    os.fchmod(descriptor, before.st_mode & 0o777 if before else mode or 0)
                yield file
                file.flush()
                if durable:
                    os.fsync(descriptor)
                partial.replace(place)
                if durable:
                    sync_folder(place.parent)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{what} cannot be written: {error.strerror}".strip(), where=str(path), hint=hint) from error


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk, as SQLite does: where that is refused, it has to do without."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replaceable(place: Path, path: Path, hint: str) -> os.stat_result | None:
    """Return what is known of the file to replace, None if there is none. Raises UsageError for what is no file."""
    try:
        found = place.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise UsageError("is no regular file, and is not replaced", where=str(path), hint=hint)
    return found


def _make_partial(place: Path) -> tuple[Path, int]:
    """Make a file beside `place` and hold its lock, which tells others that somebody writes it. Raises OSError."""
    while True:
        partial = place.with_name(f".{place.name}.{os.urandom(4).hex()}{END}")
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, NEW_MODE)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:  # else it was swept before it was locked
                return partial, descriptor
            os.close(descriptor)


def _sweep(place: Path) -> None:
    """Remove what killed processes left of earlier writing: nobody holds their lock."""
    for left in place.parent.glob(f".{glob.escape(place.name)}.*{END}"):
        with contextlib.suppress(OSError):  # somebody's who still writes it, or whose file it is
            descriptor = os.open(left, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    left.unlink()
            finally:
                os.close(descriptor)
