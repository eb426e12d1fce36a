"""SIGKILL at the Nth commit and the Nth call of a run over another manifest, and of a rollback; then on, and back.

The model says what each route must be bound to afterwards, and how the ledger must stand.
"""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.crash.launcher import KILLS, Launcher
from tests.crash.night import Night
from tests.harness import Service, ids, serving

pytestmark = pytest.mark.slow

POOL = ids(5)


def changed_twice(folder: Path, launcher: Launcher, service: Service) -> Night:
    """Return a night whose rows were sent, then retargeted with two of them sent again, and one changed by somebody else."""
    folder.mkdir()
    night = Night(folder, launcher, service, dict.fromkeys(POOL, (1, 101)))
    night.run()
    night.wanted = dict.fromkeys(POOL, (3, 102))
    night.run(most=2)
    service.simulator.rebind(POOL[-1], 1, 999)
    return night


@pytest.mark.parametrize("at", KILLS)
@pytest.mark.parametrize("command", [Night.run, Night.rollback])
def test_killed_at_any_moment_it_goes_on_or_back(
    tmp_path: Path, launcher: Launcher, command: Callable[..., object], at: str
) -> None:
    with serving(POOL) as service:
        before = {row_id: service.bindings[row_id] for row_id in POOL[:-1]}
        prepared = changed_twice(tmp_path / "0", launcher, service)
        bindings = dict(service.bindings)
        for nth in count(1):
            night = prepared.copied(tmp_path / str(nth))
            service.rebind(bindings)
            killed = night.run((at, nth)) if command is Night.run else night.rollback((at, nth))
            if not killed.struck:
                break
            if nth % 2:
                night.run()
                assert {service.bindings[row_id] for row_id in POOL[:-1]} == {(3, 102)}
            assert night.back_to_the_oldest() in (0, 1), "the row that somebody else changed was not told"
            assert {row_id: service.bindings[row_id] for row_id in POOL[:-1]} == before
    assert nth > 2, "too few events were met for this test to mean anything"


@pytest.mark.parametrize("at", KILLS[:2])
def test_rows_retargeted_while_in_doubt_go_back_where_it_is_known_how_far(
    tmp_path: Path, launcher: Launcher, at: str
) -> None:
    with serving(POOL) as service:
        prepared = changed_twice(tmp_path / "0", launcher, service)
        service.simulator.rebind(POOL[-1], 1, 101)
        prepared.run(("call: answered", 2))
        bindings = dict(service.bindings)
        for nth in count(1):
            night = prepared.copied(tmp_path / str(nth))
            service.rebind(bindings)
            night.wanted = dict.fromkeys(POOL, (1, 103))
            if not night.run((at, nth), snapshot=False).struck:
                break
            night.rollback()
    assert nth > 2, "too few events were met for this test to mean anything"
