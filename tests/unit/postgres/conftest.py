"""A database of its own for each test."""

import pytest

from tests.postgres import Cluster


@pytest.fixture
def url(postgres: Cluster) -> str:
    return postgres.url(postgres.new_database())
