"""The simulator stands apart: what it shared with the client, it could not judge."""

import subprocess
import sys


def test_it_imports_nothing_of_bulkroute_but_itself() -> None:
    code = "import sys, bulkroute.simulator; print(*(name for name in sys.modules if name.startswith('bulkroute')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    names = set(done.stdout.split())
    assert {"bulkroute", "bulkroute.simulator", "bulkroute.simulator.service"} <= names
    assert {name for name in names if not name.startswith("bulkroute.simulator")} == {"bulkroute", "bulkroute.version"}
