"""What a gateway lets in over its nodes, beside other people, and while its limit changes."""

from typing import Any

import pytest

from bulkroute.simulator import Faults
from bulkroute.simulator.quota import Quota


def accepted(faults: Faults, rate_per_s: float, seconds: float, seed: int = 1) -> tuple[list[float], Quota]:
    """Return when calls at a steady pace were let in."""
    quota = Quota(faults, seed)
    times = [place / rate_per_s for place in range(int(seconds * rate_per_s))]
    return [at for at in times if quota.wait_s(at, at) == 0], quota


def per_second(times: list[float], begin_s: float, end_s: float) -> float:
    return sum(begin_s <= at < end_s for at in times) / (end_s - begin_s)


def test_without_a_limit_everything_comes_in() -> None:
    times, quota = accepted(Faults(), 100, 2)
    assert len(times) == 200
    assert not quota


def test_nodes_at_random_let_in_less_than_all_together() -> None:
    apart, _ = accepted(Faults(throttle=10, nodes=4), 60, 60)
    together, _ = accepted(Faults(throttle=40), 60, 60)
    assert 0.75 * len(together) < len(apart) < 0.99 * len(together)


def test_one_node_a_minute_lets_in_its_own_limit() -> None:
    times, _ = accepted(Faults(throttle=10, nodes=4, node_span_s=60), 60, 180)
    assert per_second(times, 1, 60) == pytest.approx(10, abs=0.2)
    assert 10 <= per_second(times, 60, 180) < 10.3, "a fresh node has a window of its own"


def test_others_spend_the_limit_too() -> None:
    alone, _ = accepted(Faults(throttle=50), 40, 120)
    beside, quota = accepted(Faults(throttle=50, others=25), 40, 120)
    assert len(alone) == 40 * 120
    assert len(beside) < len(alone)
    assert len(beside) + quota.others_asked - quota.others_refused <= 50 * 121
    assert quota.others_asked == pytest.approx(25 * 120, rel=0.1)
    assert 0.1 * quota.others_asked < quota.others_refused < 0.9 * quota.others_asked


@pytest.mark.parametrize(
    ("pattern", "most_of"),
    [("steady", (0, 60)), ("on_off", (30, 60)), ("bursts", (54, 60))],
)
def test_others_come_by_their_pattern(pattern: Any, most_of: tuple[int, int]) -> None:
    quota = Quota(Faults(throttle=1e6, others=40, others_pattern=pattern), 1)
    asked = []
    for second in range(61):
        quota.wait_s(second, second)
        asked.append(quota.others_asked)
    loud = (asked[most_of[1]] - asked[most_of[0]]) / (most_of[1] - most_of[0])
    assert loud == pytest.approx(40, rel=0.15)
    quiet_s = 60 - (most_of[1] - most_of[0])
    quiet = asked[60] - loud * (60 - quiet_s)
    assert quiet == pytest.approx({"steady": 0, "on_off": 0, "bursts": 5}[pattern] * quiet_s, rel=0.2, abs=2)


def test_a_walk_stays_between_an_eighth_and_all() -> None:
    _, quota = accepted(Faults(throttle=1e6, others=40, others_pattern="walk"), 1, 600)
    assert 5 * 600 * 0.9 < quota.others_asked < 40 * 600
    again = accepted(Faults(throttle=1e6, others=40, others_pattern="walk"), 1, 600)[1]
    other = accepted(Faults(throttle=1e6, others=40, others_pattern="walk"), 1, 600, seed=2)[1]
    assert quota.others_asked == again.others_asked != other.others_asked


def test_a_night_without_calls_is_not_made_up_for() -> None:
    quota = Quota(Faults(throttle=50, others=40), 1)
    quota.wait_s(0, 0)
    quota.wait_s(36_000, 36_000)
    assert 20_000 < quota.others_asked < 30_000


def test_a_limit_may_come_late_fall_shut_and_go() -> None:
    faults = Faults(throttle_at=("10s:20", "20s:5", "30s:0", "40s:none"))
    times, quota = accepted(faults, 50, 50)
    assert quota
    expected = {(0, 10): 50, (11, 20): 20, (21, 30): 5, (30, 40): 0, (40, 50): 50}
    for (begin_s, end_s), rate in expected.items():
        assert per_second(times, begin_s, end_s) == pytest.approx(rate, abs=0.5)


def test_a_shut_gateway_tells_when_it_opens() -> None:
    quota = Quota(Faults(throttle=5, throttle_at=("3s:0", "8s:5")), 1)
    assert quota.wait_s(6, 6) == pytest.approx(2)
    assert Quota(Faults(throttle_forever=True), 1).wait_s(6, 6) == 1


@pytest.mark.parametrize(
    "knobs",
    [
        {"others": 5},
        {"nodes": 2},
        {"nodes": 0, "throttle": 5},
        {"throttle_at": ("60s",)},
        {"throttle_at": ("60s:many",)},
        {"throttle_at": ("soon:5",)},
        {"throttle_at": ("60s:٥",)},
        {"throttle": float("nan")},
        {"throttle": 5, "throttle_span_s": 0},
        {"refuse": 1.1},
    ],
)
def test_limits_that_make_no_sense_are_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"throttle|limit|nodes|time|refuse"):
        Faults(**knobs)
