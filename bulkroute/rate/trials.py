"""When another rate is tried, and which: twice the step after each success, and a price for each failure. No clock, no I/O."""

import math
from typing import NamedTuple

from bulkroute.rate.rounds import Tally

STEP, STEEPEST, DOUBLE = 0.08, 0.3, 1.0
"""How much faster a trial is: the first, the most after successes, and where only a handful was ever accepted."""

PRICE = 0.015
"""What trials may cost, as a share of what is accepted."""

LONGEST_GAP_S, LONGEST_GAP_HALTED_S = 16.0, 120.0
"""After so long a trial is repeated at any rate; the second where one that fails brings everybody to a halt."""

PATIENT_CALLS, PATIENT_S = 80, 180.0
"""At a slow rate the first of them may be as long as so many calls take, up to so many seconds."""

CLOSE = 1.08
"""A rate that is known to be too fast is not approached nearer than by this factor."""

CERTAIN = 12
"""A slower trial lasts until so many would have been refused at random, unless it is clear before that."""


class Trial(NamedTuple):
    """What the rate under trial is held against: the one before, what it brought, and all counts at that moment."""

    rate: float
    tally: Tally
    is_faster: bool
    began_s: float
    accepted: int
    refused: int

    def is_clear(self, here: Tally, rate: float, *, is_halting: bool) -> bool:
        """Whether what came of the rate under trial does not depend on chance any more.

        `is_halting`: each refusal brings everybody to a halt.
        """
        before = self.tally
        if self.is_faster:
            step = rate / self.rate - 1
            share = (here.refused + before.refused) / max(here.calls + before.calls, 1)
            is_far_too_fast = here.net_per_s <= (1 - 2 * step) * before.net_per_s
            return here.calls >= max(6 * share / step**2, 1) or (here.refused > 0 and is_far_too_fast)
        # If refusals were at random, so many of its calls would be refused.
        expected = here.calls * before.share
        if is_halting and here.refused >= 2:
            return True
        return max(expected, here.refused) >= CERTAIN or expected - here.refused >= CERTAIN / 2 - 1

    def is_better(self, here: Tally) -> bool:
        """Whether the rate under trial is worth more than the one before."""
        if self.is_faster:
            return here.net_per_s > self.tally.net_per_s
        return here.net_per_s >= self.tally.net_per_s


class Timetable:
    """When the next trial is due, and how much faster it is."""

    def __init__(self) -> None:
        self.step = STEP
        self.faster_s = self.slower_s = -math.inf
        """When a trial of a faster rate, and of a slower one, is due."""
        self.too_fast = math.inf
        """The rate that was too fast the last time."""
        self.slow_enough = 0.0
        """The rate from which the one in force was reached by a trial; 0 where it was not."""

    def faster_than(self, rate: float, *, is_halting: bool) -> float:
        """Return the rate to try next; half way to what is too fast where a trial that fails costs a halt."""
        if is_halting:
            if self.too_fast < CLOSE * rate:
                self.too_fast = math.inf
            return min(rate * (1 + self.step), (rate + self.too_fast) / 2)
        return rate * (1 + self.step)

    def faster_succeeded(self, trial: Trial, rate: float, now_s: float, *, is_halting: bool) -> None:
        """Go on at once, with a larger step, unless the rate is as near to what is too fast as it should be."""
        self.slow_enough = trial.rate
        if rate >= self.too_fast:
            self.too_fast = math.inf
        elif is_halting and self.too_fast < CLOSE * rate:
            self.faster_s, self.step = now_s + LONGEST_GAP_HALTED_S, STEP
            return
        if self.step < DOUBLE:
            self.step = min(2 * self.step, STEEPEST)
        self.faster_s = self.slower_s = now_s

    def faster_failed(self, trial: Trial, rate: float, cost_s: float, now_s: float, *, halts_s: float) -> None:
        """Wait until the price is earned; but where only a double step was too much, try a smaller one at once.

        `halts_s`: for how long a refusal brings everybody to a halt; then nothing is tried at once.
        """
        self.too_fast = rate
        if self.step == DOUBLE and not halts_s:
            self.faster_s, self.step = now_s, STEEPEST
            return
        gap_s = _gap_s(trial, cost_s, halts_s)
        if halts_s:
            # The more there is to gain, the sooner.
            gap_s *= min(1.0, 2 * STEP / (rate / trial.rate - 1))
        self.faster_s, self.step = now_s + gap_s, STEP

    def faster_shut(self, trial: Trial, rate: float, cost_s: float, now_s: float) -> None:
        """Do as for one that failed: after this one everything was refused."""
        halts_s = 0.0 if self.step == DOUBLE else LONGEST_GAP_HALTED_S
        self.faster_failed(trial, rate, cost_s, now_s, halts_s=halts_s)

    def slower_succeeded(self, trial: Trial, now_s: float, *, is_halting: bool) -> None:
        """Try slower again as soon as that seems worth while, and faster soon: it may be too slow now."""
        self.slower_s, self.slow_enough = now_s, 0.0
        self.faster_s = min(self.faster_s, now_s + LONGEST_GAP_S)
        if is_halting:  # it was surely slow enough, and likely much too slow
            self.too_fast = min(self.too_fast, trial.rate)
            self.faster_s, self.step = now_s, STEEPEST

    def slower_failed(self, trial: Trial, cost_s: float, now_s: float, *, halts_s: float) -> None:
        """Wait until the price is earned: the refusals have other causes."""
        self.slower_s = now_s + _gap_s(trial, cost_s, halts_s)

    def slow_down(self, now_s: float, *, at_once: bool) -> None:
        """Go in small steps from here; if much has changed, at once."""
        self.step = STEP if at_once else min(self.step, STEEPEST)
        if at_once:
            self.faster_s = now_s

    def measured(self, now_s: float, *, halts_s: float) -> None:
        """Let a rate that was measured stand for as long as a halt of everybody has to be paid for."""
        self.faster_s, self.step = now_s + min(halts_s / PRICE, LONGEST_GAP_HALTED_S), STEP

    def start_again(self, step: float, now_s: float) -> None:
        """Try faster from now on, by this step at first."""
        self.step, self.faster_s = step, now_s


def _gap_s(trial: Trial, cost_s: float, halts_s: float) -> float:
    """Return for how long a trial that failed is not repeated: until its price has been earned."""
    longest_s = LONGEST_GAP_HALTED_S if halts_s else min(max(LONGEST_GAP_S, PATIENT_CALLS / trial.rate), PATIENT_S)
    return min(max(cost_s, 0.0) / PRICE, longest_s)
