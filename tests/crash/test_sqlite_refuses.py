"""The Nth SQLite statement is refused, for every N: exit 5 with what to do, a ledger in a legal state, and it goes on.

Three commands are tried, each with all it may meet: the first run of a manifest, one that resumes, a rollback that does.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.crash.launcher import REFUSALS, Launcher
from tests.crash.night import NO_STRIKE, Night
from tests.crash.test_kill import FLAGS, check_crashed, read_rows
from tests.harness import Service, ids, serving, targets, write_csv

pytestmark = pytest.mark.slow

POOL = ids(6)
BEFORE = dict.fromkeys(POOL, (1, 100))
WANTED = {POOL[0]: (1, 101), POOL[1]: (3, 102), POOL[2]: (1, 103), POOL[3]: (1, 100)}


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(POOL) as service:
        service.rebind(BEFORE)
        yield service


def first_run(night: Night) -> None:
    """Nothing was there before."""


def resumed_run(night: Night) -> None:
    """A run was killed with calls under way, and somebody else changed a route of it; then the manifest was edited."""
    night.run(("call: answered", 2))
    in_doubt = [row_id for row_id, row in (night.model.batch or {}).items() if row.status == "sent"]
    assert len(in_doubt) > 1
    night.service.simulator.rebind(in_doubt[0], 3, 999)
    del night.wanted[POOL[0]]
    night.wanted |= {POOL[1]: (3, 104), POOL[4]: (1, 105)}


def resumed_rollback(night: Night) -> None:
    """So was a rollback, of a batch of which one row was sent without a snapshot."""
    night.run(snapshot=False, most=1)
    night.run()
    night.rollback(("call: answered", 2))
    in_doubt = [row_id for row_id, row in (night.model.back or {}).items() if row.status == "sent"]
    assert in_doubt
    night.service.simulator.rebind(in_doubt[0], 3, 999)


@pytest.mark.parametrize(("prepare", "first"), [(first_run, 0), (resumed_run, 1), (resumed_rollback, 2)])
def test_a_refused_statement_ends_the_command_in_good_order(
    tmp_path: Path, launcher: Launcher, service: Service, prepare: Callable[[Night], None], first: int
) -> None:
    """Each statement is refused in turn, each time for the next of the reasons."""
    refusals = list(REFUSALS)
    command = Night.rollback if prepare is resumed_rollback else Night.run
    (tmp_path / "0").mkdir()
    prepared = Night(tmp_path / "0", launcher, service, WANTED)
    prepare(prepared)
    bindings = dict(service.bindings)
    for nth in count(1):
        night = prepared.copied(tmp_path / str(nth))
        service.rebind(bindings)
        if not command(night, (refusals[(first + nth) % len(refusals)], nth)).struck:
            break
        command(night, NO_STRIKE)
    assert nth > 50, "too few statements were met for this test to mean anything"


def test_a_file_that_may_not_grow_ends_the_run_in_good_order(tmp_path: Path, launcher: Launcher) -> None:
    wanted = targets(ids(120))
    kilobytes = 0
    for kilobytes in (*range(1, 64, 6), *range(64, 4096, 128)):
        folder = tmp_path / str(kilobytes)
        folder.mkdir()
        write_csv(folder / "night.csv", wanted)
        ledger = folder / "night.ledger.db"
        with serving(wanted) as service:
            command = ("run", "night.csv", "--base-url", service.url, *FLAGS, "--quiet")
            first = launcher.run(*command, cwd=folder, file_limit=kilobytes * 1024, patience_s=20)
            if first.result.code == 0:
                break
            assert first.result.code == 5, f"{kilobytes} KiB: {first.result.err}"
            assert "Traceback" not in first.result.err
            assert ";" in first.result.err.splitlines()[-1], f"it does not say what to do: {first.result.err}"
            check_crashed(service, wanted, read_rows(ledger))

            second = launcher.run(*command, cwd=folder)
            assert second.result.code == 0, f"{kilobytes} KiB: {second.result.err}"
            assert dict(service.bindings) == wanted
    assert kilobytes > 40, "the first run survived too early for this test to mean anything"
