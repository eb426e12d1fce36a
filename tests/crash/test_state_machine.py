"""Runs, rollbacks of any batch, kills, a disk that refuses, outages, "n", manifest edits and other people's changes, in any order.

The model says what the ledger may hold and which calls are owed; the simulator tells which came and what is bound. In the
end `rollback --since 1` puts every route back that a run changed, or tells of it.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.crash.launcher import KILLS, REFUSALS, Launcher
from tests.crash.night import NO_STRIKE, Night
from tests.harness import IN_MEMORY, Target, ids, serving, targets

SEQUENCES = int(os.environ.get("SEQUENCES", "60"))
"""Of 20 commands at most; `make soak` tries more of them."""

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
ON_DRIFT = st.sampled_from(("send", "send", "send", "keep", "stop"))
ONLY = st.one_of(st.none(), st.frozensets(ROUTES, min_size=1))
MOSTLY_STRUCK = st.one_of(
    STRIKES, STRIKES, STRIKES, st.just(NO_STRIKE)
)  # unless it is struck, an outage takes a second
SELDOM_STRUCK = st.one_of(st.just(NO_STRIKE), st.just(NO_STRIKE), STRIKES)
SELDOM = st.sampled_from((False,) * 7 + (True,))


class Nights(RuleBasedStateMachine):
    """One ledger and one service through many nights; in the end everything is put back, or told."""

    launcher: Launcher

    @initialize(there=st.booleans())
    def begin(self, there: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        self.serving = serving(targets(POOL))
        wanted: dict[str, Target] = {POOL[0]: (1, 101), POOL[1]: (3, 102), POOL[2]: (1, 103)}
        self.night = Night(self.folder, self.launcher, self.serving.__enter__(), wanted)
        if there:
            self.night.run()

    def teardown(self) -> None:
        if hasattr(self, "serving"):
            try:
                if self.night.model.latest:
                    self.night.back_to_the_oldest()
            finally:
                self.serving.__exit__(None, None, None)
                shutil.rmtree(self.folder)

    @rule(wanted=MANIFESTS)
    def write_another_manifest(self, wanted: dict[str, Target]) -> None:
        self.night.wanted = wanted

    @rule(changes=CHANGES, edits=EDITS, fresh=SELDOM, without_snapshot=SELDOM, most=MOST, on_drift=ON_DRIFT)
    def run(
        self,
        changes: dict[str, Target],
        edits: dict[str, Target],
        fresh: bool,
        without_snapshot: bool,
        most: int | None,
        on_drift: str,
    ) -> None:
        self.night.rebind(changes)
        self.night.wanted |= edits
        self.night.run(fresh=fresh, snapshot=not without_snapshot, most=most, on_drift=on_drift)

    @rule(edits=MANIFESTS, fresh=SELDOM, without_snapshot=SELDOM, strike=STRIKES)
    def run_and_be_struck(
        self, edits: dict[str, Target], fresh: bool, without_snapshot: bool, strike: tuple[str, int]
    ) -> None:
        self.night.wanted |= edits
        self.night.run(strike, fresh=fresh, snapshot=not without_snapshot)

    @rule(edits=EDITS, without_snapshot=SELDOM, strike=MOSTLY_STRUCK)
    def run_into_an_outage(self, edits: dict[str, Target], without_snapshot: bool, strike: tuple[str, int]) -> None:
        self.night.wanted |= edits
        self.night.run_into_an_outage(strike, snapshot=not without_snapshot)

    @rule(edits=EDITS, fresh=st.booleans())
    def say_no_to_a_run(self, edits: dict[str, Target], fresh: bool) -> None:
        self.night.wanted |= edits
        self.night.decline(fresh=fresh)

    @rule()
    def say_no_to_a_rollback(self) -> None:
        self.night.decline(back=True)

    @rule(changes=CHANGES, most=MOST)
    def rollback(self, changes: dict[str, Target], most: int | None) -> None:
        self.night.rebind(changes)
        self.night.rollback(most=most)

    @rule(changes=CHANGES, strike=STRIKES)
    def rollback_and_be_struck(self, changes: dict[str, Target], strike: tuple[str, int]) -> None:
        self.night.rebind(changes)
        self.night.rollback(strike)

    @precondition(lambda self: self.night.model.batches)
    @rule(data=st.data(), changes=CHANGES, most=MOST, later=st.booleans(), only=ONLY, strike=SELDOM_STRUCK)
    def rollback_of_another_batch(
        self,
        data: st.DataObject,
        changes: dict[str, Target],
        most: int | None,
        later: bool,
        only: frozenset[str] | None,
        strike: tuple[str, int],
    ) -> None:
        self.night.rebind(changes)
        # How many batches there are may hang on moments that no seed decides: what is drawn does not.
        number = 1 + data.draw(st.integers(0, 11)) % len(self.night.model.batches)
        named = {"since": number} if later else {"batch": number}
        self.night.rollback(strike, most=most if strike == NO_STRIKE else None, only=only, **named)

    @rule()
    def verify(self) -> None:
        if self.night.model.latest:
            self.night.verify()


@pytest.mark.slow
def test_any_order_of_runs_rollbacks_kills_and_edits(launcher: Launcher) -> None:
    Nights.launcher = launcher
    often = settings(
        max_examples=SEQUENCES, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Nights, settings=often)
