"""Each kind of limit alone: what it lets in, how much is left, and when there is more."""

import itertools
from collections.abc import Callable

import pytest

from bulkroute.simulator.limits import Bucket, Fixed, Leaky, Limit, Queue, Window, enter


def let_in(limit: Limit, spacing_s: float, calls: int) -> list[float]:
    """Return when calls at a steady pace were let in."""
    return [place * spacing_s for place in range(calls) if enter(limit, place * spacing_s) == 0]


def most_in(times: list[float], span_s: float) -> int:
    return max(sum(begin <= at < begin + span_s for at in times) for begin in times)


MAKERS: dict[str, Callable[[], Limit]] = {
    "window": lambda: Window(10, 1.0),
    "strict": lambda: Window(10, 1.0, strict=True),
    "fixed": lambda: Fixed(10, 1.0),
    "bucket": lambda: Bucket(10, 1.0, 30),
    "leaky": lambda: Leaky(10, 1.0, 5),
    "leaky without burst": lambda: Leaky(10, 1.0, 0),
    "queue": lambda: Queue(10, 1.0, 20),
}


def test_a_window_lets_in_ten_in_any_second() -> None:
    times = let_in(MAKERS["window"](), 0.03, 1000)
    assert most_in(times, 1.0) == 10
    assert len(times) >= 290


def test_a_strict_window_keeps_out_whoever_goes_on() -> None:
    assert len(let_in(MAKERS["strict"](), 0.05, 600)) == 10
    assert len(let_in(MAKERS["strict"](), 0.101, 600)) == 600


def test_a_fixed_window_takes_twice_as_many_around_the_turn() -> None:
    limit = Fixed(10, 1.0)
    assert sum(enter(limit, 0.9) == 0 for _ in range(20)) == 10
    assert sum(enter(limit, 1.1) == 0 for _ in range(20)) == 10
    assert limit.reset_s(1.1) == pytest.approx(0.9)


def test_a_minute_is_spent_in_seconds_and_then_shut() -> None:
    limit = Fixed(600, 60.0)
    times = let_in(limit, 0.02, 3500)
    assert len([at for at in times if at < 60]) == 600
    assert max(at for at in times if at < 60) < 13


def test_a_bucket_has_saved_up_and_then_its_rate() -> None:
    times = let_in(MAKERS["bucket"](), 0.01, 1100)
    assert len([at for at in times if at < 0.35]) >= 30
    assert len([at for at in times if 5 <= at < 10]) == pytest.approx(50, abs=1)


def test_nginx_without_burst_wants_an_even_flow() -> None:
    assert len(let_in(MAKERS["leaky without burst"](), 0.1001, 100)) == 100
    assert len(let_in(MAKERS["leaky without burst"](), 0.0999, 100)) <= 51


def test_a_queue_slows_down_long_before_it_refuses() -> None:
    limit = Queue(10, 1.0, 20)
    waits = []
    for place in range(60):
        refused_s = enter(limit, place * 0.02)
        if refused_s:
            assert 0 < refused_s <= 0.1001
        else:
            waits.append(limit.delay_s)
    assert waits == sorted(waits)
    assert len(waits) == pytest.approx(20 + 60 * 0.02 * 10, abs=1)
    assert waits[-1] == pytest.approx(1.9, abs=0.1)


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_left_is_let_in_and_no_more(kind: str) -> None:
    limit = MAKERS[kind]()
    for now in (0.0, 0.31, 1.7, 1.75, 9.0):
        left = limit.left(now)
        assert [enter(limit, now) == 0 for _ in range(left)] == [True] * left
        assert limit.left(now) <= 0


@pytest.mark.parametrize("kind", MAKERS)
def test_the_wait_told_is_the_truth(kind: str) -> None:
    limit = MAKERS[kind]()
    now = 0.4
    while limit.left(now) > 0:
        limit.count(now)
    wait_s = limit.reset_s(now)
    assert wait_s > 0
    assert limit.left(now + 0.9 * wait_s) <= 0
    assert limit.left(now + wait_s + 0.001) > 0


@pytest.mark.parametrize("kind", MAKERS)
def test_a_limit_that_changes_keeps_what_was_spent(kind: str) -> None:
    limit = MAKERS[kind]()
    while limit.left(0.0) > 0:
        limit.count(0.0)
    limit.calls = 1
    assert limit.left(0.1) <= 0
    limit.calls = 1000
    lets_in_again = next(place for place in itertools.count() if enter(limit, 1 + place * 0.001) == 0)
    assert lets_in_again < 1000


def test_less_than_one_in_a_span_is_one_in_a_longer_span() -> None:
    assert let_in(Window(0.25, 1.0), 1.0, 13) == [0, 4, 8, 12]
