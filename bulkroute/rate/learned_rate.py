"""Which rate gets most accepted, learnt by trying. No clock, no I/O: times are seconds on one clock.

Go faster where that gets more accepted, slower where that loses little; refusals count for nothing else. What a rate is
worth is its *net*: calls accepted less calls refused per second, waits included.

- A round is a second and a few calls, at one rate. It is judged once all its calls are answered; the first second at
  another rate does not count, since limits remember the one before.
- Now and then a trial: a little faster, or as slow as calls were accepted. The rate that is worth more is kept. Against
  refusals at random going slower gains nothing, so they cost no pace; against a limit it does.
- A trial that failed costs calls. It is made again once it has been paid for.
- The rate to set out from, where everything was refused for a while, is what was accepted until then.
- No faster trial while answers take much longer than they could: calls wait somewhere, and more would wait longer.

Never above the rate asked for: `Schedule` sees to that.
"""

import math

from bulkroute.rate.door import Opening
from bulkroute.rate.rounds import ENOUGH, MANY, PLENTY, SPAN_S, LastSecond, Round, Rounds, Tally
from bulkroute.rate.trials import DOUBLE, LONGEST_GAP_HALTED_S, STEEPEST, STEP, Timetable, Trial

BELOW, BELOW_HALTING = 0.98, 0.95
"""The share of what was accepted at which to go on; the second where each refusal brings everybody to a halt."""

DEEPEST = 0.25
"""A trial is never slower than this share of the rate."""

GAIN = 0.02
"""Slower is tried if it gains so much in case there is a limit: where more than one call in 25 is refused."""

ENOUGH_HALTING = 4
"""So many refusals are no chance where each brings everybody to a halt."""

SHORT_S = 2.0
"""A door that is shut for longer is not that of a limit by the second."""

LOWEST_PER_S = 1 / 100
"""Below the lowest limit that gateways are set to, a call a minute, so that it can be kept to."""


