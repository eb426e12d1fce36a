"""A tenant's credentials file: `NAME=value` lines with the names of the environment's variables, as systemd's EnvironmentFile.

Promises that a file which others may read is refused, and that no value is ever shown.
"""

import os
import stat
from pathlib import Path

from bulkroute.credentials import LONGEST_FILE_BYTES, VARIABLES, Credentials
from bulkroute.errors import UsageError
from bulkroute.model import escaped

FILES = ("BULKROUTE_APP_SECRET_FILE", "BULKROUTE_TOKEN_FILE")
"""Variables that name a file, beside the credentials file if not in full."""


def read_credentials(file: Path) -> Credentials:
    """Return what the file holds. Raises UsageError, with file and line where there is one."""
    found: dict[str, str] = {}
    for line, text in enumerate(_read(file).splitlines(), 1):
        if not text.strip() or text.lstrip().startswith(("#", ";")):
            continue
        name, is_given, value = text.partition("=")
        name, where = name.strip().removeprefix("export "), f"{escaped(str(file))}:{line}"
        if not is_given or name not in VARIABLES:
            what = f"{name} is no credential" if is_given and name.isidentifier() else "this is no `NAME=value`"
            raise UsageError(what, where=where, hint=f"the names are {', '.join(VARIABLES)}")
        if name in found:
            raise UsageError(f"{name} stands there twice", where=where, hint="leave one of them out")
        found[name] = _bare(value.strip())
    for name in FILES:
        if found.get(name):
            found[name] = str(file.parent / found[name])
    try:
        return Credentials.from_environment(found)
    except UsageError as error:
        raise UsageError(error.what, where=error.where or escaped(str(file)), hint=error.hint) from error


def _bare(value: str) -> str:
    """Return a value without the quotes around it."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _read(file: Path) -> str:
    where = escaped(str(file))
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            content = os.read(descriptor, LONGEST_FILE_BYTES + 1) if stat.S_ISREG(mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        hint = "check `credentials` in the fleet file, and that this user may read it"
        raise UsageError(f"the credentials cannot be read: {error.strerror}", where=where, hint=hint) from error
    if not stat.S_ISREG(mode):
        raise UsageError("the credentials are no regular file", where=where, hint="write them into one")
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        hint = f"`chmod o= {where}` ends that, and the secrets in it should be changed"
        raise UsageError("every user of this machine may read or change these credentials", where=where, hint=hint)
    if len(content) > LONGEST_FILE_BYTES:
        raise UsageError("is too long for credentials", where=where, hint="check its name")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("is not UTF-8", where=where, hint="save it again as plain text in UTF-8") from error
