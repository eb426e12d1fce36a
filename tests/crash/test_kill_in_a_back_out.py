"""SIGKILL at the Nth commit and the Nth call of a run that ends in a back-out; then the same command, until it has ended.

What is believed is the service: in the end every route leads where it led before, and no other route was ever called.
"""

import random
import signal
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from bulkroute.simulator import Faults
from tests.crash.launcher import KILLS, Launcher
from tests.crash.night import PACE
from tests.harness import ids, serving, targets, write_csv

IDS = ids(12)
WANTED = targets(IDS[:10])
FLAGS = (*PACE, "--max-failures", "2", "--back-out-on", "limit,no-go", "--json")
IN_USE = Faults(business_ids=0.3)
"""Two or three of the ten rows fail; which, the seed decides."""

SECOND_SAYS_NO = ("--waves", "2,3,rest", "--gate-command", "test $BULKROUTE_WAVE = 1")
"""Three waves, of which the gate after the second says no; nothing fails."""

pytestmark = pytest.mark.slow


class Left(NamedTuple):
    """What a kill left in the ledger."""

    commands: list[str]
    """Of its runs."""
    is_decided: bool
    """Whether a back-out is to be gone on with."""


def left(ledger: Path) -> Left:
    if not ledger.exists():
        return Left([], is_decided=False)
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return Left([], is_decided=False)
        commands = [command for (command,) in connection.execute("SELECT command FROM run ORDER BY run")]
        (decided,) = connection.execute("SELECT count(*) FROM back_out WHERE ended_at IS NULL").fetchone()
        return Left(commands, bool(decided))


@pytest.mark.parametrize(
    ("at", "stop", "gate", "step"),
    [(at, "max_failures", (), 6 if at.startswith("commit") else 3) for at in KILLS]
    + [(at, "gate", SECOND_SAYS_NO, 11 if at.startswith("commit") else 4) for at in KILLS[1:4]],
)
def test_killed_at_any_moment_the_same_command_leads_back(
    tmp_path: Path, launcher: Launcher, at: str, stop: str, gate: tuple[str, ...], step: int
) -> None:
    going_on = 0
    for nth in count(random.Random(at).randint(1, 3), step):
        folder = tmp_path / str(nth)
        folder.mkdir()
        write_csv(folder / "night.csv", WANTED)
        with serving(IDS, Faults() if gate else IN_USE, seed=5) as service:
            before = dict(service.bindings)
            command = ("run", "night.csv", "--base-url", service.url, *FLAGS, *gate)
            struck = launcher.run(*command, cwd=folder, at=at, nth=nth)
            if not struck.struck:
                assert struck.result.code == 7, struck.result.err
                break
            assert struck.result.code == -signal.SIGKILL
            service.all_received()
            found = left(folder / "night.ledger.db")
            again = launcher.run(*command, cwd=folder).result
            assert again.code == 7, again.err
            assert dict(service.bindings) == before
            assert service.simulator.calls_per_id.keys() <= WANTED.keys()
            assert not gate or len(service.simulator.calls_per_id) == 5, "a wave was sent that no gate had let begin"
            assert not service.simulator.violations
            assert again.summary["stop"] == stop
            after = left(folder / "night.ledger.db")
            assert not after.is_decided
            if found.is_decided:
                going_on += 1
                assert "going on with the back-out of batch 1, begun at" in again.err
                assert set(after.commands[len(found.commands) :]) == {"rollback"}, "the batch was sent again"
    assert nth > 3, "too few events were met for this test to mean anything"
    assert going_on or gate or at == "call: answered", "no kill struck a back-out"


@pytest.mark.parametrize("nth", [1, 2])
def test_killed_twice_it_still_leads_back_and_leaves_alone_what_another_hand_moved(
    tmp_path: Path, launcher: Launcher, nth: int
) -> None:
    write_csv(tmp_path / "night.csv", WANTED)
    with serving(IDS, IN_USE, seed=5) as service:
        before = dict(service.bindings)
        command = ("run", "night.csv", "--base-url", service.url, *FLAGS)
        ledger = tmp_path / "night.ledger.db"
        for commits in count(6):
            assert launcher.run(*command, cwd=tmp_path, at="commit: after", nth=commits).struck
            if left(ledger).is_decided:
                break
        moved = next(row_id for row_id, target in WANTED.items() if service.bindings[row_id] == target)
        service.rebind({moved: (1, 999)})
        assert launcher.run(*command, cwd=tmp_path, at="call: bytes gone", nth=nth).result.code == -signal.SIGKILL
        service.all_received()
        ended = launcher.run("rollback", ledger.name, "--base-url", service.url, *PACE, "--json", cwd=tmp_path).result
        assert ended.code == 8, ended.err
        assert service.bindings[moved] == (1, 999)
        assert {**service.bindings, moved: before[moved]} == before
        assert moved in ended.err.partition("not back: ")[2]
        assert not left(ledger).is_decided
