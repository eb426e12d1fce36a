"""Power is cut at moments all over real runs, in every way that a disk may then look; and the next run goes on.

What a command wrote, synced, told and sent is recorded (`recorder.c`, `power_nights.py`); from that come images of the
disk after power loss (`disk.py`). Each is held against what had been told and sent by then (`power.py`): no outcome that
was told is missing, each call that left is on record or in doubt, and the ledger is one to go on with. Some are gone on
with by the real command. A disk that does not heed syncs must be found out. `make power-loss` tries many more images.
"""

import hashlib
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash.disk import Disk, Image
from tests.crash.launcher import Launcher
from tests.crash.night import PACE
from tests.crash.power import Held, Told, troubles
from tests.crash.power_nights import NAME, SEED, STORIES, Recording, is_kept, record, routes_of
from tests.crash.recording import Operation, built, recorded
from tests.harness import IN_MEMORY, Service, ids, serving

pytestmark = pytest.mark.slow

CUTS = int(os.environ.get("POWER_CUTS", "30"))
"""Moments of a recording at which power is cut, beside those at its beginning and its end."""
IMAGES = int(os.environ.get("POWER_IMAGES", "3"))
"""Disks that are tried at each moment, beside the one that a kill leaves."""
WHOLE = int(os.environ.get("POWER_WHOLE", "2"))
"""Moments after which the real command goes on."""
THOROUGH = "POWER_CUTS" in os.environ
"""Whether the disk that heeds no syncs is tried to the end too."""

GoOn = Callable[[Path, Told], None]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("recorder"))


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        yield Path(name)


@dataclass
class Found:
    """What came of the disks after a recording's moments."""

    moments: int
    images: int = 0
    with_calls: int = 0
    after_the_end: int = 0
    gone_on: int = 0
    troubles: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = Counter(each.split(": ")[1] for each in self.troubles)
        return (
            f"{self.images} disks at {self.moments} moments ({self.with_calls} after a call, {self.after_the_end} after"
            f" the end was told; {self.gone_on} gone on with): {dict(kinds) or 'no trouble'}"
        )


def moments(operations: list[Operation], dice: random.Random, *, made_here: bool) -> set[int]:
    """Return after how many operations power is cut: some of all, all after the end, all before the first call of a new ledger."""
    first_call = next(place for place, each in enumerate(operations) if each.kind == "C")
    told_end = max(place for place, each in enumerate(operations) if each.kind == "T")
    everywhere = range(len(operations) + 1)
    drawn = dice.sample(everywhere, min(CUTS, len(everywhere)))
    return {*drawn, *everywhere[told_end + 1 :][-CUTS:], *(everywhere[: first_call + 1] if made_here else ())}


def after_each(recording: Recording, folder: Path, go_on: GoOn | None = None, *, heeds_syncs: bool = True) -> Found:
    """Cut power at many moments of a recording, look at what is left, and after some `go_on`."""
    dice = random.Random(f"{SEED} {recording.story}")
    kept = [path for path in recording.before.iterdir() if is_kept(path)]
    disk, told = Disk(kept, heeds_syncs=heeds_syncs), Told()
    before = Held.by(put({path.name: path.read_bytes() for path in kept}, folder, dice))
    at = moments(recording.operations, dice, made_here=not kept)
    whole = dice.sample(sorted(at), WHOLE)
    found, seen = Found(len(at)), set[tuple[str, int, int]]()
    for place, operation in enumerate((None, *recording.operations)):
        if operation is not None:
            disk.do(operation)
            told.take(operation)
        if place not in at:
            continue
        for number in range(IMAGES + 1):
            image = disk.after_power_loss(dice) if number else disk.now
            if go_on and number == 1 and place in whole:
                go_on(put(image, folder, dice).parent, told)
                found.gone_on += 1
            if (key := (digest(image), len(told.calls), told.words)) in seen:
                continue
            seen.add(key)
            found.images += 1
            found.with_calls += bool(told.calls)
            found.after_the_end += told.exit_code is not None
            said = troubles(put(image, folder, dice), before, told)
            found.troubles += [f"after {place} of {len(recording.operations)}, disk {number}: {each}" for each in said]
        if not (heeds_syncs or THOROUGH) and has_lost(found):
            break
    if heeds_syncs:
        assert disk.now == recording.after, "the recording is not all that was done"
    return found


