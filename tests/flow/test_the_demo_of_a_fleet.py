"""`make fleet` as somebody sees it first: all of it runs on this machine alone, and leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, environment
from tests.postgres import programs


@pytest.mark.slow
def test_tenants_end_as_they_should_and_a_second_host_goes_on_with_those_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "bulkroute").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bulkroute "$@"\n')
    (tmp_path / "bulkroute").chmod(0o755)
    tmp_path.chmod(0o755)
    plain = environment(measured=False)
    env = {**plain, "PATH": f"{tmp_path}:{plain['PATH']}", "TMPDIR": "/tmp"}
    demo = ["sh", str(ROOT / "manifests" / "fleet.sh")]
    done = subprocess.run(demo, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 of 4 tenants done; 180 of 240 rows done, 0 failed, 60 left" in done.stderr
    if programs():
        assert "taken over from" in done.stderr
        assert "4 of 4 tenants done; 240 of 240 rows done, 0 failed, 0 left" in done.stderr
    else:
        assert "PostgreSQL is not installed" in done.stdout
