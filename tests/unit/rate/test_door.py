"""A door that is shut after refusals in a row, knocked at ever more rarely, and open again with the first call let in."""

import math
import random

import pytest

from bulkroute.rate.door import IN_A_ROW, LAST_KNOCK_S, Door, Opening


@pytest.fixture(autouse=True)
def _same_each_time() -> None:
    random.seed(1)


def shut(door: Door, at_s: float = 1.0) -> None:
    for _ in range(IN_A_ROW):
        door.refused(0.9, at_s)


def test_refusals_in_a_row_shut_it_and_one_that_is_let_in_between_does_not() -> None:
    door = Door()
    for _ in range(IN_A_ROW - 1):
        door.refused(0.0, 0.1)
    assert door.accepted(0.0, 0.2) is None
    for _ in range(IN_A_ROW - 1):
        door.refused(0.0, 0.3)
    states = [door.is_shut]
    door.refused(0.0, 0.4)
    states.append(door.is_shut)
    assert states == [False, True]
    assert 0.47 < door.knock_s <= 0.5


def test_only_a_call_that_started_after_the_shutting_knocks() -> None:
    door = Door()
    door.started(0.0)
    for number in range(30):
        door.accepted(number / 100, 0.5)
    shut(door, 1.0)
    knock_s = door.knock_s
    door.refused(0.99, 1.01)  # was under way when it was shut
    assert door.accepted(0.99, 1.02) is None
    assert door.knock_s == knock_s
    assert not door.is_knocked_by(0.99)
    assert door.is_knocked_by(1.1)
    opening = door.accepted(1.1, 1.2)
    assert opening is not None
    assert opening.open_s == pytest.approx(1.0)
    assert opening.shut_s == pytest.approx(0.2)
    assert opening.let_in == 31, "the first of the 32 opened the door, and does not count itself"
    assert opening.accepted_per_s == pytest.approx(31 / 1.2)
    assert not opening.is_handful
    assert not door.is_shut


@pytest.mark.parametrize(("let_in", "knocks"), [(5, range(18, 25)), (500, range(25, 40))])
def test_few_knocks_where_few_were_let_in_and_never_further_apart_than_the_longest(let_in: int, knocks: range) -> None:
    door = Door()
    for _ in range(let_in):
        door.accepted(0.0, 0.1)
    shut(door)
    counted, last_s = 0, 1.0
    while door.knock_s < 60:
        assert door.knock_s - last_s <= LAST_KNOCK_S
        last_s = door.knock_s
        door.refused(last_s, last_s)
        counted += 1
    assert counted in knocks


def test_a_knock_without_an_answer_is_made_again() -> None:
    door = Door()
    shut(door)
    door.lost(0.5, 2.0)
    assert door.knock_s < 1.2, "it was no knock"
    door.lost(1.2, 20.0)
    assert 20 < door.knock_s < 20.3


def test_what_was_let_in_since_the_last_opening_is_what_counts() -> None:
    door = Door()
    door.started(0.0)
    shut(door)
    assert door.accepted(2.0, 2.0) is not None
    for _ in range(3):
        door.accepted(2.5, 2.6)
    door.shut(3.0)
    opening = door.accepted(4.0, 4.0)
    assert opening is not None
    assert (opening.open_s, opening.shut_s, opening.let_in, opening.is_handful) == (1.0, 1.0, 4, True)


@pytest.mark.parametrize(
    ("open_s", "shut_s", "let_in", "accepted_per_s"),
    [(12.0, 48.0, 600, 10.0), (0.1, 0.2, 7, 7.0), (1.0, 59.0, 0, 1 / 60), (1.0, 59.0, 1, 1 / 60)],
)
def test_what_was_accepted_per_second_from_opening_to_opening(
    open_s: float, shut_s: float, let_in: int, accepted_per_s: float
) -> None:
    assert Opening(open_s, shut_s, let_in).accepted_per_s == pytest.approx(accepted_per_s)


def test_twenty_are_no_handful_any_more() -> None:
    assert [Opening(1.0, 1.0, let_in).is_handful for let_in in (19, 20)] == [True, False]


def test_a_door_that_was_never_shut_is_knocked_at_by_nobody() -> None:
    door = Door()
    assert door.knock_s == math.inf
    assert not door.is_knocked_by(1e12)


def test_a_call_that_starts_as_it_shuts_knocks_and_the_refusals_before_count_no_more() -> None:
    door = Door()
    shut(door, 1.0)
    assert door.is_knocked_by(1.0)
    assert door.accepted(1.0, 1.1) is not None
    for _ in range(IN_A_ROW - 1):
        door.refused(1.2, 1.3)
    assert not door.is_shut
    door.refused(1.2, 1.3)
    assert door.is_shut


@pytest.mark.parametrize(("let_in", "later"), [(19, 1.5), (20, 1.25)])
def test_each_knock_is_later_than_the_one_before_up_to_five_seconds(let_in: int, later: float) -> None:
    door = Door()
    for _ in range(let_in):
        door.accepted(0.0, 0.1)
    shut(door)
    most_s, gaps_s = 0.1, []
    for _ in range(40):
        gaps_s.append(door.knock_s - 1.0)
        assert 0.75 * most_s <= gaps_s[-1] <= most_s + 1e-9
        most_s = min(later * most_s, 5.0)
        door.refused(1.0, 1.0)
    assert most_s == 5.0
    assert max(gaps_s) > 4.5
