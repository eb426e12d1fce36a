"""Nights in virtual time, by the hundred."""

import pytest


@pytest.fixture(autouse=True)
def _uncounted(uncounted: None, uncounted_commands: None) -> None:
    """Count no lines: unit tests and commands of other tests reach what these reach by the thousand."""
