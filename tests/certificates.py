"""Certificates for the tests, made anew for each test run: no private key lies in the repository."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


@functools.cache
def certificates() -> Path:
    """Return a folder of certificates; the test is skipped where there is no openssl to make them."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = Path(tempfile.mkdtemp(prefix="bulkroute-certificates-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    script = Path(__file__).with_name("certificates.sh")
    subprocess.run(["sh", str(script), str(folder)], check=True, capture_output=True)
    return folder
