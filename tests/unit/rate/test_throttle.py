"""What refusals do to all calls: who waits, for how long, and when patience ends."""

import random
from collections import deque
from itertools import pairwise

import pytest

from bulkroute.rate.learned_rate import BELOW_HALTING, LearnedRate
from bulkroute.rate.pacer import Pacer
from bulkroute.rate.throttle import HOLD, Call, Throttle


class Lab:
    """A throttle over a pacer whose clock is set by hand. It stands in for what tells of pauses, too."""

    def __init__(self, rate_per_s: float | None = 50.0, *, max_wait_s: float = 900.0) -> None:
        random.seed(1)
        self.now_s = 100.0
        self.pacer = Pacer(rate_per_s, clock=lambda: self.now_s)
        self.changes: list[str] = []
        self.throttle = Throttle(self.pacer, self, self.changes.append, max_wait_s=max_wait_s)

    def begin(self, key: str, reason: str, until_s: float | None = None, probe_at_s: float | None = None) -> None:
        self.pacer.hold(key, reason, until_s, probe_at_s)

    def end(self, key: str) -> None:
        self.pacer.release(key)

    def start(self) -> Call:
        self.now_s += self.pacer.delay_s()
        assert self.pacer.try_start() is not None
        return self.throttle.started()

    def refuse(self, retry_after_s: float | None = None, calls: int = 1, **said: tuple[float, float]) -> str | None:
        reason = None
        for call in [self.start() for _ in range(calls)]:
            reason = self.throttle.refused(call, "HTTP 429", retry_after_s, **said)
        return reason

    def accept(self, calls: int = 1) -> None:
        for _ in range(calls):
            self.throttle.accepted(self.start(), succeeded=True)


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_a_lone_refusal_holds_nobody_up(lab: Lab) -> None:
    lab.accept(20)
    lab.refuse()
    assert lab.pacer.holds() == []
    assert lab.pacer.rate_per_s == 50


@pytest.mark.parametrize(("retry_after_s", "waited_s"), [(1.5, 1.5), (0.0, 0.1), (1e9, 300.0)])
def test_retry_after_holds_everybody_up(lab: Lab, retry_after_s: float, waited_s: float) -> None:
    lab.accept(20)
    lab.refuse(retry_after_s)
    assert [hold.key for hold in lab.pacer.holds()] == [HOLD]
    assert lab.pacer.delay_s() == pytest.approx(waited_s)


def test_of_several_waits_the_longest_counts(lab: Lab) -> None:
    calls = [lab.start() for _ in range(3)]
    for call, retry_after_s in zip(calls, (1.0, 2.0, 0.5), strict=True):
        lab.throttle.refused(call, "HTTP 429", retry_after_s)
    assert lab.pacer.delay_s() == pytest.approx(2.0)


def test_once_everything_is_refused_one_call_at_a_time_knocks_until_one_is_let_in(lab: Lab) -> None:
    lab.accept(30)
    lab.refuse(calls=5)
    assert 0.05 < lab.pacer.delay_s() <= 0.1
    began_s = lab.now_s
    knocks_s = []
    for _ in range(10):
        call = lab.start()
        knocks_s.append(lab.now_s - began_s)
        assert lab.pacer.delay_s() == float("inf"), "no other call while one is out"
        lab.throttle.refused(call, "HTTP 429")
    gaps_s = [later - earlier for earlier, later in pairwise(knocks_s)]
    assert gaps_s[-1] > 2 * gaps_s[0]
    lab.accept()
    assert lab.pacer.holds() == []


def test_a_knock_that_nobody_answers_is_made_again(lab: Lab) -> None:
    lab.accept(30)
    lab.refuse(calls=5)
    lab.throttle.lost(lab.start())
    assert lab.pacer.delay_s() < 1
    assert [hold.reason for hold in lab.pacer.holds()] != [""], "the reason stays"
    lab.accept()
    assert lab.pacer.holds() == []


def test_a_long_wait_is_followed_by_a_single_call(lab: Lab) -> None:
    lab.accept(30)
    lab.refuse(48.0)
    assert lab.pacer.delay_s() == pytest.approx(48.0)
    lab.start()
    assert lab.pacer.delay_s() == float("inf")


def test_patience_ends_after_so_long_without_a_success_and_the_last_call_falls_at_its_end() -> None:
    lab = Lab(max_wait_s=60.0)
    lab.accept(30)
    began_s = lab.now_s
    reason, last_s = None, 0.0
    while reason is None:
        reason = lab.refuse()
        last_s = lab.now_s
    assert reason.startswith("throttled for 60 s without one success (HTTP 429)")
    assert last_s - began_s == pytest.approx(60.0, abs=0.2)


def test_a_success_in_between_gives_new_patience() -> None:
    lab = Lab(max_wait_s=60.0)
    for _ in range(5):
        lab.accept(30)
        assert lab.refuse(50.0) is None


