"""One warm process for the tests of a module, where starting anew each time would take minutes."""

from collections.abc import Iterator

import pytest

from tests.crash.launcher import Launcher


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


@pytest.fixture(autouse=True)
def _uncounted(uncounted: None) -> None:
    """Count lines in the commands that are started alone: in this process the simulator serves, or a night takes milliseconds."""
