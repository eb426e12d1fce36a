"""The machine step by step; whole nights are in tests/lab."""

import pytest

from bulkroute.rate.outage import Change, Outage, Read, Turn
from bulkroute.rate.signs import Sign
from bulkroute.rate.tries import Fate, Tries

PATIENCE_S = 900.0


class Bench:
    """An outage rule, its rows, and what it told. `call` is a call of 0.1 s that ends at a moment."""

    def __init__(self, rows: int = 40, *, patience_s: float = PATIENCE_S, alive: bool = True) -> None:
        self.told: list[Change] = []
        self.outage = Outage(4, patience_s, self.told.append, alive=alive)
        self.outage.more_rows = True
        self.rows = [self.begin(number) for number in range(rows)]
        if alive:
            self.call(self.rows[-1], Sign.SUCCESS, 0.0)

    def begin(self, number: int) -> Tries:
        self.outage.begin()
        return Tries(number)

    def call(self, row: Tries, sign: Sign, at_s: float) -> Fate:
        fate = self.outage.answered(row, sign, at_s - 0.1, at_s)
        if fate is Fate.DECIDED and sign is not Sign.NOTHING:
            self.outage.end(row, at_s)
        return fate

    def use_up(self, row: Tries, sign: Sign, at_s: float) -> Fate:
        return [self.call(row, sign, at_s + number / 10) for number in range(4)][-1]

    def go_down(self, sign: Sign = Sign.UNREACHED, at_s: float = 10.0) -> None:
        for row in self.rows[:8]:
            self.call(row, sign, at_s)
        assert self.is_down()

    def probe(self, row: Tries, sign: Sign, *, took_s: float = 0.1) -> float:
        """Make the probe that is due, and return when it ended."""
        due_s = self.outage.probe_due_s
        assert due_s is not None
        self.outage.probe(row)
        assert self.outage.probe_due_s is None
        self.call(row, sign, due_s + took_s)
        return due_s + took_s

    def is_down(self) -> bool:
        return self.outage.is_down

    def fate(self, row: int) -> Fate:
        return self.rows[row].fate

    def turns(self) -> list[Turn]:
        return [change.turn for change in self.told]


def test_a_row_that_uses_up_its_tries_is_withheld_until_a_sign_of_life() -> None:
    bench = Bench()
    bad, good = bench.rows[:2]
    assert bench.call(bad, Sign.ERROR_500, 1) is Fate.AGAIN
    bench.call(good, Sign.SUCCESS, 1.5)
    assert [bench.call(bad, Sign.ERROR_500, at_s) for at_s in (2, 3, 4)] == [Fate.AGAIN, Fate.AGAIN, Fate.WITHHELD]
    bench.call(bench.rows[2], Sign.LIFE, 5)
    assert bad.fate is Fate.FAILED
    assert bench.told == [Change(Turn.ROWS, 1, 1, {})]


def test_a_row_that_was_never_tried_while_the_service_lived_gets_its_tries_back() -> None:
    bench = Bench()
    row = bench.rows[0]
    for number in range(3):
        assert bench.use_up(row, Sign.AWAY, 10 * number) is Fate.WITHHELD
        bench.call(bench.rows[1 + number], Sign.SUCCESS, 10 * number + 5)
        assert row.fate is Fate.AGAIN
        assert bench.told[-1] == Change(Turn.BACK, 1, 0, {0: 4})
    assert bench.use_up(row, Sign.AWAY, 40) is Fate.WITHHELD
    bench.call(bench.rows[5], Sign.SUCCESS, 45)
    assert row.fate is Fate.FAILED, "three times at most"


@pytest.mark.parametrize(
    ("sign", "others", "fate"),
    [
        (Sign.AWAY, 1, Fate.AGAIN),
        (Sign.UNREACHED, 1, Fate.AGAIN),
        (Sign.AWAY, 0, Fate.FAILED),
        (Sign.ERROR_500, 1, Fate.FAILED),
    ],
)
def test_tries_used_up_in_one_short_outage_after_another_come_back_if_other_rows_met_it_too(
    sign: Sign, others: int, fate: Fate
) -> None:
    bench = Bench()
    row, other, third, fourth = bench.rows[:4]
    bench.call(row, sign, 1.0)
    bench.call(third, Sign.SUCCESS, 2.0)
    for at_s in (3.0, 3.1, 3.2):
        bench.call(row, sign, at_s)
    for _ in range(others):
        bench.call(other, sign, 3.3)
    assert bench.fate(0) is Fate.WITHHELD
    bench.call(fourth, Sign.SUCCESS, 4.0)
    assert bench.fate(0) is fate
    assert row.used == (1 if fate is Fate.AGAIN else 4)