def test_an_answer_that_is_no_success_gives_none() -> None:
    lab = Lab(max_wait_s=60.0)
    lab.refuse(50.0)
    lab.throttle.accepted(lab.start(), succeeded=False)
    lab.refuse(50.0)
    assert lab.refuse() is not None


def test_what_the_service_says_of_its_limit_is_believed_at_the_first_refusal() -> None:
    lab = Lab(10.0)
    lab.accept(5)
    lab.refuse(quota=(5, 60))
    assert lab.pacer.rate_per_s == pytest.approx(0.95 * 5 / 60)


def test_but_not_if_more_was_accepted_than_it_could_allow() -> None:
    lab = Lab(50.0)
    lab.accept(300)
    lab.refuse(quota=(5, 60))
    assert lab.pacer.rate_per_s == 50


def test_a_lower_rate_and_the_end_of_it_are_told_once() -> None:
    lab = Lab(50.0)
    lab.refuse(quota=(20, 1))
    assert lab.changes == [HOLD]
    lab.throttle.ask(10.0)
    assert lab.pacer.rate_per_s == 10
    assert lab.throttle.asked_per_s == 10
    lab.accept(200)
    assert lab.changes == [HOLD]


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_that_is_none_is_refused(lab: Lab, rate: float) -> None:
    with pytest.raises(ValueError, match="above 0 calls per second"):
        lab.throttle.ask(rate)
    assert lab.throttle.asked_per_s == 50


@pytest.mark.parametrize("rate", [50.0, None])
def test_calls_tell_of_a_limit_again_soon_after_a_service_is_back(rate: float | None) -> None:
    lab = Lab(rate)
    lab.throttle.ease_in()
    assert lab.start().part is None
    lab.now_s += 3
    lab.accept()
    assert lab.start().part is not None
    assert lab.pacer.rate_per_s == rate


@pytest.mark.parametrize("rate", [50.0, None])
def test_a_service_may_be_back_for_hours_before_the_first_call(rate: float | None) -> None:
    lab = Lab(rate)
    lab.throttle.ease_in()
    lab.now_s += 7200
    lab.accept()
    assert lab.pacer.rate_per_s == rate


def test_a_knock_that_nobody_answers_is_made_again_within_the_patience_whatever_wait_was_named() -> None:
    lab = Lab(max_wait_s=60.0)
    lab.accept(30)
    began_s = lab.now_s
    lab.refuse(200.0)
    lab.throttle.lost(lab.start())
    assert lab.now_s - began_s == pytest.approx(60.0, abs=0.2)
    assert lab.pacer.delay_s() < 1
    assert lab.refuse() is not None


def test_patience_ends_at_its_last_moment() -> None:
    lab = Lab(None, max_wait_s=60.0)
    first, last = lab.start(), lab.start()
    assert lab.throttle.refused(first, "HTTP 429") is None
    lab.now_s += 60.0
    assert lab.throttle.refused(last, "HTTP 429") is not None


def test_a_service_that_is_back_is_asked_at_a_quarter_then_half_then_all_of_the_rate() -> None:
    lab = Lab(40.0)
    lab.throttle.ease_in()
    rates = [lab.pacer.rate_per_s]
    for _ in range(4):
        lab.now_s += 0.5
        lab.throttle.started()
        rates.append(lab.pacer.rate_per_s)
    assert rates == [10, 10, 20, 20, 40]
    assert not lab.changes, "no word is lost on it"


def test_answers_end_it_too() -> None:
    lab = Lab(40.0)
    call = lab.start()
    lab.throttle.ease_in()
    lab.now_s += 2.0
    lab.throttle.accepted(call, succeeded=True)
    assert lab.pacer.rate_per_s == 40
    assert lab.throttle.started().part is not None


def test_what_was_learned_is_gone_on_with() -> None:
    learned = LearnedRate(50.0)
    learned.expect(20.0, 0.0)
    pacer = Pacer(50.0, clock=lambda: 0.0)
    throttle = Throttle(pacer, Lab(), list[str]().append, max_wait_s=60.0, learned=learned)
    assert throttle.learned is learned
    assert pacer.rate_per_s == BELOW_HALTING * 20
    throttle.ask(15.0)
    assert (pacer.rate_per_s, learned.rate_per_s) == (15, None)
    throttle.ask(50.0)
    assert pacer.rate_per_s == 50, "what was learnt is below 15 no more"


def test_another_rate_asked_for_leaves_a_limit_that_was_found_in_force() -> None:
    lab = Lab(50.0)
    lab.refuse(quota=(20, 1))
    lab.throttle.ask(100.0)
    assert (lab.pacer.asked_per_s, lab.pacer.rate_per_s) == (100, BELOW_HALTING * 20)
    lab.throttle.ask(5.0)
    lab.throttle.ask(100.0)
    assert lab.pacer.rate_per_s == 100


