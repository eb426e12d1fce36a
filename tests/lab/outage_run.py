"""A run in virtual time against the service of an outage night: rows, tries and answers at an even pace.

It is the product's `Outage` that decides; all around it is a model: a queue of rows, slots, backoff, and the limit of
failures in a row. With a patience of 0 it is a run without that rule.
"""

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass
from itertools import count

from bulkroute.rate.outage import Change, Outage, Read, Turn
from bulkroute.rate.signs import Sign
from bulkroute.rate.tries import SHAKY_WAIT_S, Fate, Tries
from tests.lab.outage_nights import ERROR_500, GATEWAY_503, HANG, OK, REFUSED, Night

RATE_PER_S, SLOTS, TIMEOUT_S = 50.0, 16, 15.0
MAX_ATTEMPTS, IN_A_ROW = 4, 20
BACKOFF_S, BACKOFF_CAP_S = 0.5, 20.0

SIGNS = {
    OK: Sign.SUCCESS,
    ERROR_500: Sign.ERROR_500,
    GATEWAY_503: Sign.AWAY,
    HANG: Sign.AWAY,
    REFUSED: Sign.UNREACHED,
}

PENDING, DONE, FAILED = "pending", "done", "failed"


@dataclass
class Result:
    """How a night ended. `after_s`: seconds from the return of the service to the first success of a call made then."""

    exit_code: int
    seconds: float
    calls: int
    calls_while_away: int
    done: int
    failed: int
    wrongly_failed: int
    pending: int
    turns: list[Turn]
    after_s: float | None
    most_tries: int
    """The most calls that one row had."""