def test_late_answers_of_calls_from_before_the_trouble_are_no_sign_of_life() -> None:
    bench = Bench()
    assert bench.use_up(bench.rows[0], Sign.UNREACHED, 5) is Fate.WITHHELD
    bench.outage.answered(bench.rows[1], Sign.SUCCESS, 4.8, 6)
    assert bench.fate(0) is Fate.WITHHELD
    assert bench.outage.since_s == 5


def test_eight_rows_that_never_failed_before_are_an_outage() -> None:
    bench = Bench()
    bench.call(bench.rows[0], Sign.AWAY, 1)
    bench.call(bench.rows[20], Sign.SUCCESS, 2)
    for row in bench.rows[:8]:  # the first one failed before
        bench.call(row, Sign.AWAY, 3)
    assert not bench.is_down()
    bench.call(bench.rows[8], Sign.AWAY, 3)
    assert bench.is_down()
    assert bench.outage.since_s == 3
    assert bench.outage.give_up_s == 3 + PATIENCE_S
    assert bench.told == [Change(Turn.DOWN, 9, 0, {})]


def test_so_are_20_s_without_a_sign_of_life() -> None:
    bench = Bench()
    bench.call(bench.rows[0], Sign.AWAY, 1)
    bench.call(bench.rows[1], Sign.AWAY, 20.9)
    assert not bench.is_down()
    bench.call(bench.rows[1], Sign.AWAY, 21)
    assert bench.is_down()


def test_so_are_24_calls_of_few_rows() -> None:
    bench = Bench()
    for number in range(23):
        bench.call(bench.rows[number % 7], Sign.UNREACHED, 1 + number / 100)
    assert not bench.is_down()
    bench.call(bench.rows[0], Sign.UNREACHED, 2)
    assert bench.is_down()


def test_probes_go_out_at_growing_gaps() -> None:
    bench = Bench()
    bench.go_down(at_s=10)
    ends_s = [bench.probe(bench.rows[9 + number], Sign.UNREACHED, took_s=0.5) for number in range(7)]
    gaps_s = [later - earlier for earlier, later in zip([10, *ends_s], ends_s, strict=False)]
    assert gaps_s == pytest.approx([1.5, 2.5, 4.5, 8.5, 10.5, 10.5, 10.5])
    assert not any(row.used for row in bench.rows[9:16]), "a probe uses up no try"


def test_the_first_probe_let_in_tells_that_it_was_the_rows() -> None:
    bench = Bench()
    bench.call(bench.rows[0], Sign.ERROR_500, 5)
    bench.call(bench.rows[20], Sign.SUCCESS, 6)
    bench.use_up(bench.rows[0], Sign.ERROR_500, 9)
    for row in bench.rows[1:9]:
        bench.call(row, Sign.ERROR_500, 10)
    bench.probe(bench.rows[21], Sign.SUCCESS)
    assert bench.fate(0) is Fate.FAILED
    assert bench.rows[1].used == 1
    assert bench.told[-1] == Change(Turn.ROWS, 9, 1, {})
    assert not bench.is_down()


def test_a_later_probe_let_in_gives_the_tries_of_the_stretch_back() -> None:
    bench = Bench()
    bench.call(bench.rows[0], Sign.UNREACHED, 5)
    bench.call(bench.rows[20], Sign.SUCCESS, 6)
    bench.use_up(bench.rows[0], Sign.UNREACHED, 9)
    for row in bench.rows[1:9]:
        bench.call(row, Sign.UNREACHED, 10)
    assert bench.fate(0) is Fate.WITHHELD
    bench.probe(bench.rows[9], Sign.UNREACHED)
    bench.probe(bench.rows[10], Sign.LIFE)
    assert not bench.is_down()
    assert bench.fate(0) is Fate.AGAIN
    assert bench.rows[0].used == 1, "the try before the stretch stays used up"
    assert [row.used for row in bench.rows[1:10]] == [0] * 9
    assert bench.told[-1] == Change(Turn.BACK, 10, 0, {0: 4, **dict.fromkeys(range(1, 9), 1)})


