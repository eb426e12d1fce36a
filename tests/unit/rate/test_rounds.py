"""What calls are counted in: rounds that wait for all their answers, tallies, and the last second."""

import math

import pytest

from bulkroute.rate.rounds import LastSecond, Round, Rounds, Tally


def one_of(calls: int, refused: int, *, lost: int = 0, seconds: float = 1.0) -> Round:
    part = Round(10.0)
    part.started, part.refused, part.lost = calls, refused, lost
    part.accepted = calls - refused - lost
    part.ended_s = 10.0 + seconds
    return part


def test_a_round_is_judged_when_it_is_over_and_all_are_answered() -> None:
    part = one_of(10, 0)
    part.accepted -= 1
    assert not part.has_verdict(11.0)
    part.accepted += 1
    assert part.has_verdict(11.0)
    part.ended_s = math.inf
    assert not part.has_verdict(11.0)


def test_a_round_that_is_bad_whatever_the_rest_becomes_is_waited_for_a_second() -> None:
    part = one_of(20, 10)
    part.accepted = 0
    assert not part.has_verdict(11.5)
    assert part.has_verdict(12.0)
    assert part.share == 0.5


def test_an_open_round_takes_calls_until_it_is_full() -> None:
    rounds = Rounds()
    parts = {id(rounds.join(number / 10)) for number in range(5)}
    assert len(parts) == 1
    assert rounds.close(0.9, 1.0) is None
    first = rounds.close(1.0, 1.0)
    assert first is not None
    assert first.ended_s == 1.0
    assert rounds.close(1.1, 1.0) is None
    second = rounds.join(1.1)
    assert second is not first
    rounds.stand(3.0)
    assert second is not None
    assert second.stood_s == 3.0


def test_few_calls_keep_a_round_open_however_long_it_lasts() -> None:
    rounds = Rounds()
    for minute in range(4):
        rounds.join(60.0 * minute)
    assert rounds.close(600.0, 1.0) is None


def test_what_started_before_the_rate_settled_counts_nowhere() -> None:
    rounds = Rounds()
    part = rounds.join(0.0)
    rounds.restart(5.0)
    assert rounds.join(4.9) is None
    assert rounds.join(5.0) is not None
    assert part is not None
    part.accepted = part.started
    part.ended_s = 1.0
    assert not rounds.take(part, 6.0)


def test_answers_that_take_long_tell_of_a_queue() -> None:
    rounds = Rounds()

    def take(quickest_s: float) -> bool:
        part = rounds.join(0.0)
        assert part is not None
        part.accepted, part.quickest_s, part.ended_s = part.started, quickest_s, 1.0
        assert rounds.take(part, 1.0)
        return rounds.is_queueing

    assert [take(seconds) for seconds in (0.05, 0.2, 0.26, 2.0, 0.06)] == [False, False, True, True, False]
    assert [take(2.0) for _ in range(1000)][-1] is False, "slow answers are the rule after a while"


def test_a_tally_leaves_out_what_nobody_answered() -> None:
    tally = Tally()
    tally.add(one_of(20, 4, lost=10))
    assert (tally.calls, tally.refused) == (10, 4)
    assert tally.share == 0.4
    assert tally.offered_per_s == pytest.approx(20)
    assert tally.net_per_s == pytest.approx(2 / 0.5)


def test_waits_that_refusals_brought_about_count_against_a_rate() -> None:
    tally, part = Tally(), one_of(50, 1)
    part.held_s = 1.0
    tally.add(part)
    assert tally.offered_per_s == 50
    assert tally.accepted_per_s == pytest.approx(24.5)
    assert tally.net_per_s == pytest.approx(24)
    tally.fade()
    assert (tally.calls, tally.refused, tally.running_s, tally.held_s) == (25, 0, 0.5, 0.5)


def test_a_tally_of_nothing_is_worth_nothing() -> None:
    assert (Tally().share, Tally().net_per_s, Tally().offered_per_s) == (0, 0, 0)


def test_the_last_second_forgets_what_is_older_and_knows_the_most() -> None:
    last = LastSecond()
    for number in range(40):
        last.add(number / 100, accepted=True)
    for number in range(10):
        last.add(2 + number / 100, accepted=number < 3)
    assert last.most_accepted == 40
    tally = last.take(2.1, 2.6)
    assert (tally.calls, tally.refused) == (10, 7)
    assert tally.running_s == pytest.approx(0.6)
    assert last.take(2.1, 2.6).calls == 0


def test_a_call_that_is_lost_is_waited_for_no_longer() -> None:
    part = one_of(10, 1, lost=2)
    assert part.is_answered
    assert part.share == pytest.approx(1 / 8), "and counts as not made"
    part.lost -= 1
    assert not part.is_answered


@pytest.mark.parametrize(("calls", "refused", "verdict"), [(29, 6, True), (30, 6, False), (20, 5, False)])
def test_a_round_is_bad_where_six_are_refused_and_more_than_a_fifth(calls: int, refused: int, verdict: bool) -> None:
    part = one_of(calls, refused)
    part.accepted = 0
    assert part.has_verdict(12.0) is verdict


def test_a_round_ends_with_its_span_less_the_time_in_which_all_stood() -> None:
    rounds = Rounds()
    assert rounds.close(5.0, 1.0) is None
    for _ in range(5):
        rounds.join(10.0)
    rounds.stand(2.0)
    assert rounds.close(12.9, 1.0) is None
    assert rounds.close(13.0, 1.0) is rounds.first()
    rounds.stand(5.0)
    first = rounds.first()
    assert first is not None
    assert first.stood_s == 7.0


def test_settling_lasts_until_calls_count() -> None:
    rounds = Rounds()
    rounds.restart(5.0)
    assert [rounds.is_settling(at_s) for at_s in (4.9, 5.0)] == [True, False]
    assert rounds.first() is None
    assert not rounds.take(None, 6.0)


def test_the_time_in_which_all_stood_is_no_part_of_what_was_offered() -> None:
    tally, part = Tally(), one_of(10, 0, seconds=3.0)
    part.stood_s = 1.0
    tally.add(part)
    assert tally.running_s == 2.0
    assert tally.offered_per_s == 5
