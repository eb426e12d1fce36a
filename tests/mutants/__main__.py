"""`make mutants`: break the rooms that only compute, and print what share of the breaks a test notices.

Exit 1 where a room is below `LEAST_SHARE`, or where a mutant that is accepted is noticed by a test, or no longer there.
"""

import argparse
import os
import random
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mutants.accepted import read_accepted
from tests.mutants.operators import Mutant, mutants_of
from tests.mutants.room import PYTEST, Room

LEAST_SHARE = 0.9


class Place(NamedTuple):
    """A room: its modules, and the tests that are to notice."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


ROOMS = {
    "settings": Place(("settings/*.py",), ("settings",)),
    "failure_limits": Place(("run/failure_limits.py",), ("run/test_failure_limits.py",)),
    "answers": Place(("cec/answers.py", "cec/token_answers.py", "cec/limits.py"), ("cec",)),
    "resolve": Place(("live/resolve.py", "live/target_index.py"), ("live",)),
    "manifest": Place(("manifest/*.py",), ("manifest",)),
    "rate": Place(("rate/*.py",), ("rate",)),
}


def shown(file: str, mutant: Mutant) -> str:
    """Return a mutant as `accepted.txt` names it."""
    return f"{Path(file).relative_to(Path.cwd())} {mutant.name}"


class Score:
    """What became of the mutants of a room."""

    def __init__(self, accepted: dict[str, str]) -> None:
        self._accepted = accepted
        self.tried = self.noticed = self.equal = self.stale = 0

    def count(self, file: str, mutant: Mutant, noticed: bool) -> None:
        name = shown(file, mutant)
        self.tried += 1
        self.noticed += noticed
        if name in self._accepted:
            self.equal += not noticed
            self.stale += noticed
        if noticed == (name in self._accepted):
            print(
                f"{'noticed, though accepted' if noticed else 'not noticed'}, line {mutant.lines[-1]}:\n{name}",
                flush=True,
            )

    @property
    def share(self) -> float:
        """Of those that make a difference, how many a test notices."""
        return self.noticed / max(self.tried - self.equal, 1)


def mutants(place: Place, only: str) -> list[tuple[str, Mutant]]:
    """Return the mutants of a room's modules, or of those whose path holds `only`."""
    files = [
        file
        for pattern in place.modules
        for file in sorted(Path.cwd().glob(f"bulkroute/{pattern}"))
        if only in str(file)
    ]
    return [(str(file), mutant) for file in files for mutant in mutants_of(file.read_text(), str(file))]


def try_room(name: str, options: argparse.Namespace) -> bool:
    """Try a room in a fork of its own, print its score, and return whether it is good enough."""
    found = mutants(ROOMS[name], options.only)
    if options.sample and options.sample < len(found):
        found = random.Random(options.seed).sample(found, options.sample)
    if not found:
        return True
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    started_s = time.monotonic()
    score = Score(read_accepted())
    tests = [f"tests/unit/{tests}" for tests in ROOMS[name].tests]
    if pytest.main([*PYTEST, *tests], [Room(found, score.count)]):
        print(f"{name}: its tests do not run as they are; see `pytest {' '.join(tests)}`", flush=True)
        os._exit(1)
    took = f"{(time.monotonic() - started_s) / 60:.0f} min"
    print(
        f"{name}: {score.share:.1%} of {score.tried} noticed ({score.noticed}), {score.equal} accepted; {took}",
        flush=True,
    )
    os._exit(0 if score.tried and score.share >= LEAST_SHARE and not score.stale else 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("rooms", nargs="*", default=list(ROOMS), metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--only", default="", help="modules whose path holds this text")
    parser.add_argument("--sample", type=int, help="so many mutants of each room, drawn by --seed, instead of all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failed = [name for name in options.rooms if not try_room(name, options)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
