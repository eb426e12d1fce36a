"""One warm process for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.crash.launcher import Launcher


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher
