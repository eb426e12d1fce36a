"""Settings of a run: checked and frozen."""

import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from bulkroute.credentials import Credentials
from bulkroute.errors import UsageError
from bulkroute.model import FailureKind

MOST_IN_FLIGHT = 10_000
"""Each call in flight holds a connection; a process may have some thousands of them at the very most."""

SHORTEST_SECRET = 8
"""Characters from which on a header's value is blotted out of the service's texts."""

LONGEST_LABEL = 200
"""Characters of a tenant's name, and of a note."""

SIMULATOR = "the simulator"
"""What a ledger knows the embedded simulator by: the service of a rehearsal."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class OnDrift(StrEnum):
    """What is done about rows that were done and that another hand has changed since."""

    SEND = "send"
    """They are sent again."""
    KEEP = "keep"
    """They are left alone, as failed `drifted`."""
    STOP = "stop"
    """Nothing is sent: the rows are listed, exit 6."""


class FailureLimit(NamedTuple):
    """How many failures end a run: a number of rows, or a share of the finished ones (0 to 1)."""

    rows: int | None = None
    """So many rows."""
    share: float | None = None
    """Or such a share of the finished rows, 0 to 1; it counts from 20 of them on."""

    def __str__(self) -> str:
        """Return the limit as it is written on the command line."""
        return str(self.rows) if self.share is None else f"{self.share * 100:g}%"


class RewriteRule(NamedTuple):
    """One `--rewrite-number REGEX=REPLACEMENT`."""

    pattern: re.Pattern[str]
    """What is looked for in a number."""
    replacement: str
    """What takes its place, as `re.sub` reads it."""

    def __str__(self) -> str:
        """Return the rule as it was given."""
        return f"{self.pattern.pattern}={self.replacement}"


@dataclass(frozen=True)
class Settings:
    """How an engine works. Times in seconds, rates in calls per second."""

    base_url: str
    """The service's root, `https://host[:port]`."""
    auth_url: str | None = None
    """Root of the token service; None: the base URL."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Extra headers of every call, as (name, value)."""
    credentials: Credentials = field(default_factory=Credentials)
    """A token, or a key pair that buys one."""
    rate_per_s: float | None = 10.0
    """Calls per second; None: unlimited."""
    head_room: float = 0.0
    """The share (0 to 1) by which to stay below a limit that was found, for others who call the same service."""
    concurrency: int = 16
    """Calls in flight at once."""
    max_attempts: int = 4
    """Tries a row gets, the first included."""
    backoff_s: float = 0.5
    """Base of the full-jitter backoff between tries."""
    backoff_cap_s: float = 20.0
    """Longest backoff."""
    timeout_s: float = 15.0
    """For one call, once it is sent."""
    max_throttle_wait_s: float = 900.0
    """How long throttling may hold the run up without one success."""
    max_outage_wait_s: float = 900.0
    """How long the service may be down before the run stops; 0: rows fail by their tries alone."""
    snapshot: bool = True
    """Read live bindings first."""
    on_drift: OnDrift = OnDrift.SEND
    """What to do about rows that were done and that another hand has changed since."""
    skip: frozenset[FailureKind] = frozenset()
    """Refused rows of these kinds (`locked`, `unknown_id`) are left alone and are no failures."""
    max_refused: FailureLimit | None = None
    """Refused rows of the manifest above which nothing is sent."""
    expect: int | None = None
    """The rows that the manifest must have; None: any number."""
    canary: int = 0
    """Rows to send and read back before the rest; 0: none."""
    max_failures: FailureLimit | None = None
    """Failed rows at which the run stops."""
    max_consecutive_failures: int | None = 20
    """Failed rows in a row at which the run stops."""
    max_rows: int | None = None
    """Rows after which to stop cleanly."""
    strict_targets: bool = False
    """Refuse targets that calls cannot reach, instead of warning of them."""
    max_duration_s: float | None = None
    """Start no more calls after so long, measured on a clock that does not jump."""
    until: datetime | None = None
    """Start no more calls from this moment on, by the wall clock; with its offset from UTC."""
    fresh: bool = False
    """Forget earlier success: start a new batch."""
    strict_numbers: bool = False
    """Refuse a manifest by id that disagrees with live in number, media type or target's name, instead of warning."""
    allow_unloaded: bool = False
    """Whether a manifest may name an IVR flow that is not loaded."""
    rewrite_number: tuple[RewriteRule, ...] = ()
    """What is done to the numbers of a manifest before they are matched, in this order."""
    service: str = ""
    """What the ledger knows the service by; its base URL where nothing else is said."""
    service_moved: bool = False
    """Go on with a batch of a service whose address has changed."""
    allow_http: bool = False
    """Accept http:// to other hosts than this one."""
    wait_for_lock_s: float = 0.0
    """How long to wait for another run on the same ledger, instead of ending at once."""
    tenant: str = ""
    """Whose routes these are, in a name for people; shown and kept in the ledger."""
    note: str = ""
    """What the run is for, a change number say; shown and kept in the ledger."""
    command_line: str = ""
    """The command as it was given, without secrets; kept in the ledger."""

    @property
    def is_rehearsal(self) -> bool:
        """Whether the calls go to the embedded simulator."""
        return self.service == SIMULATOR

    @property
    def secret_headers(self) -> list[str]:
        """Values of headers that may be secrets: a short one is a number or a name, found in many an innocent text."""
        return [value for _name, value in self.headers if len(value) >= SHORTEST_SECRET]

    @property
    def service_name(self) -> str:
        """What the ledger knows the service by: an address that is written differently stays the same one."""
        parts = urlsplit(self.base_url)
        port = "" if parts.port in (None, 443 if parts.scheme == "https" else 80) else f":{parts.port}"
        return self.service or f"{parts.scheme}://{parts.hostname}{port}"

    def __post_init__(self) -> None:
        """Check what can be checked. Raises UsageError."""
        for name, url in (("base_url", self.base_url), ("auth_url", self.auth_url)):
            if url is not None:
                _require_root_url(_named(name), url, allow_http=self.allow_http)
        for header in self.headers:
            try:
                parse_header(": ".join(header))
            except ValueError as error:
                raise UsageError(str(error)) from None
        self._require_numbers_in_range()
        for name in ("tenant", "note"):
            text = getattr(self, name)
            if not text.isprintable() or len(text) > LONGEST_LABEL:
                raise UsageError(f"{_named(name)} must be one printable line of at most {LONGEST_LABEL} characters")
        if self.until is not None and self.until.tzinfo is None:
            raise UsageError(f"{_named('until')} has no offset from UTC")

    def _require_numbers_in_range(self) -> None:
        if self.concurrency > MOST_IN_FLIGHT:
            raise UsageError(f"{_named('concurrency')} must be at most {MOST_IN_FLIGHT:,}")
        for name, least in _LEAST.items():
            if (number := getattr(self, name)) is not None and number < least:
                raise UsageError(f"{_named(name)} must be at least {least}")
        for name in _ABOVE_ZERO:
            if (number := getattr(self, name)) is not None and not 0 < number < math.inf:
                raise UsageError(f"{_named(name)} must be a number above 0, not {number:g}")
        if not 0 <= self.head_room < 1:
            raise UsageError(f"{_named('head_room')} must be a share from 0 to below 1, not {self.head_room:g}")
        if not 0 <= self.max_outage_wait_s < math.inf:
            raise UsageError(
                f"{_named('max_outage_wait_s')} must be a number of seconds, not {self.max_outage_wait_s:g}"
            )


