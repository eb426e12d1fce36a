"""What all calls do when the service asks for fewer: they go at what it accepts, and wait where it says so.

A refusal that names a time (Retry-After) makes everybody wait. One that names none makes only its own row wait; once
everything is refused the whole run waits, and a single call at a time sees whether anything is accepted again.

Patience is counted in time, not in tries: throttling uses up no attempt of a row, and only `max_wait_s` without one
success ends the run.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

from bulkroute.rate.door import Door
from bulkroute.rate.learned_rate import SHORT_S, LearnedRate
from bulkroute.rate.pacer import Pacer
from bulkroute.rate.rounds import Round

HOLD = "throttled"
"""The key of the pacer's hold."""

SHORTEST_WAIT_S = 0.1
LONGEST_WAIT_S = 300.0
"""No single wait is longer, whatever Retry-After says: a typing error there must not cost the night."""

EASED_SHARE = 0.25
"""The share of the rate at which a service that was down is asked at first; twice as much each second."""

EASED_FOR_S = 2.0
"""By then that is the whole rate."""

LEAST_CHANGE = 0.05
"""By so much the rate must have been lowered to be worth a word."""


class Call(NamedTuple):
    """A call that has started: when, on the pacer's clock, and the round it counts in."""

    started_s: float
    part: Round | None


class Pauses(Protocol):
    """Where a pause of all calls is begun and ended."""

    def begin(self, key: str, reason: str, until_s: float | None = None, probe_at_s: float | None = None) -> None:
        """Let no call start until `end(key)`, or `until_s` on the pacer's clock; but for one from `probe_at_s` on."""

    def end(self, key: str) -> None:
        """End the pause of that key; if there is none, nothing happens."""