def test_tries_are_given_back_three_times_at_most() -> None:
    bench = Bench()
    row = bench.rows[0]
    for night in range(4):
        at_s = 100.0 * night
        bench.use_up(row, Sign.ERROR_500, at_s)
        for other in bench.rows[1:9]:
            bench.call(other, Sign.ERROR_500, at_s + 1)
        bench.probe(bench.rows[9], Sign.ERROR_500)
        bench.probe(bench.rows[10 + night], Sign.SUCCESS)
    assert row.fate is Fate.FAILED


def test_a_row_of_the_stretch_that_succeeds_as_first_probe_shows_an_outage() -> None:
    bench = Bench()
    bench.go_down()
    bench.probe(bench.rows[0], Sign.SUCCESS)
    assert bench.turns() == [Turn.DOWN, Turn.BACK]
    assert bench.rows[1].used == 0


def test_a_neutral_answer_to_a_probe_is_no_verdict() -> None:
    bench = Bench()
    bench.go_down(at_s=10)
    bench.probe(bench.rows[9], Sign.NOTHING)
    assert bench.outage.probe_due_s == pytest.approx(13.1)
    bench.probe(bench.rows[10], Sign.SUCCESS)
    assert bench.turns() == [Turn.DOWN, Turn.ROWS], "no probe has failed yet"


def test_a_late_success_while_down_ends_nothing_and_a_late_failure_joins_the_stretch() -> None:
    bench = Bench()
    bench.go_down(at_s=10)
    assert bench.call(bench.rows[11], Sign.SUCCESS, 10.05) is Fate.DECIDED
    assert bench.is_down()
    assert bench.call(bench.rows[12], Sign.AWAY, 10.08) is Fate.AGAIN
    bench.probe(bench.rows[13], Sign.AWAY)
    bench.probe(bench.rows[14], Sign.SUCCESS)
    assert 12 in bench.told[-1].given_back


def test_a_probe_that_is_never_answered_does_not_end_the_probing() -> None:
    bench = Bench()
    bench.go_down(at_s=10)
    bench.outage.probe(bench.rows[9])
    bench.outage.end(bench.rows[9], 11)
    assert bench.outage.probe_due_s == 13


def test_patience_ends_with_a_last_probe_and_leaves_every_row_pending() -> None:
    bench = Bench(patience_s=30)
    bench.use_up(bench.rows[0], Sign.UNREACHED, 5)
    for row in bench.rows[1:9]:
        bench.call(row, Sign.UNREACHED, 6)
    ends_s = 0.0
    while bench.is_down():
        ends_s = bench.probe(bench.rows[9], Sign.UNREACHED)
    assert ends_s == pytest.approx(35.1)
    assert bench.turns() == [Turn.DOWN, Turn.GAVE_UP]
    assert bench.fate(0) is Fate.WITHHELD
    assert bench.told[-1].failed == 0
    assert bench.told[-1].given_back == {0: 4, **dict.fromkeys(range(1, 9), 1)}


def test_no_patience_is_no_rule() -> None:
    bench = Bench(patience_s=0)
    for row in bench.rows[:20]:
        assert bench.use_up(row, Sign.UNREACHED, 1) is Fate.FAILED
    assert not bench.told


