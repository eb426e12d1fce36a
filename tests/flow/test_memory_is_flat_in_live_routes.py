"""The memory of a plan does not grow with the number of live routes."""

import subprocess
import sys
from pathlib import Path

import pytest

from bulkroute.simulator import Route
from tests.harness import environment, serving, write_csv

FEW, MANY = 10_000, 100_000
FLAT = 1.3

# Not ru_maxrss: that of a new process begins with what the one that started it held.
PEAK = """
import sys
from pathlib import Path
from bulkroute.cli import main
try:
    main(sys.argv[1:])
finally:
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0], file=sys.stderr)
"""


def peak_kib(folder: Path, routes: int) -> int:
    """Return the most memory that planning held, every live route being in the manifest."""
    known = [Route(str(1125397061153369091 + 10 * number), 1, 101 + number % 40) for number in range(routes)]
    write_csv(folder / f"{routes}.csv", {route.id: (3, 201 + place % 20) for place, route in enumerate(known)})
    with serving(known, keep_calls=False) as service:
        done = subprocess.run(
            [sys.executable, "-c", PEAK, "plan", f"{routes}.csv", "--base-url", service.url, "--rate", "unlimited"],
            cwd=folder,
            env=environment(measured=False),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert f"{routes:,} to change" in done.stdout
        assert service.simulator.calls_per_endpoint["queryCalledRoute"] == routes / 100
    return int(done.stderr.split()[-1])


@pytest.mark.slow
def test_a_plan_over_100_000_live_routes_takes_little_more_memory_than_over_10_000(tmp_path: Path) -> None:
    few, many = peak_kib(tmp_path, FEW), peak_kib(tmp_path, MANY)
    print(f"plan: {few:,} KiB over {FEW:,} live routes, {many:,} KiB over {MANY:,}")
    assert many <= few * FLAT
