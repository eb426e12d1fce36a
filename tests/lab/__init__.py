"""Whole nights in virtual time, with the product's own rules. LAB_SEEDS=5 spends each of them five times: `make soak`."""

import os

SEEDS = tuple(range(1, 1 + int(os.environ.get("LAB_SEEDS", "1"))))
"""What chance is seeded with, on each night."""
