"""Moments and spans of a rehearsal: how they are written, and since when they count."""

import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
SPAN = r"\d+(?:\.\d+)?(?:ms|[smh])?"
"""How a span of time is written: 5, 5s, 1.5m, 2h, 250ms."""


def seconds(text: str) -> float:
    """Return a span in seconds. Raises ValueError for what is not written like one."""
    if not re.fullmatch(SPAN, text, re.ASCII):
        raise ValueError(f"{text!r} is no time: write 5s, 1.5m, 2h or 250ms")
    number = text.rstrip("hms")
    return float(number) * _UNITS_S[text.removeprefix(number)]


def change(text: str) -> tuple[float, float | None]:
    """Return when a limit changes, and to how many calls; None: no limit. Raises ValueError for other texts."""
    at, _, calls = text.partition(":")
    if calls == "none":
        return seconds(at), None
    if not calls.replace(".", "", 1).isdecimal() or not calls.isascii():
        raise ValueError(f"{text!r} is no change of the limit: write AT:CALLS, say 60s:10, or AT:none")
    return seconds(at), float(calls)


class Stopwatch:
    """Tells how long a rehearsal has been going on. Times are seconds of the event loop's clock."""

    def __init__(self) -> None:
        self._since: float | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started."""
        return self._since is not None

    def start(self, now: float) -> None:
        """Count from now on."""
        self._since = now

    def elapsed_s(self, now: float) -> float:
        """Return the seconds since it was started; 0 before."""
        return 0.0 if self._since is None else now - self._since