_LEAST = {
    "expect": 1,
    "concurrency": 1,
    "max_attempts": 1,
    "max_consecutive_failures": 1,
    "max_rows": 1,
    "canary": 0,
    "wait_for_lock_s": 0,
}
_ABOVE_ZERO = ("rate_per_s", "timeout_s", "backoff_s", "backoff_cap_s", "max_throttle_wait_s", "max_duration_s")


def _named(field_name: str) -> str:
    """Return a field with its flag, so that a message serves programs and operators: `timeout_s (--timeout)`."""
    flag = field_name.removesuffix("_s").removesuffix("_per").replace("_", "-")
    return f"{field_name} (--{flag})"


def _require_root_url(name: str, url: str, *, allow_http: bool) -> None:
    """Refuse what is not `https://host[:port]` (http for this very host, or where it is allowed). Raises UsageError."""
    try:
        parts = urlsplit(url)
        port = not parts.netloc.endswith(":") and (parts.port is None or parts.port > 0)
        valid = parts.scheme in ("https", "http") and bool(parts.hostname) and port
    except ValueError:
        valid = False
    if not valid or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"{name} {url!r} is not the root of a service", hint="write https://host[:port]")
    if parts.username or parts.password:
        raise UsageError(f"{name} carries a user name or password", hint="credentials come from the environment only")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS and not allow_http:
        raise UsageError(
            f"{name} {url} would send the token unencrypted",
            hint=f"use https://, or allow it with {_named('allow_http')} if you must",
        )


