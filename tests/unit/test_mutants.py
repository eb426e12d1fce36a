"""The mutants themselves: what is broken, what is left alone, and that what is accepted is still there."""

from pathlib import Path

import pytest

from tests.mutants.accepted import read_accepted
from tests.mutants.operators import mutants_of

SOURCE = '''
"""A docstring."""
from math import inf
__all__ = ["limited"]
MOST = 3

class Limit:
    per_s: float = 1.5

    @property
    def is_on(self) -> bool:
        """Tell it."""
        return self.per_s < inf and not self.off

def limited(calls: int, why: str = "") -> int:
    if calls >= MOST:
        raise ValueError(f"too many: {calls + 1}")
    calls += 1
    return calls
'''


def test_each_change_is_one_that_a_person_could_make() -> None:
    assert [mutant.name for mutant in mutants_of(SOURCE, "limit.py")] == [
        "module: 3 -> 4",
        "Limit: 1.5 -> 2.5",
        "Limit.is_on: return self.per_s < inf and (not self.off) -> return",
        "Limit.is_on: self.per_s < inf and (not self.off) -> self.per_s < inf or not self.off",
        "Limit.is_on: self.per_s < inf -> self.per_s <= inf",
        "Limit.is_on: self.per_s < inf -> self.per_s >= inf",
        "Limit.is_on: not self.off -> self.off",
        "limited: calls >= MOST -> calls > MOST",
        "limited: calls >= MOST -> calls < MOST",
        "limited: raise ValueError(f'too many: {calls + 1}') -> pass",
        "limited: calls += 1 -> pass",
        "limited: calls += 1 -> calls -= 1",
        "limited: 1 -> 2",
        "limited: return calls -> return",
    ]


def test_each_mutant_is_the_module_with_its_own_change_alone() -> None:
    results = set()
    for mutant in mutants_of(SOURCE, "limit.py"):
        if mutant.name.startswith("limited: calls"):
            names: dict[str, object] = {}
            exec(mutant.code(), names)
            limited = names["limited"]
            assert callable(limited)
            try:
                results.add((mutant.name, limited(2)))
            except ValueError:
                results.add((mutant.name, "raised"))
    assert results == {
        ("limited: calls >= MOST -> calls > MOST", 3),
        ("limited: calls >= MOST -> calls < MOST", "raised"),
        ("limited: calls += 1 -> pass", 2),
        ("limited: calls += 1 -> calls -= 1", 1),
    }


@pytest.mark.slow
def test_every_accepted_mutant_is_still_there_and_has_its_reason() -> None:
    accepted = read_accepted().keys()
    files = {name.partition(" ")[0] for name in accepted}
    there = {f"{file} {mutant.name}" for file in files for mutant in mutants_of(Path(file).read_text(), file)}
    assert not accepted - there
