"""Commands that a person waits for: the start of `run`, `plan` of live routes, `status` of a large ledger."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench import manifests
from tests.bench.figures import Finding, at_most, ratios, spread
from tests.bench.processes import ENVIRONMENT, SCRIPT, BenchError, spend
from tests.bench.sending import fresh, run_command
from tests.bench.service import Nginx

START_ROUNDS = 10


def start_run(folder: Path, service: Nginx) -> list[Finding]:
    """Run one row, against a Python that does nothing."""
    manifest = manifests.write_csv(folder / "one.csv", 1)
    nothing_s, run_s = [], []
    for _ in range(START_ROUNDS):
        nothing_s.append(spend([sys.executable, "-c", "pass"], cwd=folder).wall_s)
        run_s.append(spend(run_command(fresh(manifest), service.root, "--quiet"), cwd=folder).wall_s)
    return [Finding("run of one row against python -c pass", ratios(run_s, nothing_s), at_most(12))]


@contextlib.contextmanager
def simulator(manifest: Path) -> Iterator[str]:
    """Serve the routes of a manifest, each bound to something earlier; yield the address of the service."""
    command = [SCRIPT, "simulate", "--manifest", str(manifest)]
    environment = ENVIRONMENT | {"BULKROUTE_SIMULATOR_TOKEN": ENVIRONMENT["BULKROUTE_TOKEN"]}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            words = process.stdout.readline().split() if process.stdout else []
            if not words:
                raise BenchError("the simulator does not come up; what it says is above")
            yield words[-1]
        finally:
            process.terminate()


def plan(folder: Path, *, rows: int, rounds: int) -> list[Finding]:
    """Plan as many rows as there are live routes, which are listed until two readings agree, at unlimited rate."""
    manifest = manifests.write_csv(folder / "planned.csv", rows)
    plan_s, check_s = [], []
    with simulator(manifest) as root:
        command = [SCRIPT, "plan", manifest, "--base-url", root, "--rate", "unlimited"]
        for _ in range(rounds):
            plan_s.append(spend(command, cwd=folder).wall_s)
            check_s.append(spend([SCRIPT, "check", manifest], cwd=folder).wall_s)
    what = f"plan of {rows:,} live routes at unlimited rate"
    return [
        Finding(f"{what}, s", spread(plan_s), at_most(5, "s")),
        Finding(f"check of {rows:,} rows, s", spread(check_s)),
    ]


def status(folder: Path, ledger: Path, *, rows: int, rounds: int) -> list[Finding]:
    """Ask how a large ledger stands, and for all that it tells."""
    status_s, report_s = [], []
    for _ in range(rounds):
        status_s.append(spend([SCRIPT, "status", ledger], cwd=folder).wall_s)
        report = folder / "report.html"
        report.unlink(missing_ok=True)
        report_s.append(spend([SCRIPT, "report", ledger, "-o", report], cwd=folder).wall_s)
    return [
        Finding(f"status of {rows:,} rows", spread(status_s), at_most(1.0, "s")),
        Finding(f"report of {rows:,} rows", spread(report_s), at_most(5.0, "s")),
    ]
