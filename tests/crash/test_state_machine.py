"""Runs, kills, manifest edits, fresh batches and other people's changes, in any order, against a model of what must be.

The model knows which rows the ledger owes and which it may claim; the simulator tells what is bound.
"""

import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.crash.launcher import KILLS, Launcher
from tests.crash.test_kill import FLAGS, SLOTS, read_rows
from tests.harness import Target, ids, serving, targets, write_csv

POOL = ids(8)
TARGETS = st.tuples(st.sampled_from((1, 3)), st.integers(101, 104))


class Nights(RuleBasedStateMachine):
    """One ledger and one service through many nights. Rollbacks belong here as another rule, beside `fresh`."""

    launcher: Launcher

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.ledger = self.folder / "night.ledger.db"
        self.serving = serving(targets(POOL))
        self.service = self.serving.__enter__()
        self.wanted: dict[str, Target] = {POOL[0]: (1, 101), POOL[1]: (3, 102), POOL[2]: (1, 103)}
        self.claimed: dict[str, Target] = {}  # done in this batch, and for which target
        self.in_doubt: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "serving"):
            self.serving.__exit__(None, None, None)
            shutil.rmtree(self.folder)

    def command(self, *more: str) -> tuple[object, ...]:
        write_csv(self.folder / "night.csv", self.wanted)
        return ("run", "night.csv", "--base-url", self.service.url, *FLAGS, *more)

    @rule(row_id=st.sampled_from(POOL), to=TARGETS)
    def set_row(self, row_id: str, to: Target) -> None:
        self.wanted[row_id] = to

    @precondition(lambda self: len(self.wanted) > 1)
    @rule(data=st.data())
    def drop_row(self, data: st.DataObject) -> None:
        # Rows in doubt stay in the manifest: without them the batch cannot be finished.
        if free := sorted(self.wanted.keys() - self.in_doubt):
            del self.wanted[data.draw(st.sampled_from(free))]
            self.wanted = self.wanted or {POOL[0]: (1, 101)}

    @rule(row_id=st.sampled_from(POOL), to=TARGETS)
    def another_hand_rebinds(self, row_id: str, to: Target) -> None:
        self.service.simulator.rebind(row_id, *to)

    @rule(fresh=st.booleans())
    def run(self, fresh: bool) -> None:
        if fresh:
            self.claimed = {}
        owed = {row_id: target for row_id, target in self.wanted.items() if self.claimed.get(row_id) != target}
        before = self.service.modified
        ended = self.launcher.run(*self.command(*(["--fresh"] if fresh else [])), cwd=self.folder)
        assert ended.result.code == 0, ended.result.err
        assert self.service.modified - before == len(owed), "sent something that was done, or left something out"
        for row_id, target in owed.items():
            assert self.service.bindings[row_id] == target
        self.claimed |= self.wanted
        self.in_doubt = set()

    @rule(at=st.sampled_from(KILLS), nth=st.integers(1, 6))
    def run_and_die(self, at: str, nth: int) -> None:
        calls = dict(self.service.simulator.calls_per_id)
        ended = self.launcher.run(*self.command(), cwd=self.folder, at=at, nth=nth)
        assert ended.result.code in (0, -signal.SIGKILL), ended.result.err
        self.service.all_received()
        found = read_rows(self.ledger)
        called = {
            row_id for row_id, count in self.service.simulator.calls_per_id.items() if count > calls.get(row_id, 0)
        }
        for row_id in called:
            assert self.claimed.get(row_id) != self.wanted[row_id], "what was done was sent again"
            assert found[row_id].status in ("sent", "succeeded")
        self.in_doubt = {row_id for row_id, row in found.items() if row.status == "sent"}
        for row_id, row in found.items():
            if row.status == "succeeded" and row_id in called:
                assert self.service.bindings[row_id] == self.wanted[row_id]
                self.claimed[row_id] = self.wanted[row_id]
            elif row.status != "succeeded":
                self.claimed.pop(row_id, None)

    @invariant()
    def never_twice_in_flight(self) -> None:
        if hasattr(self, "service"):
            assert not self.service.simulator.violations
            assert len(self.in_doubt) <= SLOTS


@pytest.mark.slow
def test_any_order_of_runs_kills_and_edits(launcher: Launcher) -> None:
    Nights.launcher = launcher
    often = settings(max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Nights, settings=often)
