"""A folder that is ours alone, for what processes of one user on one machine tell each other."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from bulkroute.errors import LedgerError


def temporary_folder() -> Path:
    """Return where it lies for a person at a terminal and for cron alike: only one of them has XDG_RUNTIME_DIR."""
    return Path(tempfile.gettempdir()) / f"bulkroute-{os.getuid()}"


def require_own(folder: Path) -> Path:
    """Return the folder, made (mode 0700) if there is none. Raises LedgerError if it is not ours alone."""
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError as error:
        hint = "see to rights and space there, or set TMPDIR"
        raise LedgerError(f"cannot make the folder: {error.strerror}", where=str(folder), hint=hint) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise LedgerError("the folder is not ours alone", where=str(folder), hint="remove it, then try again")
    return folder
