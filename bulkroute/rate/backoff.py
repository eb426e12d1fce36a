"""How long a row waits before its next try."""

from tenacity.wait import wait_random_exponential


def full_jitter(base_s: float, cap_s: float) -> wait_random_exponential:
    """Return tenacity's wait of uniform(0, min(cap_s, base_s * 2^n)) seconds for n = 0, 1, 2, ..."""
    return wait_random_exponential(multiplier=base_s, max=cap_s)
