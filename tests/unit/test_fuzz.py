"""A bounded share of the fuzzers that go by dice, and that they would find what they are for."""

import random

import pytest

from tests import fuzz_plans
from tests.fuzz import KINDS, Kind, fuzz


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "inputs", "taken"),
    [("manifests", 1500, 5), ("plans", 1500, 200), ("answers", 2000, 100), ("fleets", 500, 50)],
)
def test_nothing_made_up_breaks_a_reader(name: str, inputs: int, taken: int) -> None:
    found = fuzz(KINDS[name], inputs, random.SystemRandom().randrange(2**32))
    assert taken < found < inputs - taken, "sound ones and spoilt ones"


def test_what_breaks_is_told_with_the_input_and_its_seed() -> None:
    def hold(data: bytes) -> bool:
        assert b"locked" not in data
        return True

    with pytest.raises(AssertionError, match=r"input \d+ of seed 7: b'.*locked"):
        fuzz(Kind(fuzz_plans.make, hold), 1000, 7)
