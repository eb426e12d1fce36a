"""Whose fault it is that calls fail: the rows', or that of a service which is down for all of them.

    UP    Tries go as ever. Troubles since the last sign of life make a stretch; a row that uses up its tries in one is
          withheld, not failed, until the next sign of life. In a brown-out tries go uncounted.
          Eight rows that never failed before, 24 calls, 20 s, or no row left that could tell: DOWN.
    DOWN  No call starts but one probe at a time, after 1, 2, 4, 8, 10, 10 ... s, with a row drawn from all that are not
          done; a failed probe uses up no try. An answer to the first one: the rows were at fault, and the withheld ones
          fail. To a later one: the service was down, and the tries of the stretch are given back. Only 500s: a read
          tells whose fault it is. Patience used up: the run stops, and every row of the stretch stays pending.

Promises that no row fails by an outage, and that a bad row fails all the same: tries are given back three times at most.
Never makes a call, waits or reads a clock: what happens is told to it, in seconds on one clock that never goes back.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from bulkroute.rate.probing import Probing
from bulkroute.rate.signs import TROUBLES, Sign
from bulkroute.rate.stretch import Stretch
from bulkroute.rate.tries import UNCOUNTED_TIMES, Fate, FirstTries, Tries

VOTES, VOTES_S = 5, 25.0
"""So many failed probes, over so long a time, before a read asks whether the rows are at fault; then after twice as many."""

NO_READ_PATIENCE_S = 120.0
"""After so long the rows are at fault where only 500s come and nothing may be read."""


class Read(Enum):
    """What became of the read that `Outage.wants_read` asked for."""

    WORKS = "works"
    FAILS = "fails"
    NOT_ALLOWED = "not allowed"


class Turn(Enum):
    """What became known of the service."""

    DOWN = "down"
    BACK = "back"
    """It answers, and did not before."""
    ROWS = "rows"
    """It was not down: the rows are at fault."""
    GAVE_UP = "gave up"


class Change(NamedTuple):
    """A turn and what came of it: rows of the stretch, how many of them failed, and the tries that each row got back.

    `words` are those of the last call that failed.
    """

    turn: Turn
    rows: int
    failed: int
    given_back: dict[int, int]
    words: str = ""


class Outage:
    """Tells what the failed tries of a run's rows mean, or those of questions."""

    def __init__(
        self, max_attempts: int, max_wait_s: float, on_change: Callable[[Change], None], *, alive: bool = False
    ) -> None:
        """Take the tries of a row, and how long the service may be down (0: tries alone decide).

        `alive`: it has answered already. `on_change` is called once the fates of all rows concerned are set.
        """
        self._max_attempts = max_attempts
        self._max_wait_s = max_wait_s
        self._on_change = on_change
        self.is_alive = alive
        self._blamed = {Sign.ERROR_500} if alive else {Sign.ERROR_500, Sign.UNREACHED}
        """A stretch of these alone is the rows' fault, or the address is wrong, until an answer shows otherwise."""
        self.more_rows = False
        """Whether there are rows to begin yet; `look` is to be called when there are no more."""
        self._begun = 0
        self._stretch = Stretch()
        self._first_tries = FirstTries()
        self._probe: Tries | None = None
        self._down: Probing | None = None
        self._is_announced = False
        self._is_unreadable = False
        self._words = ""
        self._votes_to_read = VOTES
        self.wants_read = False
        """Whether a read is to be made now, and `read` to be told what became of it."""
        self.has_given_up = False

    @property
    def since_s(self) -> float | None:
        """When the first of the calls ended that failed since the last sign of life; None without one."""
        return self._stretch.since_s

    @property
    def is_down(self) -> bool:
        """Whether no call may start but a probe."""
        return self._down is not None

    @property
    def give_up_s(self) -> float | None:
        """When patience ends; None while the service is not down."""
        return self._down.give_up_s if self._down else None

    @property
    def probe_due_s(self) -> float | None:
        """When the next probe is to start; None while the service is not down, a probe is out or a read is wanted."""
        return None if self._down is None or self._probe is not None or self.wants_read else self._down.due_s

    def begin(self) -> None:
        """Take a row in, until `end`."""
        self._begun += 1

    def end(self, tries: Tries, now_s: float) -> bool:
        """Let a row go: it has its outcome, or the run lets it be. Return whether the service is down."""
        self._begun -= 1
        if self._stretch.since_s is None:
            return False
        self._stretch.drop(tries)
        if self._probe is tries and self._down is not None:
            self._probe = None
            self._down.settle(now_s, failed=False)
        self.look(now_s)
        return self._down is not None

    def probe(self, tries: Tries) -> None:
        """Take note that the call of this row starts now, as the probe."""
        self._probe = tries

    def probe_at_once(self) -> None:
        """Make a probe due now, for an operator: it may end the outage, but is no vote against the rows."""
        if self._down is not None and self._probe is None:
            self._down.is_asked_for = True

    def look(self, now_s: float) -> None:
        """See whether any row is left that could give a sign of life."""
        if self._down is None and not self.more_rows and 0 < self._begun == len(self._stretch.withheld):
            # Few bad rows at the end of a manifest look the same; nothing is said before a read has failed too.
            self._go_down(now_s, announce=not self._stretch.is_only_500)

    def answered(self, tries: Tries, sign: Sign, started_s: float, now_s: float, words: str = "") -> Fate:
        """Take the end of a call, and return what follows for its row. `words`: what to tell people of a failure."""
        # Most calls: nothing is to be learnt from them.
        if sign is Sign.SUCCESS and self._stretch.since_s is None and not self._blamed:
            if not tries.failed_before:
                self._first_tries.add(failed=False)
            tries.used += 1
            tries.fate = Fate.DECIDED
            return tries.fate
        probing = self._down if self._probe is tries else None
        if probing is not None:
            self._probe = None
        if sign is Sign.SUCCESS or sign is Sign.LIFE:
            self._take_life(tries, sign, started_s, probing)
            tries.fate = Fate.DECIDED
            return tries.fate
        if sign in TROUBLES:
            self._words = words
            tries.fate = self._take_trouble(tries, sign, started_s, now_s, probing)
            return tries.fate
        if probing is not None:
            probing.settle(now_s, failed=False)
            self._give_up_in_time(now_s)
        tries.used += sign is Sign.UNCLEAR
        used_up = tries.used >= self._max_attempts
        tries.fate = Fate.DECIDED if sign is Sign.NOTHING else Fate.FAILED if used_up else Fate.AGAIN
        return tries.fate

    def read(self, read: Read, now_s: float) -> None:
        """Take the end of the read that was wanted."""
        if not self.wants_read:
            return
        self.wants_read = False
        self._is_unreadable = read is Read.NOT_ALLOWED
        few = not self._is_announced and self._stretch.has_few_rows
        if read is Read.WORKS or (self._is_unreadable and few):
            self._blame_rows()
        elif not self._is_announced:
            self._announce()

    def _take_life(self, tries: Tries, sign: Sign, started_s: float, probing: Probing | None) -> None:
        if not tries.failed_before:
            self._first_tries.add(failed=False)
        tries.used += 1
        self.is_alive = True
        if self._blamed:
            self._blamed = set() if sign is Sign.SUCCESS else self._blamed & {Sign.ERROR_500}
        if probing is not None:
            # The first probe let in: it was not the service, unless this very row had failed before.
            rows_at_fault = not probing.failed and not probing.is_asked_for and tries not in self._stretch.rows
            self._come_up(Turn.ROWS if rows_at_fault else Turn.BACK)
        elif self._down is None and self.since_s is not None and started_s >= self._stretch.first_start_s:
            self._come_up(None)

    def _take_trouble(self, tries: Tries, sign: Sign, started_s: float, now_s: float, probing: Probing | None) -> Fate:
        stretch = self._stretch
        stretch.add(tries, sign, started_s, now_s)
        if not tries.failed_before:
            tries.failed_before = True
            self._first_tries.add(failed=sign is not Sign.ERROR_500)
        counts = probing is None and not self._is_let_off(tries, sign)
        tries.used += counts
        tries.in_stretch += counts
        used_up = tries.used >= self._max_attempts
        if self._max_wait_s == 0 or (self._down is None and stretch.kinds <= self._blamed):
            return Fate.FAILED if used_up else Fate.AGAIN
        if used_up:
            stretch.withheld[tries] = None
        tries.fate = Fate.WITHHELD if used_up else Fate.AGAIN if counts else Fate.UNCOUNTED
        if probing is not None:
            self._take_failed_probe(probing, now_s)
        elif self._down is None:
            if stretch.is_no_chance(now_s) or (sign is Sign.AWAY and not self.is_alive):
                self._go_down(now_s, announce=True)
            else:
                self.look(now_s)
        return tries.fate

    def _is_let_off(self, tries: Tries, sign: Sign) -> bool:
        """Tell whether so many first tries fail that this one says little of its row. Not while the service is down."""
        if self._max_wait_s == 0 or not self.is_alive or self._down is not None or sign is Sign.ERROR_500:
            return False
        let_off = self._first_tries.are_shaky and tries.uncounted < UNCOUNTED_TIMES * self._max_attempts
        tries.uncounted += let_off
        return let_off

    def _go_down(self, now_s: float, *, announce: bool) -> None:
        since_s = now_s if self.since_s is None else self.since_s
        self._down = Probing(now_s, since_s + self._max_wait_s)
        self._votes_to_read, self._is_announced = VOTES, False
        if announce:
            self._announce()

    def _announce(self) -> None:
        self._is_announced = True
        self._on_change(Change(Turn.DOWN, len(self._stretch.rows), 0, {}, self._words))

    def _take_failed_probe(self, probing: Probing, now_s: float) -> None:
        is_vote = probing.settle(now_s, failed=True)
        if self._give_up_in_time(now_s) or not is_vote:
            return
        cornered = not self.more_rows and self._begun == len(self._stretch.rows)
        only_500 = self._stretch.is_only_500
        # Few rows, and no other left to ask: they may be bad in any way.
        if not only_500 and not (cornered and self._stretch.has_few_rows):
            return
        soon = only_500 and cornered and self._votes_to_read == VOTES
        if self._is_unreadable:
            if now_s - probing.began_s >= NO_READ_PATIENCE_S:
                self._blame_rows()
        elif soon or (probing.failed >= self._votes_to_read and now_s - probing.began_s >= VOTES_S):
            self.wants_read = True
            self._votes_to_read = 2 * max(VOTES, probing.failed)

    def _give_up_in_time(self, now_s: float) -> bool:
        """Give up at the end of the patience: withheld rows stay so, and the run is to stop."""
        if self._down is None or now_s < self._down.give_up_s:
            return False
        rows = list(self._stretch.rows)
        self._stretch.withheld.clear()
        given_back = self._stretch.give_back(rows)
        self._begin_anew()
        self.has_given_up = True
        self._on_change(Change(Turn.GAVE_UP, len(rows), 0, given_back, self._words))
        return True

    def _blame_rows(self) -> None:
        self._blamed |= self._stretch.kinds
        change = Change(Turn.ROWS, len(self._stretch.rows), self._stretch.fail_withheld(), {}, self._words)
        self._begin_anew()
        self._on_change(change)

    def _come_up(self, turn: Turn | None) -> None:
        """End the stretch: the service was down, the rows are at fault, or (None) it is as on any night."""
        stretch = self._stretch
        spared = stretch.rows_to_spare(was_down=turn is Turn.BACK, are_blamed=turn is Turn.ROWS)
        given_back = stretch.give_back(spared)
        failed = stretch.fail_withheld()
        self._begin_anew()
        turn = turn or (Turn.BACK if given_back else Turn.ROWS if failed else None)
        if turn is not None:
            self._on_change(Change(turn, len(stretch.rows), failed, given_back, self._words))

    def _begin_anew(self) -> None:
        """Go on: the service is up, as far as is known, and no call has failed since."""
        self._stretch.end()
        self._stretch = Stretch()
        self._down, self._probe, self.wants_read = None, None, False
