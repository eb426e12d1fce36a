"""Commands that are recorded for `test_power_loss.py`, and what happens before each."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bulkroute.simulator import Faults
from tests.crash.disk import Image
from tests.crash.launcher import Launcher
from tests.crash.night import PACE
from tests.crash.power import Told
from tests.crash.recording import Operation, recorded
from tests.harness import Result, Service, Target, ids, targets, write_csv
from tests.ledgers import of_format

ROWS = int(os.environ.get("POWER_ROWS", "40"))
SEED = int(os.environ.get("SEED", "7"))

NAME = "night.ledger.db"
TOLD = ("--log-format", "json", "--max-attempts", 12)
RUN, ROLLBACK = ("run", "night.csv"), ("rollback", NAME)
MORE = 15
"""Rows of a first run for each of another one: the WAL of so many is brought into the ledger while it runs."""


@dataclass
class Story:
    """A folder, a service, and what happens before the command that is recorded."""

    folder: Path
    launcher: Launcher
    service: Service
    wanted: dict[str, Target]
    words: tuple[str, ...] = RUN
    in_the_end: dict[str, Target] = field(default_factory=dict)
    """Where routes lead once the command, or the next one, has done its work."""

    def command(self, *words: object, at: str = "", nth: int = 0) -> Result:
        write_csv(self.folder / "night.csv", self.wanted)
        url = ("--base-url", self.service.url)
        return self.launcher.run(*words, *url, *PACE, cwd=self.folder, at=at, nth=nth, patience_s=120).result


def first_run(story: Story) -> None:
    """Nothing was there before."""


def resumed(story: Story) -> None:
    """A run was killed in the middle: its WAL is not yet in the ledger."""
    assert story.command(*RUN, at="call: answered", nth=ROWS // 2).code < 0
    assert (story.folder / f"{NAME}-wal").stat().st_size


def fresh(story: Story) -> None:
    """A batch is not done when a new one is begun."""
    assert story.command(*RUN, "--max-rows", ROWS // 2).code == 4
    story.words = (*RUN, "--fresh")


def next_batch(story: Story) -> None:
    """A batch is done, its manifest is edited, and another hand has changed some of its routes."""
    assert story.command(*RUN).code == 0
    row_ids = list(story.wanted)
    story.wanted |= dict.fromkeys(row_ids[::2], (1, 150))
    story.service.rebind(dict.fromkeys(row_ids[1::4], (3, 250)))


def rollback(story: Story) -> None:
    """A batch is done and is put back."""
    story.in_the_end = dict(story.service.bindings)
    assert story.command(*RUN).code == 0
    story.words = ROLLBACK


def resumed_rollback(story: Story) -> None:
    """A rollback was killed in the middle."""
    rollback(story)
    assert story.command(*ROLLBACK, at="call: bytes gone", nth=ROWS // 2).code < 0


def in_waves(story: Story) -> None:
    """A run in waves was killed in the second; it goes on with it, and reads each wave back."""
    story.words = (*RUN, "--waves", "10%,50%,rest")
    assert story.command(*story.words, at="call: answered", nth=ROWS // 4).code < 0


def plan_in_waves(story: Story) -> None:
    """What is run is a saved plan, which says the waves."""
    assert story.command("plan", "night.csv", "--waves", "10%,50%,rest", "-o", "night.plan").code == 0
    story.words = ("run", "night.plan", "--ledger", NAME)


def _old(version: int) -> Callable[[Story], None]:
    def old(story: Story) -> None:
        story.wanted = targets(ids(9))
        story.words = (*RUN, "--service-moved")
        of_format(version, story.folder / NAME)
        for place, (row_id, target) in enumerate(story.wanted.items()):
            story.service.rebind({row_id: target if place < 3 else (1, 900 + place)})

    old.__doc__ = f"The ledger is of format {version}."
    return old


STORIES: dict[str, Callable[[Story], None]] = {
    "first run": first_run,
    "resume after a kill": resumed,
    "fresh": fresh,
    "next batch": next_batch,
    "rollback": rollback,
    "resumed rollback": resumed_rollback,
    "waves": in_waves,
    "plan in waves": plan_in_waves,
    "format 1": _old(1),
    "format 2": _old(2),
}


@dataclass(frozen=True)
class Recording:
    """What happened while one command ran, from the folder as it was before; and what it left."""

    story: str
    before: Path
    after: Image
    operations: list[Operation]
    words: tuple[str, ...]
    wanted: dict[str, Target]
    in_the_end: dict[str, Target]
    bound: dict[str, Target]
    """Where routes led when it began."""
    came: dict[str, list[bool]]
    """For each call that came in, by id, whether it was carried out."""

    @property
    def checkpoints(self) -> int:
        """How often the ledger itself was synced, beside its WAL, before the first word of the end."""
        names, found = dict[int, str](), 0
        for operation in self.operations:
            if operation.kind == "O":
                names[operation.fd] = operation.name
            elif operation.kind == "S":
                found += names.get(operation.fd) == NAME
            elif operation.kind == "T" and b"run_ended" in operation.data:
                break
        return found


def routes_of(name: str) -> dict[str, Target]:
    """Return the routes that a story is about, and where they are to lead."""
    return targets(ids(ROWS * (MORE if name == "first run" else 1)))


def record(name: str, folder: Path, recorder: Path, launcher: Launcher, service: Service) -> Recording:
    """Let a story happen and record its last command; what the service does wrong meanwhile ends with it."""
    where = folder / "recorded"
    where.mkdir()
    story = Story(where, launcher, service, routes_of(name))
    STORIES[name](story)
    write_csv(where / "night.csv", story.wanted)
    shutil.copytree(where, folder / "before", ignore=shutil.ignore_patterns("*.ctl"))
    bound, calls = dict(service.bindings), len(service.simulator.calls)
    last = list(story.wanted)[
        -2 * len(story.wanted) // 5 :
    ]  # an earlier wave in which a row fails would be the last one
    unlucky = dict.fromkeys(last[::9], "business_ids")
    service.simulator.set_faults(Faults(fail_500=0.1, reset_after=0.1, bad_ids=unlucky))
    url = ("--base-url", service.url)
    slow = list(STORIES).index(name) % 2 == 1
    result, operations = recorded(recorder, where / NAME, *story.words, *url, *PACE, *TOLD, slow=slow)
    assert result.code == 1, result.err
    came: dict[str, list[bool]] = {}
    for call in service.simulator.calls[calls:]:
        if call.endpoint == "modifyCalledRoute":
            came.setdefault(call.id, []).append(call.fault in ("", "reset_after"))
    service.simulator.set_faults(Faults())
    after = {path.name: path.read_bytes() for path in where.iterdir() if is_kept(path)}
    in_the_end = story.in_the_end or bound | story.wanted
    found = Recording(name, folder / "before", after, operations, story.words, story.wanted, in_the_end, bound, came)
    told = Told()
    for operation in operations:
        told.take(operation)
    assert Counter(row_id for row_id, _ in told.calls) == {row_id: len(calls) for row_id, calls in came.items()}
    assert told.exit_code == 1
    assert told.failed.keys() >= unlucky.keys() & came.keys()
    return found


def is_kept(path: Path) -> bool:
    """Tell whether a file is one of those that are recorded."""
    return path.name.lstrip(".").startswith(NAME) and not path.name.endswith((".lock", ".ctl", "-shm"))
