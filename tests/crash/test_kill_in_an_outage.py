"""SIGKILL while rows are withheld, while the service is down, and while it is probed: nothing failed, nothing lost."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.crash.launcher import KILLS, Launcher
from tests.crash.test_kill import check_crashed, read_rows
from tests.harness import bulkroute, ids, serving, targets, write_csv

FLAGS = ("--no-snapshot", "--rate", "50", "--concurrency", "2", "--max-attempts", "1")
DONE_FIRST = 10
"""Calls, more or less, that are let in before the outage begins."""

PROBE_GAPS_S = {"withheld rows": (1.0, 10.0), "probing": (0.1, 0.4)}
"""The first and the longest gap before a probe: as in a cutover where none may come, else a tenth."""

AWAY = Faults(outages=(f"{DONE_FIRST / 50}s+1000s:503@modify", f"{DONE_FIRST / 50}s+1000s:503@read"))

STATES = {
    "withheld rows": {"call": (13, 15, 16), "commit": (27, 31)},
    "probing": {"call": (19, 20, 21), "commit": (46, 50)},
}
"""At which call, or commit (more or less), a run is in which state; from the 19th call on each is a probe."""

pytestmark = pytest.mark.slow

STRIKES = [
    pytest.param(state, at, nth, id=f"{state}, {at}, {nth}")
    for state, moments in STATES.items()
    for at in KILLS
    for nth in moments[at.partition(":")[0]]
]


def waits(ledger: Path) -> bool:
    """Tell whether a ledger that a kill left says that its run was waiting."""
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM wait WHERE ended_at IS NULL").fetchone()
        return bool(count)


@pytest.mark.parametrize(("state", "at", "nth"), STRIKES)
def test_killed_in_an_outage_nothing_is_failed_and_the_run_resumes(
    tmp_path: Path, launcher: Launcher, state: str, at: str, nth: int
) -> None:
    wanted = targets(ids(40))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, AWAY) as service:
        command = ("run", "night.csv", "--base-url", service.url, *FLAGS)
        struck = launcher.run(*command, cwd=tmp_path, at=at, nth=nth, probe_gaps_s=PROBE_GAPS_S[state])
        assert struck.struck, struck.result.err
        assert struck.result.code == -signal.SIGKILL
        assert service.all_received() <= nth + 1
        in_doubt = check_crashed(service, wanted, read_rows(tmp_path / "night.ledger.db"))
        assert in_doubt <= 2
        if at.startswith("call"):  # calls that end together share a commit: on a busy machine there are fewer
            assert waits(tmp_path / "night.ledger.db") == (state == "probing")
        done = sum(row.status == "succeeded" for row in read_rows(tmp_path / "night.ledger.db").values())

        service.simulator.set_faults(Faults())
        seen = service.modified
        again = launcher.run(*command, "--json", cwd=tmp_path)
        assert again.result.code == 0, again.result.err
        assert dict(service.bindings) == wanted
        assert again.result.summary["succeeded"] == len(wanted)
        assert service.modified - seen <= len(wanted) - done
        assert not service.simulator.violations


def test_killed_in_an_outage_and_run_again_into_it_the_run_waits_again(tmp_path: Path, launcher: Launcher) -> None:
    wanted = targets(ids(40))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, AWAY) as service:
        command = ("run", "night.csv", "--base-url", service.url, *FLAGS)
        assert launcher.run(*command, cwd=tmp_path, at="call: answered", nth=19).struck
        given_up = launcher.run(*command, "--max-outage-wait", "3", "--json", cwd=tmp_path)
        assert given_up.result.code == 4, given_up.result.err
        assert given_up.result.summary["stop"] == "outage"
        assert given_up.result.summary["failed"] == given_up.result.summary["in_doubt"] == 0
        service.simulator.set_faults(Faults())
        assert bulkroute(*command, cwd=tmp_path).code == 0
        assert dict(service.bindings) == wanted
