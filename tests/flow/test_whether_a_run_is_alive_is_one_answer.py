"""`status`, `ctl`, the report and the page agree on whether a run goes on, also where its pid belongs to another process."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.ledger.paths import lock_file
from tests.harness import bulkroute, ids, serving, started, targets, write_csv
from tests.watching import watching


def told(ledger: Path) -> dict[str, str]:
    """Return what each of the four says of the ledger's last run."""
    assert bulkroute("report", ledger.name, "-o", "night.html", "--force", cwd=ledger.parent).code == 0
    page = (ledger.parent / "night.html").read_text()
    _, _, data = page.partition('<script type="application/json" id="data">')
    with watching(ledger) as watch:
        live = watch.snapshot()
    return {
        "status": bulkroute("status", ledger.name, cwd=ledger.parent).out.splitlines()[-1].rpartition("  ")[2],
        "report": json.loads(data.partition("</script>")[0])["state"]["state"],
        "watch": live["state"]["state"],
        "ctl": str(bulkroute("ctl", ledger.name, "status", cwd=ledger.parent).code),
    }


@pytest.mark.slow
def test_a_run_that_was_killed_is_alive_nowhere_whoever_has_its_pid_now(tmp_path: Path) -> None:
    wanted = targets(ids(300))
    write_csv(tmp_path / "night.csv", wanted)
    ledger = tmp_path / "night.ledger.db"
    alive = {"status": "goes on", "report": "running", "watch": "running", "ctl": "0"}
    dead = {"status": "broke off", "report": "killed", "watch": "killed", "ctl": "69"}
    command = ("run", "night.csv", "--no-snapshot", "--rate", "20", "--base-url")
    with serving(wanted) as service, started(*command, service.url, cwd=tmp_path) as process:
        while service.modified < 5:
            assert process.poll() is None
        assert told(ledger) == alive
        process.kill()
        process.wait()
    assert told(ledger) == dead

    # Its pid is given to another process, this one: in the ledger, and in the lock's file that it left.
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        (pid,) = connection.execute("SELECT pid FROM run").fetchone()
        connection.execute("UPDATE run SET pid = ?", (os.getpid(),))
    noted = json.loads(lock_file(ledger).read_text())
    assert noted["pid"] == pid
    lock_file(ledger).write_text(json.dumps(noted | {"pid": os.getpid()}))
    assert told(ledger) == dead
