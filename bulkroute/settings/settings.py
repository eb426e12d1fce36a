"""Settings of a run: checked and frozen."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import SplitResult, urlsplit

from bulkroute.credentials import Credentials
from bulkroute.errors import UsageError
from bulkroute.model import FailureKind
from bulkroute.settings.parsing import NO_VALUE, parse_command, parse_fingerprint, parse_header
from bulkroute.settings.values import BackOutOn, FailureLimit, OnDrift, RewriteRule
from bulkroute.settings.wave_sizes import REST, WaveSize

MOST_IN_FLIGHT = 10_000
"""Each call in flight holds a connection; a process may have some thousands of them at the very most."""

SHORTEST_SECRET = 8
"""Characters from which on a header's value is blotted out of the service's texts."""

LONGEST_LABEL = 200
"""Characters of a tenant's name, and of a note."""

SIMULATOR = "the simulator"
"""What a ledger knows the embedded simulator by: the service of a rehearsal."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


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
    """For one call, from connecting, which may take half of it, to the last byte of its answer."""
    max_throttle_wait_s: float = 900.0
    """How long throttling may hold the run up without one success."""
    max_outage_wait_s: float = 900.0
    """How long the service may be down before the run stops; 0: rows fail by their tries alone."""
    snapshot: bool = True
    """Read live bindings first."""
    on_drift: OnDrift | None = None
    """What to do about rows that another hand has changed since; None: send them again, or stop where a saved plan is run."""
    approved: str | None = None
    """The saved plan that may be run: the first digits of its fingerprint, at least 12; None: any."""
    plan_max_age_s: float = 86400.0
    """How old a saved plan may be."""
    require_approval: bool = False
    """Run nothing but the saved plan that `approved` names."""
    skip: frozenset[FailureKind] = frozenset()
    """Refused rows of these kinds (`locked`, `unknown_id`) are left alone and are no failures."""
    max_refused: FailureLimit | None = None
    """Refused rows of the manifest above which nothing is sent."""
    expect: int | None = None
    """The rows that the manifest must have; None: any number."""
    canary: int = 0
    """Rows to send and read back before the rest, as `waves` of so many rows and the rest; 0: none."""
    waves: tuple[WaveSize, ...] = ()
    """How many rows go in each wave; empty: as the manifest's column `wave` says, else all in one go."""
    gate_command: str | None = None
    """A shell command that is asked after each wave but the last: exit code 0 is go, 75 not yet, all else no."""
    gate_interval_s: float = 30.0
    """After a *not yet* it is asked again after so long."""
    gate_wait_s: float | None = None
    """How long to wait after each wave but the last."""
    gate_hold: bool = False
    """Whether a person has to say go after each wave but the last, by `ctl` or the live page."""
    gate_timeout_s: float | None = None
    """How long the gates after a wave may take until all have said go; None: as long as the window is open."""
    max_failures: FailureLimit | None = None
    """Failed rows at which the run stops."""
    max_consecutive_failures: int | None = 20
    """Failed rows in a row at which the run stops."""
    back_out_on: frozenset[BackOutOn] = frozenset()
    """Why a run takes back by itself what its batch has changed; empty: never."""
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
    before_run: str | None = None
    """A line for the shell that is asked before anything is read or sent; exit code 0: go, 75: not now, else: no."""
    on_event: str | None = None
    """A line for the shell that is told what happens, beside the run."""
    ping_url: str | None = field(default=None, repr=False)
    """What a monitor is told at, by the convention of healthchecks. Who knows it may silence the alarm."""
    ping_ok: frozenset[int] = frozenset({0, 4})
    """Exit codes that are no alarm for the monitor."""
    command_line: str = ""
    """The command as it was given, without secrets; kept in the ledger."""

    @property
    def is_rehearsal(self) -> bool:
        """Whether the calls go to the embedded simulator."""
        return self.service == SIMULATOR

    def drift_rule(self, *, is_plan: bool) -> OnDrift:
        """Return what to do about rows that another hand has changed since."""
        return self.on_drift or (OnDrift.STOP if is_plan else OnDrift.SEND)

    @property
    def wave_sizes(self) -> tuple[WaveSize, ...]:
        """How many rows are asked for in each wave, by `waves` or `canary`; empty: nothing was asked for."""
        return (WaveSize(rows=self.canary), REST) if self.canary else self.waves

    @property
    def gates(self) -> tuple[str, ...]:
        """The flags of what has to say go between two waves."""
        given = {"command": self.gate_command, "wait": self.gate_wait_s, "hold": self.gate_hold}
        return tuple(f"--gate-{name}" for name, value in given.items() if value)

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
        if self.canary and self.waves:
            raise UsageError("--canary N is the same as --waves N,rest", hint="give one of the two")
        self._require_numbers_in_range()
        if self.approved is not None:
            try:
                parse_fingerprint(self.approved)
            except ValueError as error:
                raise UsageError(f"{_named('approved')}: {error}") from None
        self._require_hooks()
        for name in ("tenant", "note"):
            text = getattr(self, name)
            if not text.isprintable() or len(text) > LONGEST_LABEL:
                raise UsageError(f"{_named(name)} must be one printable line of at most {LONGEST_LABEL} characters")
        if self.until is not None and self.until.tzinfo is None:
            raise UsageError(f"{_named('until')} has no offset from UTC", hint="give it one: 2026-11-28T04:00:00+01:00")
        if self.back_out_on and not self.snapshot:
            hint = "leave --no-snapshot out: without it no earlier binding is known"
            raise UsageError(f"{_named('back_out_on')} could put nothing back", hint=hint)

    def _require_hooks(self) -> None:
        for name in ("before_run", "on_event", "gate_command"):
            try:
                if (line := getattr(self, name)) is not None:
                    parse_command(line)
            except ValueError as error:
                raise UsageError(f"{_named(name)}: {error}") from None
        if self.ping_url is not None:
            _require_ping_url(_named("ping_url"), self.ping_url, allow_http=self.allow_http)
        if not all(isinstance(code, int) and 0 <= code <= 255 for code in self.ping_ok):
            raise UsageError(f"{_named('ping_ok')} must be exit codes, from 0 to 255")

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
_ABOVE_ZERO = (
    "rate_per_s",
    "timeout_s",
    "backoff_s",
    "backoff_cap_s",
    "max_throttle_wait_s",
    "max_duration_s",
    "gate_interval_s",
    "gate_wait_s",
    "gate_timeout_s",
    "plan_max_age_s",
)


