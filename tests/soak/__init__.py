"""Runs in real time in which much goes wrong at once: see `__main__`."""


class PromiseBroken(Exception):
    """Something that must hold did not."""
