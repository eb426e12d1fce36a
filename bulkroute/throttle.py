"""What a run does when the service asks for fewer calls: everybody waits, and the wait has a reason.

Patience is counted in time, not in tries: throttling uses up no attempt of a row, and only `max_wait_s` without one
success ends the run.
"""

import math
import random

from bulkroute.pacing import Pacer
from bulkroute.retry import Verdict

HOLD = "throttled"
"""The key of the pacer's hold."""

SHORTEST_WAIT_S = 0.1
LONGEST_WAIT_S = 300.0
"""No single wait is longer, whatever Retry-After says: a typing error there must not cost the night."""


class Throttle:
    """Turns throttled answers into run-wide waits of the pacer."""

    def __init__(self, pacer: Pacer, *, backoff_s: float, cap_s: float, max_wait_s: float) -> None:
        """Take the backoff (and its cap) for answers that name no time, and the patience in all."""
        self._pacer = pacer
        self._backoff_s = backoff_s
        self._cap_s = cap_s
        self._max_wait_s = max_wait_s
        self._waits = 0
        self._held_at_s = -math.inf
        self._since_s: float | None = None

    def throttled(self, verdict: Verdict, started_s: float) -> str | None:
        """Hold the run; return why it must stop where patience is used up. `started_s`: the call's start, pacer's clock."""
        now_s = self._pacer.clock()
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= self._max_wait_s:
            return f"throttled for {now_s - self._since_s:.0f} s without one success ({describe(verdict)})"
        if started_s >= self._held_at_s:
            # The first refusal after the last wait; calls that were in flight with it tell nothing new.
            self._waits += 1
            self._held_at_s = now_s
        if verdict.retry_after_s is None:
            wait_s = min(self._cap_s, self._backoff_s * 2 ** min(self._waits - 1, 30)) * random.uniform(0.5, 1)
        else:
            wait_s = verdict.retry_after_s
        until_s = now_s + min(max(wait_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)
        # The last try falls at the end of the patience, not after it.
        until_s = min(until_s, self._since_s + self._max_wait_s)
        standing = [hold.until_s or 0.0 for hold in self._pacer.holds() if hold.key == HOLD]
        self._pacer.hold(HOLD, f"the service throttles ({describe(verdict)})", max([until_s, *standing]))
        return None

    def succeeded(self, started_s: float) -> None:
        """Take note of a success: patience starts anew, and so does the backoff if the call started after the wait."""
        self._since_s = None
        if started_s > self._held_at_s:
            self._waits = 0


def describe(verdict: Verdict) -> str:
    """Return the service's own words for a refusal."""
    return ", ".join(
        str(part) for part in (f"HTTP {verdict.http_status}", verdict.return_code, verdict.description) if part
    )