class Run:
    """One night."""

    def __init__(self, night: Night, seed: int, patience_s: float) -> None:
        self._night = night
        self._service = random.Random(f"{night.name} {seed}")
        self._rnd = random.Random(seed)
        self._outage = Outage(MAX_ATTEMPTS, patience_s, self._take_change)
        self._outage.more_rows = True
        self._fresh = deque(range(night.rows))
        self._begun: dict[int, Tries] = {}
        self._later: list[tuple[float, int]] = []
        self._flying: list[tuple[float, int, float, int | None, str]] = []
        self._numbers = count()
        self._status = [PENDING] * night.rows
        self._calls_of = [0] * night.rows
        self._in_a_row = 0
        self._reached = False
        self._exit_code: int | None = None
        self._now_s = self._next_s = 0.0
        self._starts: list[float] = []
        self._turns: list[Turn] = []
        self._after_s: float | None = None

    def spend(self) -> Result:
        """Work until no row is left or the run is stopped, and all calls are answered."""
        while True:
            if self._exit_code is None:
                self._start_calls()
                self._settle_withheld()
            moments = [self._flying[0][0]] if self._flying else []
            if self._exit_code is None and len(self._flying) < SLOTS:
                moments.append(self._next_start_s())
            if not moments or min(moments) == math.inf:
                return self._result()
            self._now_s = max(self._now_s, min(moments))
            while self._flying and self._flying[0][0] <= self._now_s:
                self._take_answer()

    def _next_start_s(self) -> float:
        """Return when the next call may start, infinity where no row waits for one."""
        if self._outage.is_down:
            due_s = self._outage.probe_due_s
            return math.inf if due_s is None else max(due_s, self._now_s)
        if self._fresh:
            return max(self._next_s, self._now_s)
        return max(self._later[0][0], self._next_s, self._now_s) if self._later else math.inf

    def _start_calls(self) -> None:
        while len(self._flying) < SLOTS and self._next_start_s() <= self._now_s:
            if self._outage.wants_read:
                return
            row = self._drawn() if self._outage.is_down else self._first_due()
            if row is None:
                return
            if row not in self._begun:
                self._begun[row] = Tries(row)
                self._outage.begin()
            if not self._fresh:
                self._outage.more_rows = False
            if self._outage.is_down:
                self._outage.probe(self._begun[row])
            self._start_call(row, self._night.answers(row, self._now_s, self._service))
            self._calls_of[row] += 1

    def _first_due(self) -> int | None:
        if self._later and self._later[0][0] <= self._now_s:
            return heapq.heappop(self._later)[1]
        return self._fresh.popleft() if self._fresh else None

    def _drawn(self) -> int | None:
        """Draw a row from all that are not done; those whose calls are under way are left out."""
        flying = {row for _at_s, _number, _started_s, row, _answer in self._flying}
        rows = [row for row, status in enumerate(self._status) if status == PENDING and row not in flying]
        if not rows:
            return None
        row = self._rnd.choice(rows)
        if row not in self._begun:
            self._fresh.remove(row)
        self._later = [entry for entry in self._later if entry[1] != row]
        heapq.heapify(self._later)
        return row

    def _start_call(self, row: int | None, answer: str) -> None:
        took_s = {HANG: TIMEOUT_S, REFUSED: 0.005}.get(answer) or self._service.uniform(0.05, 0.15)
        self._starts.append(self._now_s)
        self._next_s = max(self._next_s, self._now_s - 0.01) + 1 / RATE_PER_S
        heapq.heappush(self._flying, (self._now_s + took_s, next(self._numbers), self._now_s, row, answer))

    def _take_answer(self) -> None:
        _at_s, _number, started_s, row, answer = heapq.heappop(self._flying)
        if row is None:
            self._outage.read(Read.WORKS if answer == OK else Read.FAILS, self._now_s)
            return
        tries = self._begun[row]
        self._reached = self._reached or answer != REFUSED
        fate = self._outage.answered(tries, SIGNS[answer], started_s, self._now_s)
        if answer == OK:
            if self._after_s is None and self._night.back_s is not None and started_s >= self._night.back_s:
                self._after_s = self._now_s - self._night.back_s
            self._finish(row, DONE)
        elif fate is Fate.FAILED:
            self._finish(row, FAILED)
        elif fate is not Fate.WITHHELD:
            cap_s = min(BACKOFF_CAP_S, BACKOFF_S * 2 ** max(0, tries.used - 1))
            wait_s = max(self._rnd.uniform(0, cap_s), SHAKY_WAIT_S if fate is Fate.UNCOUNTED else 0.0)
            heapq.heappush(self._later, (self._now_s + wait_s, row))
        if self._outage.wants_read and not any(flying[3] is None for flying in self._flying):
            self._start_call(None, self._night.answers_read(self._now_s, self._service))

    def _settle_withheld(self) -> None:
        """Fail the withheld rows, or let them go on, as soon as their fate is known."""
        waiting = {row for _at_s, row in self._later} | {flying[3] for flying in self._flying}
        for row, tries in list(self._begun.items()):
            if tries.fate is Fate.FAILED:
                self._finish(row, FAILED)
            elif tries.fate is Fate.AGAIN and row not in waiting:
                heapq.heappush(self._later, (self._now_s, row))

    def _finish(self, row: int, status: str) -> None:
        if status == FAILED and not self._reached:
            self._exit_code = 69
            return
        self._status[row] = status
        self._outage.end(self._begun.pop(row), self._now_s)
        self._in_a_row = self._in_a_row + 1 if status == FAILED else 0
        if self._in_a_row >= IN_A_ROW and self._exit_code is None:
            self._exit_code = 3

    def _take_change(self, change: Change) -> None:
        self._turns.append(change.turn)
        if change.turn is Turn.GAVE_UP:
            self._exit_code = 4

    def _result(self) -> Result:
        night, status = self._night, self._status
        back_s = night.back_s or 0.0
        failed = [row for row, at in enumerate(status) if at == FAILED]
        code = self._exit_code
        return Result(
            exit_code=code if code is not None else 1 if failed or PENDING in status else 0,
            seconds=self._now_s,
            calls=len(self._starts),
            calls_while_away=sum(night.begins_s <= at_s < back_s for at_s in self._starts),
            done=status.count(DONE),
            failed=len(failed),
            wrongly_failed=sum(row not in night.bad for row in failed),
            pending=status.count(PENDING),
            turns=self._turns,
            after_s=self._after_s,
            most_tries=max(self._calls_of),
        )


def spend(night: Night, seed: int = 1) -> Result:
    """Spend a night with the rule."""
    return Run(night, seed, night.patience_s).spend()


def spend_without(night: Night, seed: int = 1) -> Result:
    """Spend a night without it: tries and limits alone decide."""
    return Run(night, seed, 0).spend()
