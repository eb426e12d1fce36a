"""Who calls the service: a ready token, or a key pair that buys one. From the environment and files, never from flags.

A secret never prints. What is wrong with one is told before the first call, and never by showing it.
"""

import os
import re
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bulkroute.errors import UsageError

LONGEST_FILE_BYTES = 64 * 1024
"""More is no secret: a device that never ends, or the wrong file."""

KEY, SECRETS = "BULKROUTE_APP_KEY", {"BULKROUTE_APP_SECRET", "BULKROUTE_APP_SECRET_FILE"}
VARIABLES = (KEY, *sorted(SECRETS), "BULKROUTE_TOKEN", "BULKROUTE_TOKEN_FILE")
"""What credentials are made of, in the environment."""

ALONE = "give the token alone, without quotes, blanks or the word Bearer"


class Secret:
    """A text that shows itself to nobody who does not ask for it by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        """Return stars."""
        return "***"

    __str__ = __repr__


@dataclass(frozen=True)
class Credentials:
    """A fixed token, or a key pair that buys one (tokenByAkSk)."""

    token: Secret | None = None
    """A ready access token."""
    app_key: str | None = None
    """The key that a token is fetched with; it also goes with every call as `X-APP-Key`."""
    app_secret: Secret | None = None
    """The key's secret."""
    warnings: tuple[str, ...] = field(default=(), compare=False)
    """What whoever keeps them should know: a file that others may read."""
    token_file: Path | None = field(default=None, compare=False)
    """Where the token was read from; somebody may renew it there."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Credentials":
        """Read BULKROUTE_TOKEN[_FILE], or BULKROUTE_APP_KEY with BULKROUTE_APP_SECRET[_FILE].

        Raises UsageError where they are missing, halved, unreadable or cannot be what they should be.
        """
        warnings: list[str] = []
        token = _secret(environment, "BULKROUTE_TOKEN", warnings)
        if token is not None:
            _require_bare("BULKROUTE_TOKEN", token.reveal())
        app_key = _sendable("BULKROUTE_APP_KEY", environment.get("BULKROUTE_APP_KEY") or "") or None
        app_secret = _secret(environment, "BULKROUTE_APP_SECRET", warnings)
        if token is None and (app_key is None or app_secret is None):
            missing = "BULKROUTE_APP_SECRET" if app_key else "BULKROUTE_APP_KEY" if app_secret else None
            raise UsageError(
                f"{missing} is not set" if missing else "no credentials",
                hint="set BULKROUTE_APP_KEY and BULKROUTE_APP_SECRET (or BULKROUTE_APP_SECRET_FILE), or BULKROUTE_TOKEN",
            )
        file = environment.get("BULKROUTE_TOKEN_FILE")
        return cls(token, app_key, app_secret, tuple(warnings), Path(file) if file else None)

    def read_token_again(self) -> Secret | None:
        """Return what the token's file holds now; None if there is no such file, or no token in it."""
        if self.token_file is None:
            return None
        try:
            found = self.from_environment({"BULKROUTE_TOKEN_FILE": str(self.token_file)})
        except UsageError:
            return None  # it may be half written: the token that there was is tried once more
        return found.token


def _secret(environment: Mapping[str, str], name: str, warnings: list[str]) -> Secret | None:
    """Return a secret from the variable or from the file that `<name>_FILE` names."""
    value, file = environment.get(name), environment.get(name + "_FILE")
    if value and file:
        raise UsageError(f"both {name} and {name}_FILE are set", hint="set one of them")
    if file:
        value = _read(name + "_FILE", Path(file), warnings)
    value = _sendable(name, value or "")
    return Secret(value) if value else None


def _read(name: str, file: Path, warnings: list[str]) -> str:
    """Return what is in a secret's file, its BOM left out. Raises UsageError; nothing here waits for a writer."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise UsageError(f"the file of {name} is no regular file", where=str(file), hint="write it into one")
            content = os.read(descriptor, LONGEST_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        hint = f"check {name}, and that this user may read the file"
        raise UsageError(f"cannot read the file of {name}: {error.strerror}", where=str(file), hint=hint) from error
    if len(content) > LONGEST_FILE_BYTES:
        raise UsageError(f"the file of {name} is too long for a secret", where=str(file), hint="check its name")
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        may = "read" if mode & stat.S_IROTH else "change"
        remedy = f"chmod o= {shlex.quote(str(file))}"
        warnings.append(f"{file}: every user of this machine may {may} the file of {name}; `{remedy}` ends that")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"cannot read the file of {name}: not UTF-8", where=str(file), hint="save it again as plain text in UTF-8"
        ) from error


def _sendable(name: str, value: str) -> str:
    """Return `value` without blanks around it. Raises UsageError where no HTTP header can carry it."""
    value = value.strip()
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"{name} has characters that no HTTP header can carry", hint="check it for line breaks")
    return value


def _require_bare(name: str, token: str) -> None:
    """Refuse a token with what people copy along with it: the service would only refuse it later. Raises UsageError."""
    if re.search(r"\bbearer\b", token, re.IGNORECASE):
        raise UsageError(f"{name} holds the word Bearer, which bulkroute itself writes before the token", hint=ALONE)
    for what, there in (("a quote", set("\"'`") & set(token)), ("a blank", " " in token)):
        if there:
            raise UsageError(f"{name} holds {what}", hint=ALONE)
