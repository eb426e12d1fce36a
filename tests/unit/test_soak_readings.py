"""The slope that the soak judges memory by: a leak must show through restarts and noise, and noise must not."""

import math
import random

import pytest

from tests.soak.readings import Reading, slope


def life(number: int, level_kb: float, kb_per_h: float, minutes: int, noise_kb: float = 0) -> list[Reading]:
    dice = random.Random(number)
    return [
        Reading(number, at_s, int(level_kb + kb_per_h * at_s / 3600 + dice.gauss(0, noise_kb)), 30, 5)
        for at_s in range(0, 60 * minutes, 5)
    ]


def test_each_life_has_a_level_of_its_own_and_all_one_slope() -> None:
    found = slope([*life(1, 50_000, 6000, 12), *life(2, 60_000, 6000, 30)])
    assert found.kb_per_h == pytest.approx(6000, rel=0.01)
    assert found.error < 60
    assert (found.minutes, found.lives) == (32, 2), "without the first five minutes of each"


def test_noise_is_no_slope() -> None:
    found = slope(life(3, 50_000, 0, 60, noise_kb=300))
    assert abs(found.kb_per_h) < 3 * found.error
    assert found.error < 200


def test_steps_that_last_make_it_less_sure() -> None:
    steps = [each._replace(rss_kb=50_000 + 500 * (int(each.lived_s) // 600 % 2)) for each in life(4, 0, 0, 60)]
    shuffled = [each._replace(rss_kb=50_000 + 500 * (int(each.lived_s) // 60 % 2)) for each in life(4, 0, 0, 60)]
    assert slope(steps).error > 2 * slope(shuffled).error


def test_too_few_readings_tell_nothing() -> None:
    found = slope(life(5, 50_000, 0, 4))
    assert math.isnan(found.kb_per_h)
    assert found.minutes == 0
