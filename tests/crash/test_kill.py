"""SIGKILL at the Nth commit and the Nth call, N rising until a run survives; then the same command again.

What is believed is the service: which calls came, what is bound now. The ledger must never claim more than that, nor
leave a call that may have come without its mark.
"""

import shlex
import signal
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from bulkroute.simulator import Faults
from tests.crash.launcher import KILLS, Launcher
from tests.crash.night import PACE, SLOTS, Night
from tests.harness import Service, Target, exported, ids, serving, targets, write_csv

FLAGS = ("--no-snapshot", *PACE)
TROUBLE = Faults(fail_500=0.2, fail_502=0.1, reset_after=0.1, numeric_return_code=0.1)

pytestmark = pytest.mark.slow


class Found(NamedTuple):
    """A row as a ledger left by a kill has it: `calls` counts those recorded or marked as lost."""

    status: str
    calls: int


def read_rows(ledger: Path) -> dict[str, Found]:
    """Return the rows by id; {} for a ledger that was not made yet."""
    if not ledger.exists():
        return {}
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return {}
        rows = connection.execute("SELECT id, status, attempts FROM row WHERE batch = (SELECT max(batch) FROM batch)")
        return {row_id: Found(status, calls) for row_id, status, calls in rows}


def check_crashed(service: Service, wanted: dict[str, Target], found: dict[str, Found]) -> int:
    """Hold a ledger after a kill against the service; return how many rows it has in doubt."""
    for row_id, row in found.items():
        assert row.status in ("pending", "sent", "succeeded")
        if row.status == "succeeded":
            assert service.bindings[row_id] == wanted[row_id], f"{row_id} is claimed, but was never bound"
    for row_id, calls in service.simulator.calls_per_id.items():
        row = found[row_id]
        assert calls <= row.calls + (row.status == "sent"), f"a call of {row_id} left without a mark"
    in_doubt = sum(row.status == "sent" for row in found.values())
    assert in_doubt <= SLOTS
    return in_doubt


@pytest.mark.parametrize(
    ("at", "faults"),
    [*((at, Faults()) for at in KILLS), ("commit: after", TROUBLE), ("call: bytes gone", TROUBLE)],
    ids=[*KILLS, "commit: after, troubled", "call: bytes gone, troubled"],
)
def test_killed_at_any_moment_a_run_resumes_without_loss(
    tmp_path: Path, launcher: Launcher, at: str, faults: Faults
) -> None:
    wanted = targets(ids(6))
    for nth in count(1):
        folder = tmp_path / str(nth)
        folder.mkdir()
        write_csv(folder / "night.csv", wanted)
        with serving(wanted, faults, seed=nth) as service:
            command = ("run", "night.csv", "--base-url", service.url, *FLAGS, "--max-attempts", 12)
            first = launcher.run(*command, cwd=folder, at=at, nth=nth)
            if not first.struck:
                assert first.result.code == 0, first.result.err
                break
            assert first.result.code == -signal.SIGKILL
            before = service.all_received()
            in_doubt = check_crashed(service, wanted, read_rows(folder / "night.ledger.db"))

            second = launcher.run(*command, "--json", cwd=folder)
            assert second.result.code == 0, second.result.err
            assert dict(service.bindings) == wanted
            assert not service.simulator.violations, "an id was in flight twice"
            answered = sum(call.status == 200 and not call.fault for call in service.simulator.calls if call.id)
            assert answered <= len(wanted) + in_doubt, "more was repeated than was in flight"
            assert second.result.summary["attempts"] == service.modified - before
            assert second.result.summary["succeeded"] == len(wanted)

            if nth == 1:
                third = launcher.run(*command, cwd=folder)
                assert third.result.code == 0
                assert service.modified == before + second.result.summary["attempts"], "a finished batch sent calls"
    assert nth > 3, "too few events were met for this test to mean anything"


def test_killed_again_and_again_every_run_gets_further(tmp_path: Path, launcher: Launcher) -> None:
    wanted = targets(ids(60))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=2)) as service:
        command = ("run", "night.csv", "--base-url", service.url, *FLAGS)
        repeats = 0
        for runs in count(1):
            last = launcher.run(*command, cwd=tmp_path, at="call: answered", nth=8)
            if not last.struck:
                break
            repeats += check_crashed(service, wanted, read_rows(tmp_path / "night.ledger.db"))
            assert runs < 30
        assert last.result.code == 0, last.result.err
        assert runs > 5
        assert dict(service.bindings) == wanted
        assert service.modified <= len(wanted) + repeats
        assert not service.simulator.violations
    assert {record["status"] for record in exported(tmp_path / "night.ledger.db").values()} == {"succeeded"}


def test_a_row_in_doubt_that_left_the_manifest_is_settled_as_the_closing_message_says(
    tmp_path: Path, launcher: Launcher
) -> None:
    wanted = targets(ids(6))
    with serving(wanted) as service:
        night = Night(tmp_path, launcher, service, wanted)
        night.run(("call: answered", 2), snapshot=False)
        row_id = next(row_id for row_id, row in (night.model.batch or {}).items() if row.status == "sent")
        del night.wanted[row_id]
        ended = night.run(snapshot=False).result
        assert ended.code == 1
        assert "1 left, 1 of them in doubt" in ended.err
        *_, advice = ended.err.splitlines()
        purpose, command = advice.split(": ", 1)
        assert purpose == "to settle the rows in doubt"
        settled = launcher.run(*shlex.split(command)[1:], cwd=tmp_path).result
        assert settled.code == 0, settled.err
        assert settled.summary["in_doubt"] == 0
        assert service.simulator.calls_per_id[row_id] <= 1, "it was sent again"
