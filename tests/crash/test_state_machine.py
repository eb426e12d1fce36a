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
from tests.crash.night import Night
from tests.harness import Target, ids, serving, targets

POOL = ids(5)
ROUTES = st.sampled_from(POOL)
TARGETS = st.tuples(st.sampled_from((1, 3)), st.integers(101, 102))
MANIFESTS = st.dictionaries(ROUTES, TARGETS, min_size=1)
EDITS = st.dictionaries(ROUTES, TARGETS)
CHANGES = st.dictionaries(ROUTES, TARGETS, max_size=2)
STRIKES = st.one_of(
    st.tuples(st.sampled_from(KILLS[:2]), st.integers(1, 10)),
    st.tuples(st.sampled_from(KILLS[2:]), st.integers(1, 3)),
    st.tuples(st.sampled_from(list(REFUSALS)), st.integers(1, 90)),
)
MOST = st.sampled_from((None, None, 1, 2))
SELDOM = st.sampled_from((False,) * 7 + (True,))


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

    @rule(wanted=MANIFESTS)
    def write_another_manifest(self, wanted: dict[str, Target]) -> None:
        self.night.wanted = wanted

    @rule(changes=CHANGES, edits=EDITS, fresh=SELDOM, without_snapshot=SELDOM, most=MOST)
    def run(
        self,
        changes: dict[str, Target],
        edits: dict[str, Target],
        fresh: bool,
        without_snapshot: bool,
        most: int | None,
    ) -> None:
        self.night.service.rebind(changes)
        self.night.wanted |= edits
        self.night.run(fresh=fresh, snapshot=not without_snapshot, most=most)

    @rule(edits=MANIFESTS, fresh=SELDOM, without_snapshot=SELDOM, strike=STRIKES)
    def run_and_be_struck(
        self, edits: dict[str, Target], fresh: bool, without_snapshot: bool, strike: tuple[str, int]
    ) -> None:
        self.night.wanted |= edits
        self.night.run(strike, fresh=fresh, snapshot=not without_snapshot)

    @rule(edits=EDITS, without_snapshot=SELDOM)
    def run_into_an_outage(self, edits: dict[str, Target], without_snapshot: bool) -> None:
        self.night.wanted |= edits
        self.night.run_into_an_outage(snapshot=not without_snapshot)

    @rule(edits=EDITS, without_snapshot=SELDOM, strike=STRIKES)
    def run_into_an_outage_and_be_struck(
        self, edits: dict[str, Target], without_snapshot: bool, strike: tuple[str, int]
    ) -> None:
        self.night.wanted |= edits
        self.night.run_into_an_outage(strike, snapshot=not without_snapshot)

    @rule(changes=CHANGES, most=MOST)
    def rollback(self, changes: dict[str, Target], most: int | None) -> None:
        self.night.service.rebind(changes)
        self.night.rollback(most=most)

    @rule(changes=CHANGES, strike=STRIKES)
    def rollback_and_be_struck(self, changes: dict[str, Target], strike: tuple[str, int]) -> None:
        self.night.service.rebind(changes)
        self.night.rollback(strike)

    @rule()
    def verify(self) -> None:
        if self.night.model.batch is not None:
            self.night.verify()


@pytest.mark.slow
def test_any_order_of_runs_rollbacks_kills_and_edits(launcher: Launcher) -> None:
    Nights.launcher = launcher
    often = settings(max_examples=20, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Nights, settings=often)