class TestOnly500:
    def down(self, rows: int = 40) -> Bench:
        bench = Bench(rows)
        bench.use_up(bench.rows[0], Sign.ERROR_500, 5)
        for row in bench.rows[1:8]:
            bench.call(row, Sign.ERROR_500, 10)
        return bench

    def test_five_probes_and_25_s_later_a_read_is_wanted(self) -> None:
        bench = self.down()
        for number in range(5):
            assert not bench.outage.wants_read
            ended_s = bench.probe(bench.rows[9 + number], Sign.ERROR_500)
        assert bench.outage.wants_read
        assert ended_s >= 10 + 25
        assert bench.outage.probe_due_s is None

    def test_a_read_that_works_blames_the_rows_until_one_succeeds(self) -> None:
        bench = self.down()
        for number in range(5):
            bench.probe(bench.rows[9 + number], Sign.ERROR_500)
        bench.outage.read(Read.WORKS, 40)
        assert bench.told[-1] == Change(Turn.ROWS, 13, 1, {})
        assert bench.fate(0) is Fate.FAILED
        assert [bench.use_up(row, Sign.ERROR_500, 41) for row in bench.rows[15:24]] == [Fate.FAILED] * 9
        assert not bench.is_down()
        bench.call(bench.rows[24], Sign.SUCCESS, 50)
        assert bench.use_up(bench.rows[25], Sign.ERROR_500, 51) is Fate.WITHHELD

    def test_a_read_that_fails_lets_the_outage_go_on(self) -> None:
        bench = self.down()
        for number in range(5):
            bench.probe(bench.rows[9 + number], Sign.ERROR_500)
        bench.outage.read(Read.FAILS, 40)
        assert bench.is_down()
        assert bench.outage.probe_due_s is not None
        bench.probe(bench.rows[20], Sign.SUCCESS)
        assert bench.turns() == [Turn.DOWN, Turn.BACK]

    def test_an_operators_probes_are_no_votes(self) -> None:
        bench = self.down()
        regular_s = bench.outage.probe_due_s
        for number in range(9):
            bench.outage.probe_at_once()
            assert bench.outage.probe_due_s is not None
            assert bench.outage.probe_due_s <= 10
            bench.outage.probe(bench.rows[9 + number])
            bench.call(bench.rows[9 + number], Sign.ERROR_500, 10.2 + number / 100)
        assert not bench.outage.wants_read
        assert bench.outage.probe_due_s == regular_s
        bench.outage.probe_at_once()
        bench.outage.probe(bench.rows[20])
        bench.call(bench.rows[20], Sign.SUCCESS, 10.5)
        assert bench.turns() == [Turn.DOWN, Turn.BACK], "its success blames no row either"

    def test_where_nothing_may_be_read_two_minutes_blame_the_rows(self) -> None:
        bench = self.down()
        ended_s = 0.0
        while bench.is_down():
            ended_s = bench.probe(bench.rows[9], Sign.ERROR_500)
            if bench.outage.wants_read:
                bench.outage.read(Read.NOT_ALLOWED, ended_s)
        assert 130 <= ended_s <= 141
        assert bench.turns() == [Turn.DOWN, Turn.ROWS]

    def test_it_is_no_outage_before_a_row_has_succeeded(self) -> None:
        bench = Bench(alive=True, rows=41)
        fresh = Outage(4, PATIENCE_S, bench.told.append, alive=True)
        rows = [Tries(number) for number in range(20)]
        for row in rows:
            fates = [fresh.answered(row, Sign.ERROR_500, at_s, at_s) for at_s in (1, 2, 3, 4)]
            assert fates == [Fate.AGAIN, Fate.AGAIN, Fate.AGAIN, Fate.FAILED]


class TestTheLastRows:
    def stuck(self, *signs: Sign) -> Bench:
        bench = Bench(rows=len(signs) + 1)
        bench.outage.more_rows = False
        for row, sign in zip(bench.rows, signs, strict=False):
            bench.use_up(row, sign, 5)
        return bench

    def test_where_none_can_tell_any_more_the_service_counts_as_down(self) -> None:
        bench = self.stuck(Sign.AWAY, Sign.UNREACHED)
        assert bench.told == [Change(Turn.DOWN, 2, 0, {})]

    def test_bad_ones_fail_after_one_probe_and_a_read_and_nothing_is_said_of_an_outage(self) -> None:
        bench = self.stuck(Sign.ERROR_500, Sign.ERROR_500)
        assert not bench.told
        at_s = bench.probe(bench.rows[0], Sign.ERROR_500)
        assert bench.outage.wants_read
        bench.outage.read(Read.WORKS, at_s)
        assert bench.told == [Change(Turn.ROWS, 2, 2, {})]
        assert [row.fate for row in bench.rows[:2]] == [Fate.FAILED, Fate.FAILED]
        assert bench.rows[0].used == 4

    def test_a_probe_that_an_operator_asked_for_asks_for_no_read(self) -> None:
        bench = self.stuck(Sign.ERROR_500, Sign.ERROR_500)
        bench.outage.probe_at_once()
        bench.outage.probe(bench.rows[0])
        bench.call(bench.rows[0], Sign.ERROR_500, 5.6)
        assert not bench.outage.wants_read

    def test_it_is_said_when_the_read_fails_too(self) -> None:
        bench = self.stuck(Sign.ERROR_500, Sign.ERROR_500)
        at_s = bench.probe(bench.rows[0], Sign.ERROR_500)
        bench.outage.read(Read.FAILS, at_s)
        assert bench.turns() == [Turn.DOWN]

    def test_where_nothing_may_be_read_they_fail(self) -> None:
        bench = self.stuck(Sign.ERROR_500)
        at_s = bench.probe(bench.rows[0], Sign.ERROR_500)
        bench.outage.read(Read.NOT_ALLOWED, at_s)
        assert bench.turns() == [Turn.ROWS]

    def test_bad_ones_of_another_kind_fail_after_five_probes_and_a_read(self) -> None:
        bench = self.stuck(Sign.AWAY)
        for _ in range(5):
            assert not bench.outage.wants_read
            at_s = bench.probe(bench.rows[0], Sign.AWAY)
        bench.outage.read(Read.WORKS, at_s)
        assert bench.turns() == [Turn.DOWN, Turn.ROWS]
        assert bench.fate(0) is Fate.FAILED

    def test_rows_that_run_out_leave_the_withheld_ones_alone(self) -> None:
        bench = Bench(rows=3)
        bench.use_up(bench.rows[0], Sign.AWAY, 5)
        bench.outage.more_rows = False
        bench.outage.look(6)
        assert not bench.is_down(), "one row is still to be tried"
        bench.outage.end(bench.rows[1], 7)
        assert bench.is_down()


