"""SIGKILL at commits and calls of a run of three waves with a gate after each but the last; then the same command again.

What is believed is the service, and what the gate itself wrote down before it answered: no id of a wave was called
before the gate after the wave before had said go, whenever the run was struck, and the end is the one that it decided.
"""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulkroute.ledger.ledger import Ledger
from tests.crash.launcher import KILLS, Launcher
from tests.crash.night import PACE
from tests.harness import Service, Target, ids, serving, targets, write_csv

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("SEED", "11"))

SWEEP = "WAVE_SWEEP" in os.environ
"""Whether to strike everywhere, for an hour that somebody has; else at places that the seed draws."""

LAST_EVENT = {"commit: before": 42, "commit: after": 42}
"""How many commits there are, about; calls are as many as rows."""

IN_GATES = (16, 27)
"""Commits in whose surroundings a gate has said not yet."""

GATE = """
printf '%s asked\\n' "$BULKROUTE_WAVE" >> gate.log
if [ ! -e "answers/$BULKROUTE_WAVE" ]; then touch "answers/$BULKROUTE_WAVE"; exit 75; fi
[ "$BULKROUTE_WAVE" -lt "$(cat no-go-after)" ] || exit 1
printf '%s go\\n' "$BULKROUTE_WAVE" >> gate.log
"""
"""Not yet when it is asked first after a wave; then go, or no go after the wave that the file names."""


def strikes() -> Iterator[tuple[str, int]]:
    dice = random.Random(SEED)
    for at in KILLS:
        everywhere = range(1, LAST_EVENT.get(at, 9) + 1)
        drawn = dice.sample(everywhere, 5 if at.startswith("commit") else 2)
        drawn += IN_GATES if at == "commit: after" else ()
        yield from ((at, nth) for nth in (everywhere if SWEEP else sorted(drawn)))


class Night:
    """A run of nine rows in three waves, given again and again."""

    def __init__(
        self, folder: Path, launcher: Launcher, service: Service, wanted: dict[str, Target], no_go: int
    ) -> None:
        folder.mkdir()
        (folder / "answers").mkdir()
        (folder / "gate.sh").write_text(GATE)
        (folder / "no-go-after").write_text(str(no_go))
        write_csv(folder / "night.csv", wanted)
        self.folder, self.launcher, self.service = folder, launcher, service

    def run(self, at: str = "", nth: int = 0, *more: str) -> tuple[bool, int]:
        """Give the command, and hold what was called against what the gate has said; return whether it was struck."""
        gates = ("--waves", "2,2,rest", "--gate-command", "sh gate.sh", "--gate-interval", "0.01s")
        words = ("run", "night.csv", "--base-url", self.service.url, *gates, *more, *PACE, "--json")
        ended = self.launcher.run(*words, cwd=self.folder, at=at, nth=nth)
        if ended.result.code == -signal.SIGKILL:
            self.service.all_received()
        assert ended.result.code in (0, 3, 7, -signal.SIGKILL), ended.result.err
        self.check()
        return ended.struck, ended.result.code

    def rows(self) -> list[dict[str, Any]]:
        with Ledger(self.folder / "night.ledger.db").read() as ledger:
            return list(ledger.require_batch(1).export())

    def said(self, what: str) -> list[int]:
        log = self.folder / "gate.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [int(line.split()[0]) for line in lines if line.split()[1] == what]

    def check(self) -> None:
        called = set(self.service.simulator.calls_per_id)
        if not called:
            return
        wave_of = {row["id"]: row["wave"] for row in self.rows()}
        may_begin = {1, *(wave + 1 for wave in self.said("go"))}
        begun = {wave_of[row_id] for row_id in called}
        assert begun <= may_begin, "a wave has begun whose gate did not say go"
        for wave in begun - {1}:
            before = {row_id for row_id, its in wave_of.items() if its == wave - 1}
            assert before <= called, "a wave has begun before the one before was sent"


@pytest.mark.parametrize("no_go", [3, 2], ids=["to its end", "to a no"])
def test_struck_anywhere_the_same_command_goes_on_and_no_wave_begins_without_its_go(
    tmp_path: Path, launcher: Launcher, no_go: int
) -> None:
    wanted = targets(ids(9))
    struck = 0
    for number, (at, nth) in enumerate(strikes()):
        if no_go == 2 and number % 3 and not SWEEP:
            continue
        with serving(wanted, seed=number) as service:
            before = dict(service.bindings)
            night = Night(tmp_path / str(number), launcher, service, wanted, no_go)
            was_struck, code = night.run(at, nth)
            struck += was_struck
            if code == -signal.SIGKILL:
                _, code = night.run()
            assert code == (0 if no_go == 3 else 3)
            assert not service.simulator.violations, "an id was in flight twice"
            sent = wanted if no_go == 3 else {row["id"]: wanted[row["id"]] for row in night.rows() if row["wave"] < 3}
            assert dict(service.bindings) == before | sent
            assert max(service.simulator.calls_per_id.values()) <= 2
            assert all(night.said("go").count(wave) <= 1 + was_struck for wave in (1, 2))
            if no_go == 2:
                assert night.run() == (False, 3), "the same command asks again"
                assert len(night.said("asked")) > len(set(night.said("asked")))
                (night.folder / "no-go-after").write_text("9")
                assert night.run() == (False, 0), "and goes on once that is mended"
                assert dict(service.bindings) == wanted
    assert struck > (5 if no_go == 3 else 2), "too few events were met for this test to mean anything"


def test_struck_anywhere_a_no_that_leads_back_puts_all_back(tmp_path: Path, launcher: Launcher) -> None:
    wanted, back = targets(ids(9)), ("--back-out-on", "no-go")
    struck = 0
    for number, (at, nth) in enumerate(strikes()):
        if number % 3 == 1 or SWEEP:
            with serving(wanted, seed=number) as service:
                before = dict(service.bindings)
                night = Night(tmp_path / str(number), launcher, service, wanted, 2)
                was_struck, code = night.run(at, nth, *back)
                struck += was_struck
                if code == -signal.SIGKILL:
                    _, code = night.run("", 0, *back)
                assert code == 7
                assert dict(service.bindings) == before
                assert not service.simulator.violations, "an id was in flight twice"
                assert len(service.simulator.calls_per_id) == 4, "the third wave never began"
    assert struck > 2
