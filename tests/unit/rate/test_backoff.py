"""Waits before another try: full jitter, doubled each time, and never above the cap."""

import random

import pytest

from bulkroute.rate.backoff import doubling, full_jitter_s


@pytest.mark.parametrize(
    ("number", "longest_s"), [(2, 0.5), (3, 1.0), (4, 2.0), (7, 16.0), (8, 20.0), (9, 20.0), (10_000, 20.0)]
)
def test_a_wait_is_anything_between_none_and_twice_the_one_before_up_to_the_cap(number: int, longest_s: float) -> None:
    random.seed(number)
    waits = [full_jitter_s(number, 0.5, 20) for _ in range(500)]
    assert min(waits) >= 0
    assert min(waits) < 0.05 * longest_s
    assert 0.95 * longest_s < max(waits) <= longest_s


def test_a_tiny_base_reaches_its_cap_too_and_no_power_overflows() -> None:
    random.seed(1)
    assert max(full_jitter_s(10_000, 1e-18, 20) for _ in range(500)) == pytest.approx(2**60 * 1e-18, rel=0.1)


def test_doubling() -> None:
    assert list(doubling(0.5, 4)) == [0.5, 1, 2, 4]
    assert list(doubling(0.5, 0)) == []
