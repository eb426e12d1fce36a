"""Which rate a service really allows, learnt from what it accepts and refuses. No clock, no I/O.

Unlimited until the first refusal. Each refusal sets the rate to a little less than what was accepted within one
second just before it; the rate sent says nothing, since most of it may have been a burst. From there it climbs. The
climb is fast while little is known and is slowed by every refusal; two refusals that agree on the limit make it a
creep, which speeds up again only if nothing is refused for minutes.

Never above the rate asked for: that is for the caller to see to.
"""

import math
from bisect import bisect_left, insort

SPAN_S = 1.0
"""What is accepted is counted over so long."""

BELOW = 0.975
"""The share of the limit found at which to go on."""

RETREAT = 0.7
"""The share of the present rate, where too little was accepted to count (botocore's number)."""

FEW = 3
"""So few calls accepted in a second tell nothing of a rate."""

HANDFUL = 20
"""So few calls accepted before the first refusal may be no more than the burst that a leaky bucket lets through."""

FASTEST_CLIMB = math.log(2) / 0.25
"""Growth per second, as an exponent, after the first refusal: doubles in a quarter of a second."""

KNOWN_CLIMB = 0.002
"""Growth once two refusals agreed: 3% in 15 s."""

SLOWEST_CLIMB = 0.0002

SLOWED_BY = 5.0
"""How much slower the climb is after another refusal."""

AGREE = 0.1
"""Two limits found agree if they differ by less than this share."""

LIKELY = 0.75
"""A count over less than a second that is more than this share of an earlier one speaks for the same limit."""

CALM_S = 60.0
"""The climb doubles its pace after each such time without a refusal."""

LOWEST_PER_S = 0.1


class Allowance:
    """The rate allowed now, in calls per second. Times are seconds on one clock that never goes back."""

    def __init__(self) -> None:
        self.rate_per_s: float | None = None
        """None: nothing was refused so far."""
        self._accepted: list[float] = []  # starts of accepted calls since the last episode of refusals, in order
        self._found: float | None = None  # the limit that the last episode showed
        self._earlier: float | None = None  # ... and the one before
        self._climb = FASTEST_CLIMB * SLOWED_BY
        self._resumed_s = self._grown_s = -math.inf
        self._before = math.inf
        self._open = False  # whether an episode is going on

    def accepted(self, started_s: float, now_s: float) -> None:
        """Take note that the call that started at `started_s` was accepted."""
        if started_s < self._resumed_s and not self._open:
            return  # a straggler of an episode that is over
        insort(self._accepted, started_s)
        if now_s - self._accepted[0] > 4 * SPAN_S:
            del self._accepted[: bisect_left(self._accepted, now_s - 2 * SPAN_S)]
        if self.rate_per_s is None:
            return
        if started_s < self._resumed_s:
            self._lower()  # it was under way when another was refused: the limit is a little higher
        elif now_s > self._resumed_s:
            self._grow(now_s)

    def refused(self, resume_s: float, sent_per_s: float) -> None:
        """Begin an episode: a call was refused, calls start again at `resume_s`. `sent_per_s`: the rate until now.

        Where nothing was accepted since the last episode, that one only goes on.
        """
        self._resumed_s = resume_s
        self._open = True
        if not self._accepted and self.rate_per_s is not None:
            return
        self._before = sent_per_s
        self._earlier, self._found = self._found, None
        self._climb = max(self._climb / SLOWED_BY, SLOWEST_CLIMB)
        self._lower()

    def prolonged(self, resume_s: float) -> None:
        """Take note that the pause of this episode lasts until `resume_s`."""
        self._resumed_s = max(self._resumed_s, resume_s)

    def resumed(self) -> None:
        """End the episode: what is accepted from now on counts anew."""
        if self._found and self._earlier and abs(self._found - self._earlier) < AGREE * self._found:
            self._climb = min(self._climb, KNOWN_CLIMB)
        self._accepted.clear()
        self._open = False

    def _lower(self) -> None:
        """Set the rate by what was accepted before the refusal."""
        most = self._most_in_a_span()
        if self._earlier and self._span_s() < SPAN_S and LIKELY * self._earlier < most < self._earlier:
            most = int(self._earlier)  # refused before a whole second had passed: that one counts on
        self._found = float(most) if most > FEW else None
        if self._climb == FASTEST_CLIMB and 0 < most < HANDFUL and self._span_s() < SPAN_S / 2:
            # A burst right at the start was cut off: the service allows that much in a second, and likely more.
            # That is no measure for a later one to agree with.
            self._found = None
            rate_per_s = min(2 * most, self._before)
        elif most > FEW:
            rate_per_s = min(most, self._before)
        else:
            rate_per_s = RETREAT / BELOW * min(self._before, FEW + 1.0)
        self.rate_per_s = max(BELOW * rate_per_s, LOWEST_PER_S)

    def _span_s(self) -> float:
        return self._accepted[-1] - self._accepted[0] if self._accepted else 0.0

    def _most_in_a_span(self) -> int:
        first = most = 0
        for last, started_s in enumerate(self._accepted):
            while started_s - self._accepted[first] >= SPAN_S:
                first += 1
            most = max(most, last - first + 1)
        return most

    def _grow(self, now_s: float) -> None:
        """Climb: exponentially, with an exponent that doubles after each CALM_S."""
        if self.rate_per_s is None:
            return
        # What counts is time in which calls went out at this rate, not time in which none did.
        spent_s = min(now_s - max(self._grown_s, self._resumed_s), 2 / self.rate_per_s)
        self._grown_s = now_s
        periods = min((now_s - self._resumed_s) // CALM_S, 20)
        self.rate_per_s *= math.exp(min(self._climb * 2**periods, FASTEST_CLIMB) * spent_s)