class TestFromTheVeryStart:
    def test_refused_connections_use_up_their_tries(self) -> None:
        bench = Bench(alive=False)
        assert [bench.use_up(row, Sign.UNREACHED, 1) for row in bench.rows[:9]] == [Fate.FAILED] * 9

    def test_a_gateway_that_answers_is_waited_for_at_once(self) -> None:
        bench = Bench(alive=False)
        bench.call(bench.rows[0], Sign.AWAY, 1)
        assert bench.is_down()

    def test_any_sign_of_life_makes_refused_connections_an_outage(self) -> None:
        bench = Bench(alive=False)
        bench.call(bench.rows[-1], Sign.LIFE, 0)
        bench.go_down(Sign.UNREACHED)


class TestBrownOut:
    def shaky(self, sign: Sign) -> Bench:
        bench = Bench(rows=60)
        for number, row in enumerate(bench.rows[:30]):
            bench.call(row, sign if number % 2 else Sign.SUCCESS, 1 + number)
        return bench

    def test_tries_go_uncounted_up_to_three_times_as_many(self) -> None:
        bench = self.shaky(Sign.AWAY)
        row, good = bench.rows[40], iter(bench.rows[41:])
        fates = []
        for number in range(16):
            fates.append(bench.call(row, Sign.AWAY, 32 + number))
            bench.call(next(good), Sign.SUCCESS, 32.5 + number)
            bench.call(bench.rows[1], Sign.AWAY, 32.5 + number)
            for _ in range(2):
                bench.outage.answered(bench.begin(99), Sign.AWAY, 32.5 + number, 32.6 + number)
        assert fates == [*[Fate.UNCOUNTED] * 12, *[Fate.AGAIN] * 3, Fate.WITHHELD]

    def test_500s_make_none(self) -> None:
        bench = self.shaky(Sign.ERROR_500)
        assert bench.call(bench.rows[40], Sign.AWAY, 32) is Fate.AGAIN

    def test_it_ends_when_few_first_tries_fail(self) -> None:
        bench = self.shaky(Sign.AWAY)
        assert bench.call(bench.rows[40], Sign.AWAY, 32) is Fate.UNCOUNTED
        for _ in range(30):
            bench.outage.answered(bench.begin(99), Sign.SUCCESS, 33, 34)
        assert bench.call(bench.rows[40], Sign.AWAY, 35) is Fate.AGAIN


class TestWhatARowHasUsedUp:
    def test_an_answer_decides_and_is_a_try(self) -> None:
        bench = Bench()
        second, third = bench.rows[:2]
        assert bench.outage.answered(second, Sign.SUCCESS, 0.9, 1.0) is Fate.DECIDED
        assert bench.outage.answered(third, Sign.LIFE, 1.9, 2.0) is Fate.DECIDED
        assert [(row.used, row.fate) for row in (second, third)] == [(1, Fate.DECIDED)] * 2

    def test_an_unclear_answer_is_a_try_and_tells_nothing_of_the_service(self) -> None:
        bench = Bench()
        row = bench.rows[0]
        fates = [bench.call(row, Sign.UNCLEAR, at_s) for at_s in (1, 2, 3, 4)]
        assert fates == [Fate.AGAIN] * 3 + [Fate.FAILED]
        assert (row.used, row.fate, bench.outage.since_s) == (4, Fate.FAILED, None)

    def test_a_refusal_is_none(self) -> None:
        bench = Bench()
        row = bench.rows[0]
        assert [bench.call(row, Sign.NOTHING, at_s) for at_s in range(1, 9)] == [Fate.DECIDED] * 8
        assert (row.used, row.fate) == (0, Fate.DECIDED)


