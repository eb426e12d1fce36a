"""A large manifest against a small one: memory, size of the ledger, and runs that find nothing or little to do."""

from pathlib import Path

from tests.bench import commands, manifests
from tests.bench.figures import Finding, at_most, ratios, spread
from tests.bench.processes import SCRIPT, Spent, spend
from tests.bench.sending import fresh, run_command
from tests.bench.service import Nginx


def grow(folder: Path, service: Nginx, *, few: int, many: int, rounds: int) -> list[Finding]:
    """Send a small and a large manifest, then run the large one again, unchanged and changed in one row."""
    spent: dict[int, Spent] = {}
    ledger_bytes: dict[int, int] = {}
    for rows in (few, many):
        manifest = fresh(manifests.write_csv(folder / f"{rows}.csv", rows))
        spent[rows] = spend(run_command(manifest, service.root, "--quiet"), cwd=folder)
        ledger_bytes[rows] = manifest.with_suffix(".ledger.db").stat().st_size
    peaks_mib = {rows: spent[rows].peak_mib for rows in spent}
    return [
        Finding(
            f"peak memory, {many:,} rows against {few:,}", spread([peaks_mib[many] / peaks_mib[few]]), at_most(1.1)
        ),
        Finding(f"peak memory of {many:,} rows", spread([peaks_mib[many] * 1.048576]), at_most(90, "MB")),
        *(Finding(f"ledger, bytes a row at {rows:,}", spread([size / rows])) for rows, size in ledger_bytes.items()),
        *commands.status(folder, manifest.with_suffix(".ledger.db"), rows=many, rounds=rounds),
        *_repeat(folder, manifest, service, rows=many, rounds=rounds),
    ]


def _repeat(folder: Path, manifest: Path, service: Nginx, *, rows: int, rounds: int) -> list[Finding]:
    """Run a finished manifest again."""
    again = run_command(manifest, service.root, "--quiet")
    unchanged_s, changed_s, check_s = [], [], []
    for number in range(rounds):
        unchanged_s.append(spend(again, cwd=folder).wall_s)
        manifests.write_csv(manifest, rows, retargeted={rows // 2: 301 + number})
        changed_s.append(spend(again, cwd=folder).wall_s)
        check_s.append(spend([SCRIPT, "check", manifest], cwd=folder).wall_s)
    return [
        Finding(f"run, {rows:,} rows done, unchanged", spread(unchanged_s), at_most(1.0, "s")),
        Finding(f"run, {rows:,} rows done, one changed, against check", ratios(changed_s, check_s), at_most(1.5)),
    ]
