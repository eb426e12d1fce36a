"""Nights on which a service is down, shaky, or wrongly suspected: what each call gets, and how the run should end."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ROWS = 3000

OK, ERROR_500, GATEWAY_503, REFUSED, HANG = "ok", "500", "503", "refused", "hang"

OUTAGES = (REFUSED, GATEWAY_503, ERROR_500, HANG)
"""The kinds of outage: what each call gets in it."""

Answer = Callable[[float, random.Random], str]
"""What a call gets that starts at a moment, in seconds since the start of the run."""


@dataclass(frozen=True)
class Night:
    """`bad` rows get 500 from a service that works; `reads` is what a read gets, where it differs from `answer`."""

    name: str
    answer: Answer
    reads: Answer | None = None
    bad: frozenset[int] = frozenset()
    begins_s: float = 0.0
    back_s: float | None = None
    """When the service works again, None if it never was away."""
    rows: int = ROWS
    patience_s: float = 900.0

    def answers(self, row: int, at_s: float, rnd: random.Random) -> str:
        """Return what a call about a row gets."""
        answer = self.answer(at_s, rnd)
        return ERROR_500 if answer == OK and row in self.bad else answer

    def answers_read(self, at_s: float, rnd: random.Random) -> str:
        """Return what a read gets."""
        return (self.reads or self.answer)(at_s, rnd)


def fine(_at_s: float, _rnd: random.Random) -> str:
    """Answer every call."""
    return OK


def away(kind: str, begins_s: float, seconds: float, share: float = 1.0) -> Answer:
    """Return what calls get while a service is away: `kind`, to a share of them."""

    def answer(at_s: float, rnd: random.Random) -> str:
        is_away = begins_s <= at_s < begins_s + seconds
        return kind if is_away and (share == 1.0 or rnd.random() < share) else OK

    return answer


def outage(kind: str, seconds: float, *, begins_s: float = 5.0, patience_s: float = 900.0, name: str = "") -> Night:
    """Return the night on which all calls get `kind` for a time."""
    return Night(
        name or f"{kind} for {seconds:g} s",
        away(kind, begins_s, seconds),
        begins_s=begins_s,
        back_s=begins_s + seconds,
        patience_s=patience_s,
    )


def outages(*lengths_s: float) -> Iterator[Night]:
    """Yield an outage of each kind for each length."""
    for kind in OUTAGES:
        for seconds in lengths_s:
            yield outage(kind, seconds)


PATIENT = outage(GATEWAY_503, 1800, patience_s=3600.0, name="503 for 1800 s, patience 1 h")

BROWN_OUT = Night("half of the calls get 503 for 60 s", away(GATEWAY_503, 5, 60, share=0.5), begins_s=5.0, back_s=65.0)

MODIFY_ALONE = Night("500 from modify alone for 20 s", away(ERROR_500, 5, 20), reads=fine, begins_s=5.0, back_s=25.0)

BAD_IN_A_ROW = Night("20 bad rows in a row", fine, bad=frozenset(range(500, 520)))
A_TENTH_BAD = Night("a tenth of the rows bad", fine, bad=frozenset(range(0, ROWS, 10)))
ALL_BAD = Night("all rows bad", fine, bad=frozenset(range(ROWS)))
SECOND_HALF_BAD = Night("second half bad", fine, bad=frozenset(range(ROWS // 2, ROWS)))

REFUSED_FROM_THE_START = Night("refused from the start", lambda *_: REFUSED)


# Further nights, of which the first design of the rule knew nothing.


def mixed(at_s: float, rnd: random.Random) -> str:
    """Answer in every wrong way for a minute."""
    return rnd.choice(OUTAGES) if 5 <= at_s < 65 else OK


def flapping(at_s: float, _rnd: random.Random) -> str:
    """Be away for 15 s of every 40."""
    return GATEWAY_503 if at_s % 40 >= 25 and at_s < 400 else OK


MIXED = Night("all four kinds for 60 s", mixed, begins_s=5.0, back_s=65.0)
FLAPPING = Night("503 for 15 s of every 40", flapping)
SHAKY = Night("40% refused for 90 s", away(REFUSED, 5, 90, share=0.4), begins_s=5.0, back_s=95.0)
MORE_BAD_IN_A_ROW = Night("35 bad rows in a row", fine, bad=frozenset(range(500, 535)))
BAD_AT_THE_END = Night("12 bad rows at the very end", fine, bad=frozenset(range(ROWS - 12, ROWS)))
LAST_ROW_BAD = Night("the last row bad", fine, bad=frozenset({ROWS - 1}))
A_THIRD_BAD = Night("a third of the rows bad", fine, bad=frozenset(range(0, ROWS, 3)))
LAST_THIRD_BAD = Night("last third bad", fine, bad=frozenset(range(2 * ROWS // 3, ROWS)))
BAD_THEN_AWAY = Night(
    "20 bad rows in a row, then refused for 60 s",
    away(REFUSED, 20, 60),
    bad=frozenset(range(500, 520)),
    begins_s=20.0,
    back_s=80.0,
)


def from_the_start(kind: str, seconds: float) -> Night:
    """Return the night that begins with an outage."""
    return outage(kind, seconds, begins_s=0.0, name=f"{kind} from the start, {seconds:g} s")


def at_the_end(kind: str, seconds: float, *, rows_left: int) -> Night:
    """Return the night whose last rows meet an outage."""
    begins_s = 5.0
    rows = int(begins_s * 50) + rows_left
    return Night(
        f"{kind} for {seconds:g} s, {rows_left} rows left",
        away(kind, begins_s, seconds),
        begins_s=begins_s,
        back_s=begins_s + seconds,
        rows=rows,
    )
