"""Feeds what reads foreign bytes with files and answers made up by dice: `python -m tests.fuzz plans [INPUTS] [SEED]`.

Each kind is a module with `make`, which makes an input up, and `hold`, which reads it, raises AssertionError unless
what came of it is what such bytes may come to, and tells whether they were taken for good. Of manifests by
number `tests/fuzz_numbers.py` tries what they mean.
"""

import random
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests import fuzz_answers, fuzz_fleets, fuzz_manifests, fuzz_plans


class Kind(NamedTuple):
    """What is read."""

    make: Callable[[random.Random], Any]
    hold: Callable[[Any], bool]


KINDS = {
    "manifests": Kind(fuzz_manifests.make, fuzz_manifests.hold),
    "plans": Kind(fuzz_plans.make, fuzz_plans.hold),
    "answers": Kind(fuzz_answers.make, fuzz_answers.hold),
    "fleets": Kind(fuzz_fleets.make, fuzz_fleets.hold),
}


def fuzz(kind: Kind, inputs: int, seed: int) -> int:
    """Try so many inputs; return how many were taken for good. Raises AssertionError, with the input."""
    dice = random.Random(seed)
    taken = 0
    for number in range(inputs):
        made = kind.make(dice)
        try:
            taken += kind.hold(made)
        except Exception as error:
            raise AssertionError(f"input {number} of seed {seed}: {made!r}") from error
    return taken


def main() -> None:
    name, *numbers = sys.argv[1:]
    inputs = int(numbers[0]) if numbers else 1_000_000
    seed = int(numbers[1]) if len(numbers) > 1 else random.SystemRandom().randrange(2**32)
    started_s = time.monotonic()
    taken = fuzz(KINDS[name], inputs, seed)
    print(f"{name}, seed {seed}: {inputs:,} inputs, {taken:,} taken, in {time.monotonic() - started_s:.0f} s")


if __name__ == "__main__":
    main()