_RATE = re.compile(r"(?P<calls>\d+(\.\d+)?|\.\d+)(/(?P<unit>s|m|h))?", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(?=.)((?P<h>\d+(\.\d+)?)h)?((?P<m>\d+(\.\d+)?)m)?((?P<s>\d+(\.\d+)?)s?)?", re.ASCII)


def parse_rate(text: str) -> float | None:
    """Read `20`, `0.5`, `600/m`, `3600/h` or `unlimited` (None) as calls per second. Raises ValueError."""
    if text.strip().lower() == "unlimited":
        return None
    match = _RATE.fullmatch(text.strip())
    if not match or not (rate := float(match["calls"]) / _UNIT_S[match["unit"] or "s"]):
        raise ValueError(f"{text!r} is not a rate; write 20, 0.5, 600/m or unlimited")
    return rate


def parse_duration(text: str) -> float:
    """Read `90`, `90s`, `15m`, `2h` or `1h30m` as seconds. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    seconds = sum(float(match[unit] or 0) * _UNIT_S[unit] for unit in "hms") if match else 0
    if not seconds:
        raise ValueError(f"{text!r} is not a duration; write 90s, 15m, 2h or 1h30m")
    return seconds


SKIPPABLE = (FailureKind.LOCKED, FailureKind.UNKNOWN_ID)


def parse_skip(text: str) -> frozenset[FailureKind]:
    """Read `locked,unknown_id`, either or both. Raises ValueError."""
    kinds = frozenset(kind for name in text.split(",") for kind in SKIPPABLE if kind == name.strip().lower())
    if not kinds or len(kinds) != len(text.split(",")):
        raise ValueError(f"{text!r} cannot be skipped; write {' or '.join(SKIPPABLE)}, or both with a comma")
    return kinds


def parse_share(text: str) -> float:
    """Read `20%` or `20`, below 100, as a share of 1. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,2}(?:\.\d+)?)\s*%?", text.strip(), re.ASCII)
    if not match:
        raise ValueError(f"{text!r} is not a share; write 20% for instance")
    return float(match[1]) / 100


def parse_failure_limit(text: str) -> FailureLimit:
    """Read `50` or `2.5%`. Raises ValueError."""
    match = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?|\.\d+)\s*%", text.strip(), re.ASCII)
    if match and match[1] and int(match[1]) > 0:
        return FailureLimit(rows=int(match[1]))
    if match and match[2] and 0 < float(match[2]) <= 100:
        return FailureLimit(share=float(match[2]) / 100)
    raise ValueError(f"{text!r} is not a limit of failures; write a number of rows, 1 or more, or a share such as 5%")


NO_VALUE = "***"
"""What stands for a header's value wherever a command is shown."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS = frozenset({"authorization", "content-length", "content-type", "host", "transfer-encoding", "connection"})


def parse_header(text: str) -> tuple[str, str]:
    """Read `Name: value`. Raises ValueError, which never shows a value; also for headers that bulkroute sets itself."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _HEADER_NAME.fullmatch(name):
        raise ValueError("what is given is not a header; write 'Name: value'")
    if not value.isprintable() or not value.isascii():
        raise ValueError(f"the value of the header {name} has characters that no HTTP header can carry")
    if value == NO_VALUE:
        raise ValueError(
            f"{NO_VALUE} stands for the value of the header {name}, which is shown nowhere; write it there"
        )
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"the header {name} is set by bulkroute itself")
    return name, value


def parse_rewrite_rule(text: str) -> RewriteRule:
    """Read a rule such as `^00=+`; what follows the last `=` is the replacement. Raises ValueError."""
    pattern, equals, replacement = text.rpartition("=")
    if not equals or not pattern:
        raise ValueError(f"{text!r} is no rule; write REGEX=REPLACEMENT, '^00=+' for example")
    try:
        compiled = re.compile(pattern)
        compiled.sub(replacement, "")
    except (re.error, IndexError) as error:
        raise ValueError(f"{text!r} is no rule: {error}") from error
    return RewriteRule(compiled, replacement)
