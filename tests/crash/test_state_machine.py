"""Runs, rollbacks, kills, a disk that refuses, manifest edits, fresh batches and other people's changes, in any order.

The model says what the ledger may hold and which calls are owed; the simulator tells which came and what is bound.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.crash.launcher import KILLS, REFUSALS, Launcher
from tests.crash.night import NO_STRIKE, Night
from tests.harness import Target, ids, serving, targets

POOL = ids(5)
ROUTES = st.sampled_from(POOL)
TARGETS = st.tuples(st.sampled_from((1, 3)), st.integers(101, 102))
STRIKES = st.one_of(
    st.just(NO_STRIKE),
    st.tuples(st.sampled_from(KILLS[:2]), st.integers(1, 12)),
    st.tuples(st.sampled_from(KILLS[2:]), st.integers(1, 3)),
    st.tuples(st.sampled_from(list(REFUSALS)), st.integers(1, 100)),
)
MOST = st.sampled_from((None, None, None, 1, 2))


class Nights(RuleBasedStateMachine):
    """One ledger and one service through many nights."""

    launcher: Launcher

    @initialize(there=st.booleans())
    def begin(self, there: bool) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.serving = serving(targets(POOL))
        wanted: dict[str, Target] = {POOL[0]: (1, 101), POOL[1]: (3, 102), POOL[2]: (1, 103)}
        self.night = Night(self.folder, self.launcher, self.serving.__enter__(), wanted)
        if there:
            self.night.run()

    def teardown(self) -> None:
        if hasattr(self, "serving"):
            self.serving.__exit__(None, None, None)
            shutil.rmtree(self.folder)

    @rule(wanted=st.dictionaries(ROUTES, TARGETS, min_size=1))
    def edit_the_manifest(self, wanted: dict[str, Target]) -> None:
        self.night.wanted = wanted

    @rule(wanted=st.dictionaries(ROUTES, TARGETS, min_size=1))
    def retarget_rows(self, wanted: dict[str, Target]) -> None:
        self.night.wanted |= wanted

    @rule(changes=st.dictionaries(ROUTES, TARGETS, min_size=1, max_size=2))
    def another_hand_rebinds(self, changes: dict[str, Target]) -> None:
        for row_id, target in changes.items():
            self.night.service.simulator.rebind(row_id, *target)

    @rule(fresh=st.sampled_from((False, False, True)), snapshot=st.sampled_from((True, True, True, False)), most=MOST)
    def run(self, fresh: bool, snapshot: bool, most: int | None) -> None:
        self.night.run(fresh=fresh, snapshot=snapshot, most=most)

    @rule(strike=STRIKES, snapshot=st.sampled_from((True, True, True, False)))
    def run_and_be_struck(self, strike: tuple[str, int], snapshot: bool) -> None:
        self.night.run(strike, snapshot=snapshot)

    @rule(most=MOST)
    def rollback(self, most: int | None) -> None:
        self.night.rollback(most=most)

    @rule(strike=STRIKES)
    def rollback_and_be_struck(self, strike: tuple[str, int]) -> None:
        self.night.rollback(strike)

    @rule()
    def verify(self) -> None:
        if self.night.model.batch is not None:
            self.night.verify()


@pytest.mark.slow
def test_any_order_of_runs_rollbacks_kills_and_edits(launcher: Launcher) -> None:
    Nights.launcher = launcher
    often = settings(max_examples=40, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Nights, settings=often)
