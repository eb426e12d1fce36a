"""How the texts of flags, environment and settings file are read. Each function raises ValueError for what it does not accept."""

import re

from bulkroute.model import FailureKind
from bulkroute.settings.values import BackOutOn, FailureLimit, RewriteRule

_RATE = re.compile(r"(?P<calls>\d+(\.\d+)?|\.\d+)(/(?P<unit>s|m|h))?", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(?=.)((?P<h>\d+(\.\d+)?)h)?((?P<m>\d+(\.\d+)?)m)?((?P<s>\d+(\.\d+)?)s?)?", re.ASCII)

LOWEST_RATE, HIGHEST_RATE = 1 / 3600, 1e6
"""In calls per second: whoever reckons with a rate comes to no infinity."""


def parse_rate(text: str) -> float | None:
    """Read `20`, `0.5`, `600/m`, `3600/h` or `unlimited` (None) as calls per second. Raises ValueError."""
    if text.strip().lower() == "unlimited":
        return None
    match = _RATE.fullmatch(text.strip())
    rate = float(match["calls"]) / _UNIT_S[match["unit"] or "s"] if match else 0.0
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(
            f"{text[:40]!r} is not a rate; write 20, 0.5, 600/m (from 1/h to a million a second) or unlimited"
        )
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


def parse_back_out_on(text: str) -> frozenset[BackOutOn]:
    """Read `no-go,limit,deadline`, or some of them. Raises ValueError."""
    names = [name.strip().lower() for name in text.split(",")]
    reasons = frozenset(reason for reason in BackOutOn if reason in names)
    if len(reasons) != len(names):
        raise ValueError(f"{text!r} is no reason to back out; write {', '.join(BackOutOn)}, or some of them")
    return reasons


FINGERPRINT_DIGITS = 12
"""The fewest that name a plan."""


def parse_fingerprint(text: str) -> str:
    """Read `3f9c a1b2 77d0`, or more of a plan's fingerprint, with or without blanks. Raises ValueError."""
    digits = "".join(text.split()).lower()
    if not re.fullmatch(rf"[0-9a-f]{{{FINGERPRINT_DIGITS},64}}", digits):
        raise ValueError(f"{text!r} is no fingerprint; write its first {FINGERPRINT_DIGITS} digits (0-9, a-f) or more")
    return digits


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
"""What stands for a header's value, or a ping's URL, wherever a command is shown."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",  # answers that are compressed are not read
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
    }
)


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


def parse_command(text: str) -> str:
    """Read a line for the shell. Raises ValueError for an empty one: a check must not be left out for a variable that is not set."""
    if not text.strip():
        raise ValueError("the command is empty; leave the flag out if there is none")
    if "\0" in text:
        raise ValueError("the command holds a NUL character")
    return text


def parse_exit_codes(text: str) -> frozenset[int]:
    """Read `0,4`. Raises ValueError."""
    codes = [code.strip() for code in text.split(",")]
    if not all(code.isascii() and code.isdigit() and int(code) <= 255 for code in codes):
        raise ValueError(f"{text!r} is no list of exit codes; write 0,4")
    return frozenset(map(int, codes))


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
