"""One warm process for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.crash.launcher import Launcher


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


@pytest.fixture(autouse=True)
def _uncounted(uncounted: None, uncounted_commands: None) -> None:
    """Count no lines: unit tests and commands of other tests reach what these reach by the thousand."""