def test_no_head_room_is_kept_unless_it_is_asked_for() -> None:
    rates = []
    for head_room in (None, 0.5):
        lab = Lab(20.0)
        if head_room is not None:
            lab.throttle = Throttle(lab.pacer, lab, lab.changes.append, max_wait_s=900.0, head_room=head_room)
        lab.refuse(quota=(10, 1))
        for _ in range(300):
            call = lab.start()
            lab.now_s += 0.01
            accepted = lab.pacer.started_per_s <= 10
            if accepted:
                lab.throttle.accepted(call, succeeded=True)
            else:
                lab.throttle.refused(call, "HTTP 429")
        rates.append(lab.pacer.rate_per_s or 20)
    assert rates[0] > 8
    assert rates[1] < 6


@pytest.mark.parametrize(("accepted", "believed"), [(10, True), (11, False)])
def test_twice_what_the_service_says_may_have_been_let_in_by_a_burst(accepted: int, believed: bool) -> None:
    lab = Lab(50.0)
    lab.accept(accepted)
    lab.refuse(quota=(5, 60))
    assert (lab.pacer.rate_per_s == BELOW_HALTING * 5 / 60) is believed


def test_more_may_have_been_accepted_the_longer_it_goes() -> None:
    lab = Lab(1.0)
    lab.accept(25)  # in 24 s of calls 5 in 6 s each: 20, and a burst
    lab.refuse(quota=(5, 6))
    assert lab.pacer.rate_per_s == pytest.approx(BELOW_HALTING * 5 / 6)


def test_calls_that_are_accepted_after_a_short_time_shut_tell_the_rate() -> None:
    lab = Lab(400.0)
    lab.throttle.refused(lab.start(), "HTTP 429")
    lab.accept(39)
    for call in [lab.start() for _ in range(5)]:
        lab.throttle.refused(call, "HTTP 429")
    assert lab.changes == []
    began_s = lab.now_s
    while lab.now_s < began_s + 0.9:
        call = lab.start()
        lab.throttle.refused(call, "HTTP 429")
    lab.accept()
    assert lab.pacer.holds() == []
    assert 30 < (lab.pacer.rate_per_s or 400) < 60
    assert lab.changes == [HOLD]


def test_a_word_is_lost_on_a_rate_that_is_lower_than_the_one_told_last_and_on_the_whole_one() -> None:
    lab, told, starts_s = Lab(60.0), list[float | None](), deque[float]()
    lab.throttle = Throttle(lab.pacer, lab, lambda _key: told.append(lab.pacer.rate_per_s), max_wait_s=900.0)
    in_force = set()
    while lab.now_s < 280:
        limit = (40, 38, 36, 44, 42, 39, 30, 34, 28, 100, 100, 100)[int(lab.now_s - 100) // 15]
        call = lab.start()
        while starts_s and starts_s[0] <= lab.now_s - 1:
            starts_s.popleft()
        if len(starts_s) < limit:
            starts_s.append(lab.now_s)
            lab.throttle.accepted(call, succeeded=True)
        else:
            lab.throttle.refused(call, "HTTP 429")
        in_force.add(lab.pacer.rate_per_s)
    assert len(in_force) > 10, "trials went up and down"
    assert told[-1] == 60
    before = 60.0
    for rate in told[:-1]:
        assert rate is not None
        assert rate < 0.95 * before
        before = rate


def test_a_refusal_that_names_two_seconds_or_more_than_that_shuts_the_door_only_if_it_is_more() -> None:
    standing = []
    for retry_after_s in (2.0, 2.1):
        lab = Lab()
        lab.accept(5)
        lab.refuse(retry_after_s)
        lab.start()
        standing.append(lab.pacer.delay_s())
    assert standing[0] < 1
    assert standing[1] == float("inf"), "a single call knocks, and no other while it is out"


def test_what_is_accepted_while_the_door_is_shut_counts_for_the_rate() -> None:
    """Calls that were under way when it shut, and one that knocked: the first second shows what may be accepted."""
    rates = []
    for late in (0, 30):
        lab = Lab(400.0)
        under_way = [lab.start() for _ in range(late)]
        lab.accept(20)
        for call in [lab.start() for _ in range(5)]:
            lab.throttle.refused(call, "HTTP 429")
        for call in under_way:
            lab.throttle.accepted(call, succeeded=True)
        lab.now_s += 0.9
        lab.accept()
        assert lab.pacer.holds() == []
        rates.append(lab.pacer.rate_per_s or 400)
    assert 15 < rates[0] < 25
    assert 40 < rates[1] < 60


@pytest.mark.parametrize("lost", [True, False])
def test_a_call_that_ends_without_an_answer_lets_its_round_be_judged(lost: bool) -> None:
    """No round is judged before each of its calls has ended. Here one in ten gets no answer: lost, or still out."""
    lab = Lab(40.0)
    for number in range(400):
        call = lab.start()
        if number % 10 == 3:
            if lost:
                lab.throttle.lost(call)
        elif number % 8 == 1 and (lab.pacer.rate_per_s or 0) > 36:
            lab.throttle.refused(call, "HTTP 429")
        else:
            lab.throttle.accepted(call, succeeded=True)
    assert (lab.pacer.rate_per_s == 40) is not lost, "slower than 36 nothing is refused"
