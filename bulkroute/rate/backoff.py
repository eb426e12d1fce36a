"""How long to wait before another try. No clock, no I/O."""

import random
from collections.abc import Iterator

from tenacity.wait import wait_random_exponential


def full_jitter_s(number: int, base_s: float, cap_s: float) -> float:
    """Return the wait before try `number` (2, 3, ...): uniform between 0 and min(cap_s, base_s * 2^(number - 2)) seconds."""
    return random.uniform(0, min(cap_s, base_s * 2 ** min(number - 2, 60)))


def full_jitter(base_s: float, cap_s: float) -> wait_random_exponential:
    """Return the same as a wait of tenacity's."""
    return wait_random_exponential(multiplier=base_s, max=cap_s)


def doubling(base_s: float, times: int) -> Iterator[float]:
    """Yield `base_s` and then, `times` in all, twice as much each time: waits for what is known to come late."""
    return (base_s * 2**number for number in range(times))
