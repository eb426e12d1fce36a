"""The target of the fuzzer takes every corpus file; with atheris at hand it is also let loose for a few seconds."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz_manifests import read
from tests.harness import ROOT, environment

CASES = ROOT / "tests" / "cases" / "manifests"


@pytest.mark.parametrize("kind", [*range(6), 8, 9])
def test_every_case_in_every_kind_of_block(kind: int) -> None:
    for path in CASES.iterdir():
        read(bytes([kind]) + path.read_bytes())


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
def test_the_fuzzer_finds_nothing_in_a_few_seconds(tmp_path: Path) -> None:
    found = tmp_path / "found"  # the fuzzer keeps what it finds interesting in the first folder it is given
    found.mkdir()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzz_manifests",
            "-max_total_time=5",
            f"-artifact_prefix={tmp_path}/",
            str(found),
            str(CASES),
        ],
        cwd=ROOT,
        env=environment(measured=False),
        capture_output=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
