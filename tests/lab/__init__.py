"""Whole nights in virtual time, with the product's own rules. LAB_SEEDS=5 spends each of them five times: `make soak`."""

import os


def seeds(count: int) -> range:
    """Return what chance is seeded with on each night: `count` seeds, or LAB_SEEDS of them if that is more."""
    return range(1, 1 + max(count, int(os.environ.get("LAB_SEEDS", "0"))))
