"""When the service is down, and how: each outage written as `BEGIN+LENGTH[/PERIOD]:KIND[@WHERE][*SHARE]`.

`5s+20s:503` answers 503 from the fifth second on for 20 s; `0s+2s/10s:reset` drops connections for 2 s of every 10;
`5s+60s:503*0.5` is a brown-out of half the calls; `10s+30s:500@modify` fails changes alone, `10s+30s:503@token` the
token service alone. `refused` closes the port, so it can be neither partial nor of one endpoint.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .moments import SPAN, seconds

REFUSED = "refused"
_KINDS = (REFUSED, "reset", "hang")
_WHERE = {"modify": ("modifyCalledRoute",), "token": ("tokenByAkSk",)}
_NOT_READ = (*_WHERE["modify"], *_WHERE["token"])
_WRITTEN = re.compile(
    rf"(?P<begin>{SPAN})\+(?P<length>{SPAN})(?:/(?P<period>{SPAN}))?:(?P<kind>[a-z]+|[45]\d\d)"
    r"(?:@(?P<where>modify|token|read))?(?:\*(?P<share>0?\.\d+|1(?:\.0+)?))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage. Seconds count from the beginning of the rehearsal; `period_s` is infinite for one that comes once."""

    begin_s: float
    length_s: float
    period_s: float
    kind: str
    """`refused`, `reset`, `hang`, or the status that is answered."""
    where: str
    """`modify`, `token`, `read`, or '' for the whole service."""
    share: float

    def is_on(self, elapsed_s: float) -> bool:
        """Tell whether it is going on."""
        return elapsed_s >= self.begin_s and (elapsed_s - self.begin_s) % self.period_s < self.length_s

    def next_change_s(self, elapsed_s: float) -> float:
        """Return when it begins or ends next; infinity where it is over for good."""
        if elapsed_s < self.begin_s:
            return self.begin_s
        begun_s = elapsed_s - (elapsed_s - self.begin_s) % self.period_s
        end_s = begun_s + self.length_s
        return end_s if elapsed_s < end_s else begun_s + self.period_s

    def strikes(self, endpoint: str) -> bool:
        """Tell whether calls of an endpoint meet it."""
        if self.where == "read":
            return endpoint not in _NOT_READ
        return not self.where or endpoint in _WHERE[self.where]


def outage(text: str) -> Outage:
    """Return an outage as it is written. Raises ValueError, saying what is wrong."""
    found = _WRITTEN.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no outage: write BEGIN+LENGTH[/PERIOD]:KIND[@WHERE][*SHARE], say 5s+20s:503")
    kind, where = found["kind"], found["where"] or ""
    if kind.isalpha() and kind not in _KINDS:
        raise ValueError(f"{text!r}: {kind} is no kind of outage; it is {', '.join(_KINDS)} or a status")
    if kind == REFUSED and (where or found["share"]):
        raise ValueError(f"{text!r}: a closed port refuses everything; leave out @{where or 'WHERE'} and *SHARE")
    length_s, period_s = seconds(found["length"]), seconds(found["period"]) if found["period"] else math.inf
    if not 0 < length_s < period_s:
        raise ValueError(f"{text!r}: an outage takes some time, and less than its period")
    return Outage(seconds(found["begin"]), length_s, period_s, kind, where, float(found["share"] or 1))


class Outages:
    """All outages of a rehearsal, and which of them a call meets."""

    def __init__(self, written: Iterable[str], falls: Callable[[float, str, str], bool]) -> None:
        self._outages = [outage(text) for text in written]
        self._falls = falls

    def __bool__(self) -> bool:
        return bool(self._outages)

    def met(self, endpoint: str, key: str, elapsed_s: float) -> str:
        """Return the kind of outage that a call meets, or ''."""
        for number, one in enumerate(self._outages):
            if (
                one.is_on(elapsed_s)
                and one.strikes(endpoint)
                and (one.share >= 1 or self._falls(one.share, f"outage {number}", key))
            ):
                return one.kind
        return ""

    def port_closed(self, elapsed_s: float) -> bool:
        """Tell whether connections are refused."""
        return any(one.kind == REFUSED and one.is_on(elapsed_s) for one in self._outages)

    def port_changes_s(self, elapsed_s: float) -> float:
        """Return when the port closes or opens next; infinity for never."""
        return min((one.next_change_s(elapsed_s) for one in self._outages if one.kind == REFUSED), default=math.inf)
