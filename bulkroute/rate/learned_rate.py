"""Which rate gets most accepted, learnt by trying. No clock, no I/O: times are seconds on one clock.

Go faster where that gets more accepted, slower where that loses little; refusals count for nothing else. What a rate is
worth is its *net*: calls accepted less calls refused per second, waits included.

- A round is a second and a few calls, at one rate. It is judged once all its calls are answered; the first second at
  another rate does not count, since limits remember the one before.
- Now and then a trial: a little faster, or as slow as calls were accepted. The rate that is worth more is kept. Against
  refusals at random going slower gains nothing, so they cost no pace; against a limit it does.
- A trial that failed costs calls. It is made again once it has been paid for: trials may cost `PRICE` of the time.
- The rate to set out from, where everything was refused for a while, is what was accepted until then.

Never above the rate asked for: `Schedule` sees to that.
"""

import math
from typing import NamedTuple

from bulkroute.rate.door import Opening
from bulkroute.rate.rounds import ENOUGH, MANY, PLENTY, SPAN_S, LastSecond, Round, Tally

ROUND_CALLS = 5

BELOW, BELOW_HELD = 0.98, 0.95
"""The share of what was accepted at which to go on; the second where each refusal makes everybody wait."""

STEP, STEEPEST, DOUBLE = 0.08, 0.3, 1.0
"""How much faster a trial is: twice as much after each that succeeded, up to the second; the third after a handful."""

DEEPEST = 0.25
"""A trial is never slower than this share of the rate."""

GAIN = 0.02
"""Slower is tried if it gains so much in case there is a limit: where more than one call in 25 is refused."""

ENOUGH_HELD = 4
"""So many refusals are no chance where each makes everybody wait."""

PRICE = 0.015
"""What trials may cost, as a share of what is accepted."""

LONGEST_GAP_S, LONGEST_GAP_HELD_S = 16.0, 120.0
"""After so long a trial is repeated at any rate; the second where it may bring everybody to a halt."""

PATIENT_CALLS, PATIENT_S = 30, 60.0
"""At a slow rate the gap may be as long as so many calls take, up to the second."""

CERTAIN = 12
"""A slower trial lasts until so many would have been refused at random, unless it is clear before that."""

SHORT_S = 2.0
"""A door that is shut for longer is not that of a limit by the second."""

FORGET = 0.005

LOWEST_PER_S = 1 / 60


class Trial(NamedTuple):
    """What the rate under trial is held against: the one before, what it brought, and all counts at that moment."""

    rate: float
    tally: Tally
    is_faster: bool
    began_s: float
    accepted: int
    refused: int


