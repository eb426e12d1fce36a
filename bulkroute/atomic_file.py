"""Files that change only as a whole: whoever reads one finds the old content or the new, never half of it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from bulkroute.errors import UsageError


@contextlib.contextmanager
def replacing(path: Path, *, what: str = "", hint: str = "") -> Iterator[TextIO]:
    """Give a new file beside `path`, and put it in its place once the block is done.

    Raises UsageError, which says that `what` cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            with partial.open("x", encoding="utf-8", newline="") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{what} cannot be written: {error.strerror}".strip(), where=str(path), hint=hint) from error
