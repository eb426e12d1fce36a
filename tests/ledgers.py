"""Ledgers made by hand: of an earlier format, or what would take a run too long (a million rows, odd texts)."""

import os
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bulkroute.ledger.file import checked, open_for_writing

CASES = Path(__file__).with_name("cases") / "ledgers"

OLD_FORMATS = (1, 2)


def of_format(version: int, path: Path) -> Path:
    """Make a ledger as an earlier format had it: batch 3 is `night.csv` with the first nine `ids` and their `targets`."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript((CASES / f"format-{version}.sql").read_text())
    path.chmod(0o600)
    return path


def written(path: Path) -> sqlite3.Connection:
    """Open a ledger as the run that writes it does, making it if there is none."""
    with checked(path):
        pass
    return open_for_writing(path)


def made(
    path: Path,
    *,
    rows: int,
    failed: int = 0,
    run_s: float = 600,
    text: Callable[[int], str] = lambda place: f"the called route is in use by flow {place % 7}",
    ended: bool = True,
    pid: int | None = None,
) -> Path:
    """Make a ledger of one batch with one run, which called each row once at an even pace; the first `failed` failed."""
    connection = written(path)
    start = time.time() - run_s - 60
    connection.execute("BEGIN")
    connection.execute(
        "INSERT INTO batch (batch, created_at, manifest, digest) VALUES (1, ?, 'night.csv', 'd')", (start,)
    )
    connection.execute(
        "INSERT INTO run (run, batch, command, started_at, pid, host, version, service, rate) VALUES (1, 1, 'run', ?, ?, ?, '0', 'http://127.0.0.1', ?)",
        (start, pid or os.getpid(), socket.gethostname(), rows / run_s),
    )
    connection.create_function("text", 1, text)
    connection.execute(
        "WITH RECURSIVE place(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n + 1 < :rows)"
        " INSERT INTO row (row, batch, id, line, devicetype, device_id, status, error, attempts, http_status, return_code,"
        " description, latency_ms, finished_at) SELECT n + 1, 1, CAST(1125397061153369092 + 10 * n AS TEXT), n + 2, 1, 101,"
        " iif(n < :failed, 'failed', 'succeeded'), iif(n < :failed, 'business', NULL), 1, 200, iif(n < :failed, '20002', '0'),"
        " iif(n < :failed, text(n), NULL), 50 + n % 100, :start + :run_s * n / :rows FROM place",
        {"rows": rows, "failed": failed, "start": start, "run_s": run_s},
    )
    connection.execute(
        "INSERT INTO attempt (row, run, number, started_at, latency_ms, verdict, http_status, return_code, description)"
        " SELECT row, 1, 1, finished_at - latency_ms / 1000, latency_ms, iif(status = 'failed', 'business', 'done'), 200,"
        " return_code, description FROM row"
    )
    if ended:
        connection.execute(
            "UPDATE run SET ended_at = ?, seconds = ?, attempts = ?, retries = 0, throttled = 0, exit_code = ?",
            (start + run_s, run_s, rows, 1 if failed else 0),
        )
    connection.execute("COMMIT")
    connection.close()
    return path