class Throttle:
    """Turns throttled answers into pauses of all calls and a lower rate.

    Who makes calls says `started` for each when it takes its slot, and then one of `accepted`, `refused` and `lost`.
    """

    def __init__(
        self,
        pacer: Pacer,
        pauses: Pauses,
        on_change: Callable[[str], None],
        *,
        max_wait_s: float,
        head_room: float = 0.0,
        learned: LearnedRate | None = None,
    ) -> None:
        """Take the patience, and the share by which to stay below a limit that was found, or what was `learned` so far.

        `on_change` gets the reason each time the rate is lowered, and when it is back where it was asked to be.
        """
        self._pacer = pacer
        self._pauses = pauses
        self._on_change = on_change
        self._max_wait_s = max_wait_s
        self._learned = learned or LearnedRate(pacer.asked_per_s, head_room)
        if learned is not None:
            pacer.learn(learned.rate_per_s)
        self._door = Door()
        self._first_s = math.inf
        self._accepted = 0
        self._since_s: float | None = None  # without a success
        self._until_s = -math.inf  # as Retry-After says
        self._reason = ""
        self._told_per_s = pacer.rate_per_s  # what `on_change` was called for
        self._applied_per_s = self._learned.rate_per_s
        self._eased_s: float | None = None  # since when it is gone easy on

    @property
    def asked_per_s(self) -> float | None:
        """The rate asked for in calls per second; None is unlimited."""
        return self._pacer.asked_per_s

    @property
    def learned(self) -> LearnedRate:
        """What is known of the rate that the service allows."""
        return self._learned

    def ask(self, rate_per_s: float | None) -> None:
        """Change the rate asked for, at once. None is unlimited, 0 or less a ValueError."""
        self._pacer.set_rate(rate_per_s)
        self._learned.ask(self._pacer.asked_per_s, self._pacer.clock())
        self._pacer.learn(self._learned.rate_per_s)
        self._told_per_s = self._pacer.rate_per_s

    def ease_in(self) -> None:
        """Go easy on a service that is back after it was down, for the first seconds; they tell nothing of its limit."""
        self._eased_s = self._pacer.clock()
        self._apply()

    def started(self) -> Call:
        """Take note that a call starts now."""
        now_s = self._pacer.clock()
        if now_s < self._first_s:
            self._first_s = now_s
            self._door.started(now_s)
        is_eased = self._eased_s is not None
        part = None if is_eased or self._door.is_shut else self._learned.started(now_s)
        if is_eased or self._learned.rate_per_s != self._applied_per_s:
            self._apply()
        return Call(now_s, part)

    def accepted(self, call: Call, *, succeeded: bool) -> None:
        """Take note of an answer from behind the limit. Patience starts anew with a success only."""
        now_s = self._pacer.clock()
        self._accepted += 1
        if succeeded:
            self._since_s = None
        if not self._door.is_shut:
            self._learned.accepted(call.started_s, call.part, now_s)
        elif self._door.is_knocked_by(call.started_s):
            self._learned.knocked(accepted=True)
        else:
            self._learned.accepted(call.started_s, None, now_s)
        if opening := self._door.accepted(call.started_s, now_s):
            self._learned.reopened(opening, now_s)
            self._pauses.end(HOLD)
        if self._eased_s is not None or self._learned.rate_per_s != self._applied_per_s:
            self._apply()

    def refused(
        self, call: Call, words: str, retry_after_s: float | None = None, quota: tuple[float, float] | None = None
    ) -> str | None:
        """Take note of a refusal; return why the run must stop where patience is used up.

        `words` are the service's own; `retry_after_s` is the wait that it names, and `quota` the limit, as so many calls
        in so many seconds, if it names any.
        """
        now_s = self._pacer.clock()
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= self._max_wait_s:
            return f"throttled for {now_s - self._since_s:.0f} s without one success ({words})"
        if retry_after_s is not None:
            retry_after_s = min(max(retry_after_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)
            self._until_s = max(self._until_s, now_s + retry_after_s)
        self._refuse(call, now_s, retry_after_s)
        if quota is not None and self._may_be(*quota, now_s):
            self._learned.expect(quota[0] / quota[1], now_s)
        # The last try falls at the end of the patience, not after it.
        latest_s = self._since_s + self._max_wait_s
        self._reason = f"the service throttles ({words})"
        if self._door.is_shut:
            self._pauses.begin(HOLD, self._reason, probe_at_s=min(self._knock_s(), latest_s))
        elif retry_after_s is not None:
            self._pauses.begin(HOLD, self._reason, until_s=min(self._until_s, latest_s))
        self._apply()
        return None

    def lost(self, call: Call) -> None:
        """Take note that a call ended without an answer that tells of a limit."""
        now_s = self._pacer.clock()
        if self._door.is_knocked_by(call.started_s):
            self._door.lost(call.started_s, now_s)
            self._pauses.begin(HOLD, self._reason, probe_at_s=self._knock_s())
        elif not self._door.is_shut:
            self._learned.lost(call.part, now_s)
            self._apply()

    def _knock_s(self) -> float:
        """Return when the next call may knock: after the wait that was named, as far as patience goes."""
        ends_s = math.inf if self._since_s is None else self._since_s + self._max_wait_s
        return max(self._door.knock_s, min(self._until_s, ends_s))

    def _refuse(self, call: Call, now_s: float, retry_after_s: float | None) -> None:
        if self._door.is_knocked_by(call.started_s):
            self._learned.knocked(accepted=False)
            self._door.refused(call.started_s, now_s)
            return
        was_shut = self._door.is_shut
        self._door.refused(call.started_s, now_s)
        if retry_after_s is not None and retry_after_s > SHORT_S and not was_shut:
            self._door.shut(now_s)
        self._learned.refused(call.started_s, None if self._door.is_shut else call.part, now_s, retry_after_s)

    def _may_be(self, calls: float, span_s: float, now_s: float) -> bool:
        """Tell whether what was accepted so far goes with what the service says; a burst may have been let in."""
        spans = max(1.0, (now_s - self._first_s) / span_s)
        return self._accepted <= 2 * calls * spans

    def _apply(self) -> None:
        """Let calls go at the rate learnt, and tell if that is worth a word."""
        learnt = self._applied_per_s = self._learned.rate_per_s
        self._pacer.learn(learnt)
        rate, told = self._pacer.rate_per_s, self._told_per_s
        if self._eased_s is not None:
            eased_for_s = self._pacer.clock() - self._eased_s
            if eased_for_s < EASED_FOR_S:
                if rate is not None:
                    self._pacer.learn(EASED_SHARE * 2 ** math.floor(eased_for_s) * rate)
                return
            self._eased_s = None
        if rate == told:
            return
        is_lower = rate is not None and (told is None or rate < (1 - LEAST_CHANGE) * told)
        if is_lower or learnt is None:
            self._told_per_s = rate
            self._on_change(HOLD)
