"""`make bench`: speed and scale side by side, as ratios within one run, since machines differ.

    python -m tests.bench [--quick]

Prints a table and writes bench.json. Needs nginx; what else is missing is left out and said. Run it on a machine that
does nothing else: every figure is a wall or CPU time of this machine, now.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench import commands, copied, pace, reading, scale, sending
from tests.bench.figures import Finding, table
from tests.bench.processes import BenchError
from tests.bench.service import Nginx, nginx
from tests.bench.tools import missing
from tests.harness import ROOT


class Size(NamedTuple):
    """How much is measured."""

    rounds: int
    rows: int
    pace_s: int
    few: int
    many: int
    yaml_rows: int
    csv_rows: int
    routes: int


FULL = Size(
    rounds=5,
    rows=20_000,
    pace_s=10,
    few=100_000,
    many=1_000_000,
    yaml_rows=50_000,
    csv_rows=1_000_000,
    routes=10_000,
)
QUICK = Size(rounds=1, rows=5_000, pace_s=2, few=10_000, many=50_000, yaml_rows=5_000, csv_rows=100_000, routes=1_000)
PACE_ROUNDS = 2


def measure(folder: Path, size: Size, lost: set[str], tell: Callable[[str], None]) -> list[Finding]:
    """Measure everything that can be, and return the findings."""
    tell("reading and starting")
    found = reading.read(folder, csv_rows=size.csv_rows, yaml_rows=size.yaml_rows, rounds=min(size.rounds, 3))
    found += reading.start(folder)
    if "nginx" in lost:
        return found
    with nginx(folder / "nginx") as service:
        found += _sending(folder, service, size, lost, tell)
    return found


def _sending(folder: Path, service: Nginx, size: Size, lost: set[str], tell: Callable[[str], None]) -> list[Finding]:
    tell(f"rows per second, {size.rounds} rounds of {size.rows:,} rows")
    found = sending.compare(folder, service, lost, rows=size.rows, rounds=size.rounds)
    tell("commands")
    found += commands.start_run(folder, service)
    found += commands.plan(folder, rows=size.routes, rounds=min(size.rounds, 3))
    tell("a copy in PostgreSQL")
    found += copied.cost(folder, service, rows=size.rows, rounds=min(size.rounds, 3))
    tell("pace")
    rounds = min(size.rounds, PACE_ROUNDS)
    found += pace.keep_pace(folder, service, seconds=size.pace_s, rounds=rounds)
    found += pace.cost(folder, service, seconds=size.pace_s, rounds=rounds)
    found += pace.keep_many(folder, service, seconds=size.pace_s, rounds=rounds)
    tell(f"scale, {size.many:,} rows")
    return found + scale.grow(folder, service, few=size.few, many=size.many, rounds=min(size.rounds, 3))


def main() -> int:
    """Measure, print, write; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description="Speed and scale, side by side.")
    parser.add_argument("--quick", action="store_true", help="about a minute: one round, few rows")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "bench.json")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nginx is stopped then, too
    size = QUICK if arguments.quick else FULL
    lost = missing()
    for line in lost.values():
        print(line, file=sys.stderr)
    started_s = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - started_s:4.0f} s: {text} ...", file=sys.stderr, flush=True)

    # In the checkout rather than in /tmp, which may be memory: a ledger's commits have to reach a disk.
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx drops to another user
        try:
            found = measure(folder, size, set(lost), tell)
        except BenchError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    print(table(found))
    _write(arguments.output, found, size, lost)
    print(f"{time.monotonic() - started_s:.0f} s; figures in {arguments.output.name}", file=sys.stderr)
    return 0


def _write(path: Path, found: list[Finding], size: Size, lost: dict[str, str]) -> None:
    figures = [
        {
            "what": finding.what,
            **finding.figure._asdict(),
            "target": str(finding.target) if finding.target else None,
            "reached": finding.target.reached(finding.figure) if finding.target else None,
        }
        for finding in found
    ]
    machine = {"cpus": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version()}
    document = {"size": size._asdict(), "machine": machine, "missing": list(lost), "figures": figures}
    path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
