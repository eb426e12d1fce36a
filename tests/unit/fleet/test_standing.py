"""How tenants stand from outside: by their ledgers, each state of one, and read again only where they changed."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.fleet.standing import Standing, TenantLedger, view_of_ledger
from bulkroute.fleet.views import BROKE_OFF, ELSEWHERE, ENDED, PREPARING, TO_COME, UNREADABLE, by_need, totals_of
from bulkroute.ledger import lock
from tests.ledgers import made, written


def look(path: Path) -> TenantLedger:
    return TenantLedger(path.stem, path)


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@pytest.fixture
def running(tmp_path: Path) -> Iterator[TenantLedger]:
    """A ledger whose run goes on in this process, which answers at no socket."""
    path = made(tmp_path / "running.db", rows=10, failed=1, ended=False)
    with closing(written(path)) as connection:
        connection.execute("UPDATE row SET status = 'pending' WHERE row > 5")
    with lock.hold(path):
        yield look(path)


@pytest.fixture
def states(tmp_path: Path, running: TenantLedger) -> Iterator[dict[str, TenantLedger]]:
    """Ledgers in each state that one can be in."""
    for name, options in {
        "done": {"rows": 10},
        "failed": {"rows": 10, "failed": 3},
        "broken": {"rows": 10, "ended": False, "pid": dead_pid()},
        "far": {"rows": 10, "ended": False},
    }.items():
        made(tmp_path / f"{name}.db", **options)  # type: ignore[arg-type]  # mypy joins them
    with closing(written(tmp_path / "far.db")) as connection:
        connection.execute("UPDATE run SET host = 'elsewhere'")
    (tmp_path / "far.db.lock").write_text(
        f'{{"pid": {os.getpid()}, "host": "elsewhere", "started": "2026-03-29T02:00:00.000Z"}}'
    )
    (tmp_path / "junk.db").write_text("no ledger")
    written(tmp_path / "begun.db").close()
    with lock.hold(tmp_path / "ready.db"):
        names = ("to_come", "ready", "begun", "done", "failed", "broken", "far", "junk")
        yield {**{name: look(tmp_path / f"{name}.db") for name in names}, "running": running}


@pytest.mark.slow
def test_each_state_of_a_ledger_is_told(states: dict[str, TenantLedger]) -> None:
    found = {name: view_of_ledger(each) for name, each in states.items()}
    assert {name: (view.state, view.exit_code) for name, view in found.items()} == {
        "to_come": (TO_COME, None),
        "ready": (PREPARING, None),
        "begun": (TO_COME, None),
        "done": (ENDED, 0),
        "failed": (ENDED, 1),
        "broken": (BROKE_OFF, None),
        "far": (ELSEWHERE, None),
        "running": ("running", None),
        "junk": (UNREADABLE, None),
    }
    running = found["running"]
    assert (running.total, running.done, running.failed, running.left) == (10, 4, 1, 5)
    assert running.last_failure == "1125397061153369092: business"
    assert running.goes_on
    assert running.asked_per_s == pytest.approx(10 / 600)
    assert running.eta_s == pytest.approx(5 / (10 / 660), rel=0.05)
    assert found["far"].host == "elsewhere"
    assert "this is not a ledger" in found["junk"].reason
    assert [view.tenant for view in by_need(found.values())] == [
        *("failed", "broken", "junk"),  # somebody must act
        "far",
        "running",  # and a row of it has failed
        "ready",
        *("to_come", "begun"),
        "done",
    ]
    totals = totals_of(found.values())
    assert (totals.tenants, totals.ended, totals.succeeded, totals.total, totals.failed) == (9, 2, 1, 50, 4)
    assert totals.states["to come"] == 2
    assert next(iter(totals.states)) == "failed"


def test_a_wait_that_lasts_is_why_a_run_does_not_go_on(running: TenantLedger) -> None:
    with closing(sqlite3.connect(running.ledger)) as connection:
        connection.execute("INSERT INTO wait (run, started_at, ended_at, reason) VALUES (1, 1, 2, 'over')")
        connection.execute("INSERT INTO wait (run, started_at, reason) VALUES (1, 3, 'the service is down')")
        connection.commit()
    view = view_of_ledger(running)
    assert (view.state, view.reason, view.eta_s) == ("waiting", "the service is down", None)


def test_a_rollback_is_shown_as_one(tmp_path: Path) -> None:
    done = look(made(tmp_path / "done.db", rows=10))
    with closing(written(done.ledger)) as connection:
        connection.execute("INSERT INTO batch (created_at, manifest, digest, parent) VALUES (1, 'night.csv', '', 1)")
        connection.execute(
            "INSERT INTO run (batch, command, started_at, pid, host, version, service, exit_code, stopped)"
            " SELECT 2, 'rollback', started_at + 900, pid, host, version, service, 4, 'for the test' FROM run"
        )
    view = view_of_ledger(done)
    assert (view.word, view.reason, view.total) == ("stopped", "rollback: for the test", 0)


async def test_a_ledger_that_has_not_changed_is_not_read_again(tmp_path: Path, running: TenantLedger) -> None:
    done = look(made(tmp_path / "done.db", rows=10))
    standing = Standing([done, running])
    for file in done.ledger.parent.iterdir():
        os.utime(file, (1, 1))
    first = await standing.read()
    second = await standing.read()
    assert second[0] is first[0]
    assert second[1] is not first[1], "a run that goes on was not read again"
    with closing(written(done.ledger)) as connection:
        connection.execute("UPDATE run SET exit_code = 1")
    assert (await standing.read())[0].exit_code == 1
    with closing(written(done.ledger)) as connection:
        connection.execute("UPDATE run SET exit_code = 3")
    assert (await standing.read())[0].exit_code == 3, "what changed within a tick of the clock was missed"
