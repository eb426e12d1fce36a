"""Reading manifests against the plain libraries, and the start of the command."""

import sys
from pathlib import Path

from tests.bench import manifests
from tests.bench.figures import Finding, at_least, at_most, ratios, spread
from tests.bench.processes import SCRIPT, python, spend

START_ROUNDS = 15


def read(folder: Path, *, csv_rows: int, yaml_rows: int, rounds: int) -> list[Finding]:
    """Read CSV and YAML as bulkroute does and as the libraries alone do."""
    csv_file = manifests.write_csv(folder / "read.csv", csv_rows)
    yaml_file = manifests.write_yaml(folder / "read.yaml", yaml_rows)
    contests: dict[tuple[str, Path], list[float]] = {
        ("bulkroute", csv_file): [],
        ("csv.reader", csv_file): [],
        ("bulkroute", yaml_file): [],
        ("yaml.load", yaml_file): [],
    }
    for _ in range(rounds):
        for (way, path), seconds in contests.items():
            seconds.append(float(spend(python("readers", way, path), cwd=folder).out))
    tenfold = manifests.write_yaml(folder / "tenfold.yaml", 10 * yaml_rows)
    peaks_mib = [spend(python("readers", "bulkroute", path), cwd=folder).peak_mib for path in (tenfold, yaml_file)]
    ours_csv, theirs_csv, ours_yaml, theirs_yaml = contests.values()
    return [
        Finding(
            f"reading {yaml_rows:,} rows of YAML, times faster than yaml.load(CSafeLoader)",
            ratios(theirs_yaml, ours_yaml),
            at_least(5),
        ),
        Finding("memory of reading ten times the YAML", spread([peaks_mib[0] / peaks_mib[1]]), at_most(1.1)),
        Finding(f"reading {csv_rows:,} rows of CSV against csv.reader", ratios(ours_csv, theirs_csv), at_most(3.5)),
    ]


def start(folder: Path) -> list[Finding]:
    """Ask for help, against a Python that does nothing."""
    nothing_s, help_s = [], []
    for _ in range(START_ROUNDS):
        nothing_s.append(spend([sys.executable, "-c", "pass"], cwd=folder).wall_s)
        help_s.append(spend([SCRIPT, "--help"], cwd=folder).wall_s)
    return [Finding("--help against python -c pass", ratios(help_s, nothing_s), at_most(4))]