def test_what_is_told_has_the_words_of_the_last_failure() -> None:
    bench = Bench()
    for number, row in enumerate(bench.rows[:8]):
        bench.outage.answered(row, Sign.AWAY, 1.0, 1.0 + number, f"HTTP 50{number}")
    assert bench.told == [Change(Turn.DOWN, 8, 0, {}, "HTTP 507")]


def test_it_begins_up_with_nothing_known_of_the_service() -> None:
    outage = Outage(4, PATIENCE_S, list[Change]().append)
    outage.look(0.0)
    assert not any((outage.is_down, outage.is_alive, outage.more_rows, outage.has_given_up, outage.wants_read))
    assert (outage.since_s, outage.give_up_s, outage.probe_due_s) == (None, None, None)
    row = Tries(0)
    outage.begin()
    assert [outage.answered(row, Sign.UNREACHED, 1, 1) for _ in range(4)][-1] is Fate.FAILED, "not alive yet"
    outage.answered(Tries(1), Sign.LIFE, 2, 2)
    assert outage.is_alive


def test_a_call_that_started_with_the_first_that_failed_is_a_sign_of_life() -> None:
    bench = Bench()
    assert bench.use_up(bench.rows[0], Sign.UNREACHED, 5) is Fate.WITHHELD
    bench.outage.answered(bench.rows[1], Sign.SUCCESS, 4.9, 6)
    assert bench.fate(0) is not Fate.WITHHELD
    assert bench.outage.since_s is None


class TestRowsThatAreLetGo:
    def test_whoever_lets_one_go_hears_whether_the_service_is_down(self) -> None:
        bench = Bench()
        assert bench.outage.end(bench.rows[20], 1) is False
        bench.call(bench.rows[0], Sign.AWAY, 2)
        assert bench.outage.end(bench.rows[21], 3) is False, "a failure is no outage"
        bench.go_down()
        assert bench.outage.end(bench.rows[22], 11) is True

    def test_they_are_no_part_of_the_stretch_any_more(self) -> None:
        bench = Bench()
        bench.go_down(Sign.AWAY)
        bench.outage.end(bench.rows[0], 10.5)
        bench.probe(bench.rows[0], Sign.AWAY)
        bench.outage.end(bench.rows[0], 11.5)
        bench.probe(bench.rows[30], Sign.SUCCESS)
        assert bench.told[-1] == Change(Turn.BACK, 7, 0, dict.fromkeys(range(1, 8), 1))

    def test_the_probe_of_another_row_stays_out(self) -> None:
        bench = Bench()
        bench.go_down()
        bench.outage.probe(bench.rows[20])
        bench.outage.end(bench.rows[21], 11)
        assert bench.outage.probe_due_s is None

    def test_the_probe_of_one_that_is_let_go_is_no_failure(self) -> None:
        bench = Bench()
        bench.go_down()
        bench.outage.probe(bench.rows[20])
        bench.outage.end(bench.rows[20], 11)
        assert bench.outage.probe_due_s == 13.0, "the gaps go on"
        bench.probe(bench.rows[21], Sign.SUCCESS)
        assert bench.turns() == [Turn.DOWN, Turn.ROWS], "the first probe that tells"