def _named(field_name: str) -> str:
    """Return a field with its flag, so that a message serves programs and operators: `timeout_s (--timeout)`."""
    flag = field_name.removesuffix("_s").removesuffix("_per").replace("_", "-")
    return f"{field_name} (--{flag})"


def _parts_of(url: str) -> SplitResult | None:
    """Return the parts of an http or https address; None if it is no such address."""
    try:
        parts = urlsplit(url)
        port = not parts.netloc.endswith(":") and (parts.port is None or parts.port > 0)
        return parts if parts.scheme in ("https", "http") and bool(parts.hostname) and port else None
    except ValueError:
        return None


def _require_root_url(name: str, url: str, *, allow_http: bool) -> None:
    """Refuse what is not `https://host[:port]` (http for this very host, or where it is allowed). Raises UsageError."""
    parts = _parts_of(url)
    if parts is None or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"{name} {url!r} is not the root of a service", hint="write https://host[:port]")
    if parts.username or parts.password:
        raise UsageError(f"{name} carries a user name or password", hint="credentials come from the environment only")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS and not allow_http:
        raise UsageError(
            f"{name} {url} would send the token unencrypted",
            hint=f"use https://, or allow it with {_named('allow_http')} if you must",
        )


def _require_ping_url(name: str, url: str, *, allow_http: bool) -> None:
    """Refuse what is no address without user, query and fragment; http as above. Raises UsageError, which never shows it."""
    if url == NO_VALUE:
        raise UsageError(f"{name}: {NO_VALUE} stands for an address that is shown nowhere", hint="write it there")
    parts = _parts_of(url) if url.isascii() and url.isprintable() and " " not in url else None
    if parts is None or parts.query or parts.fragment or parts.username or parts.password:
        hint = "write https://host/path, without user, `?` and `#`"
        raise UsageError(f"{name} is no address that a ping can go to", hint=hint)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS and not allow_http:
        hint = f"use https://, or allow it with {_named('allow_http')} if you must"
        raise UsageError(f"{name} would be sent unencrypted, and who sees it can silence the alarm", hint=hint)