class LearnedRate:
    """The rate allowed now. Who makes calls tells of each when it starts and when it is answered."""

    def __init__(self, asked_per_s: float | None, head_room: float = 0.0) -> None:
        """Take the rate asked for in calls per second, None for unlimited.

        `head_room`: the share (0 to 1) by which to stay below a limit once it is found.
        """
        self._asked = self._rate = math.inf if asked_per_s is None else asked_per_s
        self._head_room = head_room
        self._at_the_limit: Tally | None = None  # what it brought, while the rate in force is below it
        self._rounds = Rounds()
        self._here = Tally()
        self._trial: Trial | None = None
        self._timetable = Timetable()
        self._last_second = LastSecond()
        self._accepted = self._refused = 0
        self._halts_s = 0.0  # what Retry-After said last
        self._halted_until_s = -math.inf
        self._is_found = False
        self._was_shut_long = False
        self.rate_per_s: float | None = None
        """The rate that the service was found to allow, None where that is what was asked for. Read for every call."""

    def _set_rate(self) -> None:
        self.rate_per_s = None if self._rate >= self._asked else self._in_force

    @property
    def _in_force(self) -> float:
        return self._rate if self._at_the_limit is None else self._rate * (1 - self._head_room)

    def ask(self, asked_per_s: float | None, now_s: float) -> None:
        """Change the rate asked for."""
        is_limited = self._rate < self._asked
        self._asked = math.inf if asked_per_s is None else asked_per_s
        if not is_limited or self._rate > self._asked:
            self._trial = None
            self._go(self._asked, now_s)
        self._set_rate()

    def expect(self, allowed_per_s: float, now_s: float) -> None:
        """Set out from what the service says that it allows, unless a rate was found already."""
        if not self._is_found and allowed_per_s < self._rate:
            self._is_found, self._trial = True, None
            self._timetable.measured(now_s, halts_s=self._halts_s)
            self._go(BELOW_HALTING * allowed_per_s, now_s)

    # Calls

    def started(self, now_s: float) -> Round | None:
        """Return the round that a call which starts now counts in, if it counts."""
        # Where a mistake brings everybody to a halt, a trial is to cover a whole window of the clock.
        full = self._rounds.close(now_s, 2 * SPAN_S if self._halts_s and self._trial else SPAN_S)
        if full is not None:
            self._judge(full, now_s)
        return self._rounds.join(now_s)

    def accepted(self, started_s: float, part: Round | None, now_s: float) -> None:
        """Take note that a call was accepted which counts in `part`."""
        self._accepted += 1
        self._last_second.add(started_s, accepted=True)
        if part is not None:
            part.accepted += 1
            if now_s - started_s < part.quickest_s:
                part.quickest_s = now_s - started_s
            if part.ended_s <= now_s:
                self._judge(part, now_s)

    def refused(self, started_s: float, part: Round | None, now_s: float, retry_after_s: float | None) -> None:
        """Take note that a call was refused, and everybody is to wait for `retry_after_s`, if anybody is."""
        self._refused += 1
        self._last_second.add(started_s, accepted=False)
        self._halt(retry_after_s or 0.0, part, now_s)
        if part is not None:
            part.refused += 1
            if part.refused >= PLENTY and part.share > MANY:
                part.ended_s = min(part.ended_s, now_s)
            self._judge(part, now_s)
        self._judge(self._rounds.first(), now_s)

    def lost(self, part: Round | None, now_s: float) -> None:
        """Take note that a call got no answer that tells of a limit."""
        if part is not None:
            part.lost += 1
            self._judge(part, now_s)

    def knocked(self, *, accepted: bool) -> None:
        """Take note of a call that was made to see whether anything is accepted again."""
        self._accepted += accepted
        self._refused += not accepted

    def _halt(self, seconds: float, part: Round | None, now_s: float) -> None:
        self._halts_s = seconds
        until_s = max(self._halted_until_s, now_s + seconds)
        longer_s = until_s - max(self._halted_until_s, now_s)
        self._halted_until_s = until_s
        if part is not None:
            part.held_s += longer_s
        self._rounds.stand(longer_s)

    # Rounds

    def _judge(self, part: Round | None, now_s: float) -> None:
        """Draw the consequences of a round, if it is complete and of the present rate."""
        if part is None or not self._rounds.take(part, now_s):
            return
        many = part.refused >= ENOUGH and part.share > MANY + 2 * self._here.share
        if many and self._trial is None:
            self._here = Tally()  # something has changed: what was before says nothing any more
        self._here.add(part)
        if self._trial is None:
            self._decide(now_s, many=many)
        elif self._trial.is_clear(self._here, self._rate, is_halting=self._halts_s > 0):
            self._end_trial(self._trial, now_s)

    def _decide(self, now_s: float, *, many: bool = False) -> None:
        """Begin a trial if one is due."""
        here, timetable = self._here, self._timetable
        is_lossy = self._gain() > GAIN
        is_certain = here.refused >= (ENOUGH_HALTING if self._halts_s else ENOUGH)
        if many or (is_lossy and is_certain and now_s >= timetable.slower_s):
            self._try_slower(now_s, many=many)
        elif self._may_go_faster(now_s) and (is_certain or not is_lossy):
            faster = timetable.faster_than(self._rate, is_halting=self._halts_s > 0)
            # What only a burst tells is found out without delay.
            self._try(faster, now_s, is_faster=True, settle=timetable.step < DOUBLE)
        elif self._head_room and self._is_found and self._rate < self._asked and self._at_the_limit is None:
            self._stay_below(now_s)
        elif (here.calls >= 200 and here.refused >= 2 * ENOUGH) or here.calls >= 1000:
            here.fade()

    def _gain(self) -> float:
        """Return what slowing down would gain if there were a limit, as a share of what there is."""
        here = self._here
        if here.net_per_s <= 0:
            return math.inf
        return BELOW * (1 - here.share) * min(self._in_force, here.offered_per_s) / here.net_per_s - 1

    def _may_go_faster(self, now_s: float) -> bool:
        is_used = self._here.offered_per_s > 0.8 * self._in_force
        is_due = now_s >= self._timetable.faster_s
        return self._rate < self._asked and is_due and is_used and not self._rounds.is_queueing

    def _go(self, rate: float, now_s: float, *, settle: bool = True) -> None:
        """Go on at another rate; unless told otherwise, let limits forget the one before."""
        self._rounds.restart(now_s + SPAN_S if settle and rate != self._in_force else now_s)
        self._rate = min(max(rate, LOWEST_PER_S), self._asked)
        self._here, self._at_the_limit = Tally(), None
        self._set_rate()

    def _stay_below(self, now_s: float) -> None:
        """Keep the head room until a faster trial is due, and that not soon."""
        self._timetable.faster_s = max(self._timetable.faster_s, now_s + LONGEST_GAP_HALTED_S)
        here = self._here
        self._go(self._rate, now_s)
        self._at_the_limit = here
        self._set_rate()
        self._rounds.restart(now_s + SPAN_S)

    # Trials

    def _try(self, rate: float, now_s: float, *, is_faster: bool, settle: bool = True) -> None:
        before = self._at_the_limit if self._at_the_limit and is_faster else self._here
        self._trial = Trial(self._rate, before, is_faster, now_s, self._accepted, self._refused)
        self._go(rate, now_s, settle=settle)

    def _try_slower(self, now_s: float, *, many: bool) -> None:
        here = self._here
        rate = min(self._in_force, here.offered_per_s)
        self._timetable.slow_down(now_s, at_once=many)
        if self._halts_s and not self._is_found and self._last_second.most_accepted < 0.96 * rate:
            # Nothing is refused at random here: so much in a second, and no more.
            self._set_out(BELOW_HALTING * self._last_second.most_accepted, now_s)
            return
        self._is_found = True
        if self._halts_s:
            # What was accepted with all waits included is surely below any limit.
            lower = max(here.accepted_per_s, 0.0 if many else self._timetable.slow_enough)
        else:
            lower = BELOW * (1 - here.share) * rate
        self._try(max(lower, DEEPEST * rate), now_s, is_faster=False)

    def _set_out(self, rate: float, now_s: float) -> None:
        """Go on at a rate that was measured."""
        self._is_found = True
        self._timetable.measured(now_s, halts_s=self._halts_s)
        self._go(min(rate, self._rate), now_s)

    def _end_trial(self, trial: Trial, now_s: float) -> None:
        """Keep the rate that is worth more."""
        self._trial, timetable, halts_s = None, self._timetable, self._halts_s
        if not trial.is_better(self._here):
            if trial.is_faster:
                self._is_found = True
                timetable.faster_failed(trial, self._rate, self._cost_s(trial, now_s), now_s, halts_s=halts_s)
            else:
                timetable.slower_failed(trial, self._cost_s(trial, now_s), now_s, halts_s=halts_s)
            self._go(trial.rate, now_s)
            return
        if trial.is_faster:
            timetable.faster_succeeded(trial, self._rate, now_s, is_halting=halts_s > 0)
        else:
            timetable.slower_succeeded(trial, now_s, is_halting=halts_s > 0)
        self._decide(now_s)

    def _cost_s(self, trial: Trial, now_s: float) -> float:
        """Return what a trial has cost: the seconds that the rate before would need for what is missing."""
        net_per_s = trial.tally.net_per_s
        if net_per_s <= 0:
            return 0.0
        brought = (self._accepted - trial.accepted) - (self._refused - trial.refused)
        return max(now_s, self._halted_until_s) - trial.began_s - brought / net_per_s

    # After everything was refused

    def reopened(self, opening: Opening, now_s: float) -> None:
        """Go on after a time in which everything was refused."""
        trial, self._trial = self._trial, None
        last = self._last_second.take(now_s - opening.shut_s, now_s)
        is_long = opening.shut_s >= SHORT_S and not 0 < self._halts_s <= SHORT_S
        if trial is not None and trial.is_faster:
            self._is_found = True
            self._timetable.faster_shut(trial, self._rate, self._cost_s(trial, now_s), now_s)
            if not is_long:
                self._go(trial.rate, now_s)
                return
        if is_long:
            self._reopen_late(opening, now_s)
        elif last.share > 0.5 and self._rounds.is_settling(now_s - opening.shut_s):
            # Limits remember the rate before: that one shut the door.
            self._trial = trial
            self._go(self._rate, now_s)
        else:
            self._reopen_soon(opening, last, now_s)

    def _reopen_soon(self, opening: Opening, last: Tally, now_s: float) -> None:
        """Go on at what was accepted in the last second, or in so much less as there was."""
        below = BELOW_HALTING if self._halts_s else BELOW
        measured = below * (last.calls - last.refused) / min(max(last.running_s, SPAN_S / 100), SPAN_S)
        if self._is_found and measured < self._rate:
            self._timetable.start_again(STEP, now_s)
            self._here = last
            self._try(max(measured, DEEPEST * self._rate), now_s, is_faster=False)
        elif self._is_found:
            self._go(self._rate, now_s)
        elif self._timetable.step == DOUBLE:  # the last double step was too much
            self._is_found = True
            self._timetable.start_again(STEEPEST, now_s)
            self._go(self._rate / 2, now_s)
        elif opening.is_handful and last.running_s >= SPAN_S:
            self._timetable.start_again(DOUBLE, now_s)
            self._go(min(max(measured, BELOW), self._rate), now_s, settle=False)
        else:
            self._set_out(max(measured, below * opening.accepted_per_s), now_s)

    def _reopen_late(self, opening: Opening, now_s: float) -> None:
        """Go on as before the first time: it may have been a storm. Then at what was accepted from opening to opening."""
        is_handful = opening.is_handful and not self._is_found
        if not self._was_shut_long and not is_handful:
            self._was_shut_long = True
            self._go(self._rate, now_s)
            return
        self._is_found = self._is_found or not is_handful
        self._timetable.start_again(DOUBLE if is_handful else STEP, now_s)
        self._go(min(opening.accepted_per_s, self._rate), now_s, settle=not is_handful)