class TestWhenAReadIsWanted:
    def stuck(self, rows: int, begun: int, sign: Sign = Sign.AWAY, *, more_rows: bool = False) -> Bench:
        """So many rows fail of those that have begun, until the service counts as down."""
        bench = Bench(rows=begun + 1)
        bench.outage.more_rows = more_rows
        for at_s in (10.0, 30.0, 31.0):
            for row in bench.rows[:rows]:
                if not bench.is_down():
                    bench.call(row, sign, at_s)
        assert bench.is_down()
        return bench

    def probes(self, bench: Bench, sign: Sign, count: int = 5, took_s: float = 0.1) -> list[bool]:
        wanted = []
        for _ in range(count):
            bench.probe(bench.rows[0], sign, took_s=took_s)
            wanted.append(bench.outage.wants_read)
        return wanted

    def test_few_bad_rows_and_no_other_left_to_ask(self) -> None:
        assert self.probes(self.stuck(2, 2), Sign.AWAY) == [False] * 4 + [True]

    def test_none_while_rows_are_left_that_could_tell(self) -> None:
        assert not any(self.probes(self.stuck(2, 2, more_rows=True), Sign.AWAY))
        assert not any(self.probes(self.stuck(2, 3), Sign.AWAY))

    def test_none_where_many_rows_fail_other_than_by_500(self) -> None:
        assert not any(self.probes(self.stuck(9, 9), Sign.AWAY))

    def test_five_probes_are_enough_at_the_25th_second(self) -> None:
        assert self.probes(self.stuck(9, 12, Sign.ERROR_500), Sign.ERROR_500, took_s=0)[-1]

    def test_fewer_are_not_however_long_they_take(self) -> None:
        assert self.probes(self.stuck(9, 12, Sign.ERROR_500), Sign.ERROR_500, took_s=12) == [False] * 4 + [True]

    def test_after_one_that_failed_the_next_comes_after_twice_as_many_probes(self) -> None:
        bench = self.stuck(9, 12, Sign.ERROR_500)
        assert self.probes(bench, Sign.ERROR_500)[-1]
        bench.outage.read(Read.FAILS, 60)
        assert self.probes(bench, Sign.ERROR_500) == [False] * 4 + [True]
        bench.outage.read(Read.FAILS, 150)
        assert self.probes(bench, Sign.ERROR_500, 10) == [False] * 9 + [True]

    def test_an_operators_probe_while_one_is_out_changes_nothing(self) -> None:
        bench = self.stuck(9, 12, Sign.ERROR_500)
        for number in range(5):
            due_s = bench.outage.probe_due_s
            assert due_s is not None
            bench.outage.probe(bench.rows[number])
            bench.outage.probe_at_once()
            bench.call(bench.rows[number], Sign.ERROR_500, due_s)
        assert bench.outage.wants_read

    def test_an_operators_probe_of_a_service_that_is_up_is_nothing(self) -> None:
        bench = Bench()
        bench.outage.probe_at_once()
        assert bench.outage.probe_due_s is None

    def test_where_it_may_not_be_made_and_the_outage_was_told_the_rows_are_not_blamed_at_once(self) -> None:
        bench = Bench(rows=1, alive=False)
        bench.outage.more_rows = False
        bench.call(bench.rows[0], Sign.AWAY, 10)
        assert bench.turns() == [Turn.DOWN]
        assert self.probes(bench, Sign.AWAY)[-1]
        bench.outage.read(Read.NOT_ALLOWED, 36)
        assert bench.is_down()
        due_s = bench.outage.probe_due_s
        bench.outage.probe(bench.rows[0])
        bench.call(bench.rows[0], Sign.AWAY, 10 + 120)
        assert due_s is not None
        assert bench.turns() == [Turn.DOWN, Turn.ROWS], "after two minutes"


class TestTheEndOfPatience:
    def test_the_last_probe_falls_at_it_and_the_run_is_to_stop(self) -> None:
        bench = Bench(patience_s=20.0)
        bench.go_down()
        assert bench.outage.give_up_s == 30.0
        while bench.is_down():
            at_s = bench.probe(bench.rows[20], Sign.UNREACHED, took_s=0)
        assert at_s == 30.0
        assert bench.outage.has_given_up
        assert bench.turns() == [Turn.DOWN, Turn.GAVE_UP]

    def test_a_probe_without_a_verdict_ends_it_too(self) -> None:
        bench = Bench(patience_s=20.0)
        bench.go_down()
        bench.outage.probe(bench.rows[20])
        bench.call(bench.rows[20], Sign.NOTHING, 29.9)
        assert not bench.outage.has_given_up
        bench.outage.probe(bench.rows[21])
        bench.call(bench.rows[21], Sign.UNCLEAR, 30.0)
        assert bench.outage.has_given_up


def test_other_answers_than_success_calm_a_brown_out_too() -> None:
    bench = TestBrownOut().shaky(Sign.AWAY)
    assert bench.call(bench.rows[40], Sign.AWAY, 32) is Fate.UNCOUNTED
    for _ in range(30):
        bench.outage.answered(bench.begin(99), Sign.LIFE, 33, 34)
    assert bench.call(bench.rows[40], Sign.AWAY, 35) is Fate.AGAIN