def put(image: Image, folder: Path, dice: random.Random) -> Path:
    """Make a folder hold an image, now and then beside what shared memory may have left; return its ledger."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in image.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    if dice.random() < 0.2:
        (folder / f"{NAME}-shm").write_bytes(dice.randbytes(32768))
    return folder / NAME


def digest(image: Image) -> str:
    return hashlib.sha256(b"".join(name.encode() + content for name, content in sorted(image.items()))).hexdigest()


def has_lost(found: Found) -> bool:
    return any(": lost: " in each for each in found.troubles) and any(": unmarked: " in each for each in found.troubles)


def same_command(recording: Recording, launcher: Launcher, service: Service) -> GoOn:
    """Return what gives the recorded command once more, to a service that is as it was when power was lost."""

    def go_on(folder: Path, told: Told) -> None:
        for name in ("night.csv", "night.plan"):
            if (recording.before / name).exists():
                shutil.copy(recording.before / name, folder)
        bound, calls = dict(recording.bound), Counter[str]()
        for row_id, target in told.calls:
            if recording.came[row_id][calls[row_id]]:
                bound[row_id] = target
            calls[row_id] += 1
        service.rebind(bound)
        words = [word for word in recording.words if word != "--fresh"]
        ended = launcher.run(*words, "--base-url", service.url, *PACE, cwd=folder, patience_s=120).result
        assert ended.code == 0 or "nothing to put back" in ended.err, ended.err
        assert dict(service.bindings) == recording.in_the_end
        assert not service.simulator.violations

    return go_on


@pytest.mark.parametrize("name", STORIES)
def test_whatever_power_loss_leaves_is_true_and_gone_on_with(
    folder: Path, recorder: Path, launcher: Launcher, name: str
) -> None:
    with serving(routes_of(name), seed=SEED) as service:
        recording = record(name, folder, recorder, launcher, service)
        found = after_each(recording, folder / "disk", same_command(recording, launcher, service))
    print(f"\n{name}: {len(recording.operations)} operations, {recording.checkpoints} checkpoints; {found}")
    assert not found.troubles, "\n".join(found.troubles[:20])
    assert found.with_calls
    assert found.after_the_end
    assert found.gone_on == WHOLE
    assert recording.checkpoints or name != "first run", "too few rows for this to mean anything"

    control = after_each(recording, folder / "disk", heeds_syncs=False)
    print(f"{name}, on a disk that heeds no syncs: {control}")
    assert has_lost(control), "a disk that loses what was synced was not found out: this test means nothing"


@pytest.mark.parametrize("old", [None, b"id,devicetype,deviceId\n1125397061153369092,1,101\n"], ids=["new", "replaced"])
def test_a_snapshot_is_the_old_one_or_the_new_one_and_the_new_one_in_the_end(
    folder: Path, recorder: Path, launcher: Launcher, old: bytes | None
) -> None:
    """What is kept for the way back, or approved, must be on disk when the command has ended."""
    target = folder / "before.csv"
    if old:
        target.write_bytes(old)
    there = {target.name: old} if old else {}
    with serving(ids(400)) as service:
        words = ("snapshot", "-o", target.name, "--force", "--base-url", service.url)
        result, operations = recorded(recorder, target, *words)
        assert result.code == 0, result.err
        new, dice = target.read_bytes(), random.Random(SEED)
        for heeds_syncs in (True, False):
            put(there, folder / "base", dice)
            disk = Disk([folder / "base" / name for name in there], heeds_syncs=heeds_syncs)
            images = []
            for operation in operations:
                disk.do(operation)
                images.append([disk.after_power_loss(dice) for _ in range(10)])
            whole = all(image.get(target.name) in (old, new) for each in images for image in each)
            in_the_end = all(image.get(target.name) == new for image in images[-1])
            assert (whole, in_the_end) == (heeds_syncs, heeds_syncs)
            if heeds_syncs:
                left = next(image for each in images for image in each if any("partial" in name for name in image))
        put(left, folder / "disk", dice)
        assert launcher.run(*words, cwd=folder / "disk").result.code == 0
        assert not list((folder / "disk").glob(".before*"))
        assert (folder / "disk" / target.name).read_bytes() == new