class LearnedRate:
    """The rate allowed now. Who calls tells of every call when it starts and when it is answered."""

    def __init__(self, asked_per_s: float | None, head_room: float = 0.0) -> None:
        """Take the rate asked for in calls per second, None for unlimited.

        `head_room`: the share (0 to 1) by which to stay below a limit once it is found.
        """
        self._asked = self._rate = math.inf if asked_per_s is None else asked_per_s
        self._head_room = head_room
        self._resting = False  # below the limit found
        self._counts_from_s = -math.inf
        self._rounds: list[Round] = []  # the last one is open, or nothing counts yet
        self._here = Tally()
        self._trial: Trial | None = None
        self._last_second = LastSecond()
        self._accepted = self._refused = 0
        self._hold_s = 0.0  # what Retry-After said last
        self._held_until_s = -math.inf
        self._is_found = False
        self._too_fast = math.inf
        self._quickest_s = math.inf
        self._is_queueing = False
        self._was_shut_long = False
        self._step = STEP
        self._faster_s = self._slower_s = -math.inf  # when such a trial is due

    @property
    def rate_per_s(self) -> float | None:
        """The rate that the service was found to allow, None where that is what was asked for."""
        return None if self._rate >= self._asked else self._in_force

    @property
    def _in_force(self) -> float:
        return self._rate * (1 - self._head_room) if self._resting else self._rate

    def ask(self, asked_per_s: float | None, now_s: float) -> None:
        """Change the rate asked for."""
        is_limited = self._rate < self._asked
        self._asked = math.inf if asked_per_s is None else asked_per_s
        if not is_limited or self._rate > self._asked:
            self._trial = None
            self._go(self._asked, now_s)

    def expect(self, allowed_per_s: float, now_s: float) -> None:
        """Set out from what the service says that it allows, unless a rate was found already."""
        if not self._is_found and allowed_per_s < self._rate:
            self._is_found, self._trial = True, None
            self._put_off_faster(now_s)
            self._go(BELOW_HELD * allowed_per_s, now_s)

    # Calls

    def started(self, now_s: float) -> Round | None:
        """Return the round that a call which starts now counts in, if it counts."""
        if self._rounds:
            last = self._rounds[-1]
            # Where a mistake brings everybody to a halt, a trial is to cover a whole window of the clock.
            span_s = 2 * SPAN_S if self._hold_s and self._trial else SPAN_S
            is_full = last.started >= ROUND_CALLS and now_s - last.began_s - last.stood_s >= span_s
            if is_full and last.ended_s == math.inf:
                last.ended_s = now_s
                self._judge(last, now_s)
        if now_s < self._counts_from_s:
            return None
        if not self._rounds or self._rounds[-1].ended_s < math.inf:
            self._rounds.append(Round(now_s))
        self._rounds[-1].started += 1
        return self._rounds[-1]

    def accepted(self, started_s: float, part: Round | None, now_s: float) -> None:
        """Take note that a call was accepted which counts in `part`."""
        self._accepted += 1
        self._last_second.add(started_s, accepted=True)
        if part is not None:
            part.accepted += 1
            part.took_s = min(part.took_s, now_s - started_s)
            self._judge(part, now_s)

    def refused(self, started_s: float, part: Round | None, now_s: float, retry_after_s: float | None) -> None:
        """Take note that a call was refused, and everybody is to wait for `retry_after_s`."""
        self._refused += 1
        self._last_second.add(started_s, accepted=False)
        if retry_after_s is not None:
            self._hold(retry_after_s, part, now_s)
        if part is not None:
            part.refused += 1
            if part.refused >= PLENTY and part.share > MANY:
                part.ended_s = min(part.ended_s, now_s)
            self._judge(part, now_s)
        if self._rounds and self._rounds[0].is_bad(now_s):
            self._judge(self._rounds[0], now_s)

    def lost(self, part: Round | None, now_s: float) -> None:
        """Take note that a call got no answer that tells of a limit."""
        if part is not None:
            part.lost += 1
            self._judge(part, now_s)

    def knocked(self, *, accepted: bool) -> None:
        """Take note of a call that was made to see whether anything is accepted again."""
        self._accepted += accepted
        self._refused += not accepted

    def _hold(self, retry_after_s: float, part: Round | None, now_s: float) -> None:
        self._hold_s = retry_after_s
        until_s = max(self._held_until_s, now_s + retry_after_s)
        longer_s = until_s - max(self._held_until_s, now_s)
        self._held_until_s = until_s
        if part is not None:
            part.held_s += longer_s
        if self._rounds:
            self._rounds[-1].stood_s += longer_s

    # Rounds

    def _judge(self, part: Round, now_s: float) -> None:
        """Draw the consequences of a round, if it is complete and of the present rate."""
        if not (part.is_complete or part.is_bad(now_s)) or part not in self._rounds:
            return
        self._rounds.remove(part)
        self._time(part)
        many = part.refused >= ENOUGH and part.share > MANY + 2 * self._here.share
        if many and self._trial is None:
            self._here = Tally()  # something has changed: what was before says nothing any more
        self._here.add(part)
        if self._trial is None:
            self._decide(now_s, many=many)
        elif self._trial.is_faster:
            self._judge_faster(self._trial, now_s)
        else:
            self._judge_slower(self._trial, now_s)

    def _time(self, part: Round) -> None:
        """See whether answers take long: then calls wait somewhere, and more of them would only wait longer."""
        if part.accepted:
            self._quickest_s = min((1 + FORGET) * self._quickest_s, part.took_s)
            self._is_queueing = part.took_s > 3 * self._quickest_s + 0.1

    def _decide(self, now_s: float, *, many: bool = False) -> None:
        """Begin a trial if one is due."""
        here = self._here
        is_lossy = self._gain() > GAIN
        is_certain = here.refused >= (ENOUGH_HELD if self._hold_s else ENOUGH)
        is_used = here.offered_per_s > 0.8 * self._in_force
        if many or (is_lossy and is_certain and now_s >= self._slower_s):
            self._try_slower(now_s, many=many)
        elif (
            self._rate < self._asked
            and now_s >= self._faster_s
            and is_used
            and not self._is_queueing
            and (is_certain or not is_lossy)
        ):
            faster = self._rate * (1 + self._step)
            if self._hold_s:
                if self._too_fast < 1.08 * self._rate:
                    self._too_fast = math.inf
                faster = min(faster, (self._rate + self._too_fast) / 2)
            self._try(faster, now_s, is_faster=True)
        elif self._head_room and self._is_found and self._rate < self._asked and not self._resting:
            self._rest(now_s)
        elif (here.calls >= 200 and here.refused >= 2 * ENOUGH) or here.calls >= 1000:
            here.fade()

    def _gain(self) -> float:
        """Return what slowing down would gain if there were a limit, as a share of what there is."""
        here = self._here
        if here.net_per_s <= 0:
            return math.inf
        return BELOW * (1 - here.share) * min(self._in_force, here.offered_per_s) / here.net_per_s - 1

    def _go(self, rate: float, now_s: float, *, settle: bool = True) -> None:
        """Go on at another rate; unless told otherwise, let limits forget the one before."""
        self._counts_from_s = now_s + SPAN_S if settle and rate != self._in_force else now_s
        self._rate = min(max(rate, LOWEST_PER_S), self._asked)
        self._resting = False
        self._here = Tally()
        self._rounds.clear()

    def _rest(self, now_s: float) -> None:
        """Stay below the limit until a faster trial is due."""
        self._faster_s = max(self._faster_s, now_s + LONGEST_GAP_HELD_S)
        at_the_limit = self._here
        self._go(self._rate, now_s)
        self._resting = True
        self._counts_from_s = now_s + SPAN_S
        self._at_the_limit = at_the_limit

    # Trials

    def _try(self, rate: float, now_s: float, *, is_faster: bool) -> None:
        before = self._at_the_limit if self._resting and is_faster else self._here
        self._trial = Trial(self._rate, before, is_faster, now_s, self._accepted, self._refused)
        # What only a burst tells is found out without delay.
        self._go(rate, now_s, settle=not (is_faster and self._step == DOUBLE))

    def _try_slower(self, now_s: float, *, many: bool) -> None:
        here = self._here
        rate = min(self._in_force, here.offered_per_s)
        if many:
            self._faster_s = now_s
        self._step = STEP if many else min(self._step, STEEPEST)
        if not self._hold_s:
            lower = BELOW * (1 - here.share) * rate
        elif not self._is_found and self._last_second.most_accepted < 0.96 * rate:
            # Nothing is refused at random here: so much in a second, and no more.
            self._is_found = True
            self._put_off_faster(now_s)
            self._go(BELOW_HELD * self._last_second.most_accepted, now_s)
            return
        else:
            lower = here.accepted_per_s  # waits included, which is surely below any limit
        self._is_found = True
        self._try(max(lower, DEEPEST * rate), now_s, is_faster=False)

    def _judge_slower(self, trial: Trial, now_s: float) -> None:
        """End the trial once it is clear: if refusals were at random, so many of its calls would be refused."""
        here = self._here
        expected = here.calls * trial.tally.share
        is_clear = max(expected, here.refused) >= CERTAIN or expected - here.refused >= CERTAIN / 2 - 1
        if not is_clear and not (self._hold_s and here.refused >= 2):
            return
        self._trial = None
        if here.net_per_s < trial.tally.net_per_s:
            self._slower_s = now_s + self._gap_s(trial, now_s)
            self._go(trial.rate, now_s)
            return
        self._slower_s = now_s
        if self._hold_s:
            self._too_fast = min(self._too_fast, trial.rate)
            self._faster_s, self._step = now_s, STEEPEST  # it was a guess, and likely too low
        self._decide(now_s)

    def _judge_faster(self, trial: Trial, now_s: float) -> None:
        """End the trial once chance does not decide it any more, or it is by far too fast."""
        here, before = self._here, trial.tally
        step = self._rate / trial.rate - 1
        share = (here.refused + before.refused) / (here.calls + before.calls)
        if here.calls < 6 * share / step**2 and here.net_per_s > (1 - 2 * step) * before.net_per_s:
            return
        if here.net_per_s <= before.net_per_s:
            self._end_faster(trial, now_s)
            self._go(trial.rate, now_s)
            return
        self._trial = None
        if self._rate >= self._too_fast:
            self._too_fast = math.inf
        elif self._hold_s and self._too_fast < 1.08 * self._rate:
            self._faster_s, self._step = now_s + LONGEST_GAP_HELD_S, STEP
            return
        if self._step < DOUBLE:
            self._step = min(2 * self._step, STEEPEST)
        self._faster_s = self._slower_s = now_s
        self._decide(now_s)

    def _end_faster(self, trial: Trial, now_s: float, *, shut: bool = False) -> None:
        """Take note that a faster trial failed."""
        self._trial, self._is_found, self._too_fast = None, True, self._rate
        if self._step == DOUBLE:
            self._faster_s, self._step = now_s, STEEPEST
        else:
            self._faster_s, self._step = now_s + self._gap_s(trial, now_s, shut=shut), STEP

    def _gap_s(self, trial: Trial, now_s: float, *, shut: bool = False) -> float:
        """Return for how long a trial that failed is not repeated: until its price has been earned."""
        net_per_s = trial.tally.net_per_s
        if net_per_s <= 0:
            return 0.0
        brought = (self._accepted - trial.accepted) - (self._refused - trial.refused)
        cost_s = max(now_s, self._held_until_s) - trial.began_s - brought / net_per_s
        longest_s = min(max(LONGEST_GAP_S, PATIENT_CALLS / trial.rate), PATIENT_S)
        return min(max(cost_s, 0.0) / PRICE, LONGEST_GAP_HELD_S if self._hold_s or shut else longest_s)

    def _put_off_faster(self, now_s: float) -> None:
        """Let a rate that was measured stand for as long as a wait of everybody has to be paid for."""
        self._faster_s, self._step = now_s + min(self._hold_s / PRICE, LONGEST_GAP_HELD_S), STEP

    # After everything was refused

    def reopened(self, opening: Opening, now_s: float) -> None:
        """Go on after a time in which everything was refused."""
        trial, self._trial = self._trial, None
        last = self._last_second.take(now_s - opening.shut_s, now_s)
        is_long = opening.shut_s >= SHORT_S and not 0 < self._hold_s <= SHORT_S
        if trial is not None and trial.is_faster:
            self._end_faster(trial, now_s, shut=True)
            if not is_long:
                self._go(trial.rate, now_s)
                return
        if is_long:
            self._reopen_late(opening, now_s)
            return
        below = BELOW_HELD if self._hold_s else BELOW
        measured = below * (last.calls - last.refused) / min(max(last.running_s, SPAN_S / 100), SPAN_S)
        if self._is_found and measured < self._rate:
            self._step, self._faster_s = STEP, now_s
            self._here = last
            self._try(max(measured, DEEPEST * self._rate), now_s, is_faster=False)
        elif self._is_found:
            self._go(self._rate, now_s)
        elif self._step == DOUBLE:
            self._is_found, self._step, self._faster_s = True, STEEPEST, now_s
            self._go(self._rate / 2, now_s)
        elif opening.is_handful and last.running_s >= SPAN_S:
            self._step, self._faster_s = DOUBLE, now_s
            self._go(min(max(measured, BELOW), self._rate), now_s, settle=False)
        else:
            self._is_found = True
            self._put_off_faster(now_s)
            self._go(min(measured, self._rate), now_s)

    def _reopen_late(self, opening: Opening, now_s: float) -> None:
        """Go on as before the first time: it may have been a storm. Then at what was accepted from opening to opening."""
        is_handful = opening.is_handful and not self._is_found
        if not self._was_shut_long and not is_handful:
            self._was_shut_long = True
            self._go(self._rate, now_s)
            return
        self._is_found = self._is_found or not is_handful
        self._step, self._faster_s = DOUBLE if is_handful else STEP, now_s
        rate = opening.let_in / max(opening.open_s + opening.shut_s, SPAN_S)
        self._go(min(rate, self._rate), now_s, settle=not is_handful)
