"""What holds for all tests."""

from collections.abc import Iterator

import coverage
import hypothesis
import pytest

from tests.postgres import Cluster, cluster

# A machine that is busy is no failure: no test here times anything.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
def uncounted() -> Iterator[None]:
    """Rest the count of reached lines in this process: it makes whole nights in virtual time take four times as long."""
    if (count := coverage.Coverage.current()) is None:
        yield
        return
    count.stop()
    try:
        yield
    finally:
        count.start()


@pytest.fixture
def uncounted_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rest it in the commands that are started, each of which it makes start twice as slowly."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """Give a PostgreSQL server of our own; skip where there is none."""
    with cluster() as server:
        yield server
