"""What the ledger's tests have in common."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest


@pytest.fixture
def exits() -> Iterator[ExitStack]:
    with ExitStack() as exits:
        yield exits
