"""What a run does when the service asks for fewer calls: everybody waits, then goes on slower.

Patience is counted in time, not in tries: throttling uses up no attempt of a row, and only `max_wait_s` without one
success ends the run.
"""

import math
import random
from collections.abc import Callable

from bulkroute.rate.learned_limit import Allowance
from bulkroute.rate.pacer import Pacer

HOLD = "throttled"
"""The key of the pacer's hold."""

SHORTEST_WAIT_S = 0.1
LONGEST_WAIT_S = 300.0
"""No single wait is longer, whatever Retry-After says: a typing error there must not cost the night."""


class Throttle:
    """Turns throttled answers into run-wide waits and a lower rate."""

    def __init__(
        self,
        pacer: Pacer,
        pause: Callable[[str, str, float], None],
        on_change: Callable[[str], None],
        *,
        backoff_s: float,
        backoff_cap_s: float,
        max_wait_s: float,
    ) -> None:
        """Take the backoff (and its cap) for answers that name no time, and the patience in all.

        `pause` holds the whole run: it gets a cause, the reason, and until when on the pacer's clock. `on_change` gets
        the reason each time the rate is lowered, and when it is back where it was asked to be.
        """
        self._pacer = pacer
        self._pause = pause
        self._backoff_s = backoff_s
        self._cap_s = backoff_cap_s
        self._max_wait_s = max_wait_s
        self._on_change = on_change
        self._allowance = Allowance()
        self._asked_per_s = pacer.rate_per_s
        self._waits = 0
        self._held_at_s = -math.inf
        self._since_s: float | None = None

    @property
    def asked_per_s(self) -> float | None:
        """The rate asked for in calls per second; None is unlimited."""
        return self._asked_per_s

    @property
    def allowed_per_s(self) -> float | None:
        """The rate the service was found to allow, None while it refused nothing or what it allows is enough."""
        allowed = self._allowance.rate_per_s
        return allowed if allowed is not None and allowed < (self._asked_per_s or math.inf) else None

    def ask(self, rate_per_s: float | None) -> None:
        """Change the rate asked for, at once. None is unlimited, 0 or less a ValueError."""
        if rate_per_s is not None and not rate_per_s > 0:
            raise ValueError(f"a rate must be above 0 calls per second, not {rate_per_s}")
        self._asked_per_s = rate_per_s
        self._apply()

    def throttled(self, words: str, retry_after_s: float | None, started_s: float) -> str | None:
        """Hold the run; return why it must stop where patience is used up.

        `words` are the service's own; `retry_after_s` is the wait it names, if any; `started_s` is the call's start on
        the pacer's clock.
        """
        now_s = self._pacer.clock()
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= self._max_wait_s:
            return f"throttled for {now_s - self._since_s:.0f} s without one success ({words})"
        fresh = started_s >= self._held_at_s
        if fresh:
            # The first refusal after the last wait; calls that were in flight with it tell nothing new.
            self._waits += 1
            self._held_at_s = now_s
        if retry_after_s is None:
            wait_s = min(self._cap_s, self._backoff_s * 2 ** min(self._waits - 2, 30)) * random.uniform(0.5, 1)
        else:
            wait_s = retry_after_s
        until_s = now_s + min(max(wait_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)
        # The last try falls at the end of the patience, not after it.
        until_s = min(until_s, self._since_s + self._max_wait_s)
        if not fresh and retry_after_s is None:
            return None
        until_s = max(until_s, self._pacer.until_s(HOLD) or until_s)
        if fresh:
            self._allowance.refused(until_s, self._pacer.rate_per_s or math.inf)
            self._apply()
        else:
            self._allowance.prolonged(until_s)
        reason = f"the service throttles ({words})"
        self._pause(HOLD, reason, until_s)
        if fresh:
            self._on_change(HOLD)
        return None

    def let_in(self, started_s: float, *, succeeded: bool) -> None:
        """Take note of an answer from behind the limit: the backoff starts anew if the call started after the wait.

        Patience starts anew with a success only.
        """
        if succeeded:
            self._since_s = None
        if started_s > self._held_at_s and self._waits:
            self._waits = 0
            self._allowance.resumed()
        self._allowance.accepted(started_s, self._pacer.clock())
        self._apply()

    def _apply(self) -> None:
        """Let the pacer go at the rate asked for or the one allowed, whichever is lower."""
        allowed = self.allowed_per_s
        rate = self._asked_per_s if allowed is None else allowed
        now = self._pacer.rate_per_s
        if rate != now and (allowed is None or now is None or _differs(rate, now)):
            self._pacer.set_rate(rate)


def _differs(rate: float | None, now: float) -> bool:
    """Tell whether a rate is worth a change: the pacer goes by whole calls per second."""
    return rate is None or rate < 1 or now < 1 or math.floor(rate) != math.floor(now)
