"""tinyproxy as the company's proxy on the way to TLS, and a bad line: loss, delay and reordering by the kernel itself."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import certificates
from tests.flow.test_a_service_out_of_reach import tls_in_front
from tests.harness import ROOT, bulkroute, ids, serving, targets, write_csv

TINYPROXY = shutil.which("tinyproxy") or "/usr/bin/tinyproxy"
FLAGS = ("--no-snapshot", "--json", "--rate", "unlimited", "--backoff", "0.05", "--backoff-cap", "0.2")

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def tinyproxy(folder: Path, rules: str = "") -> Iterator[str]:
    """Run tinyproxy on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "tinyproxy.log"
    (folder / "tinyproxy.conf").write_text(
        f'Port {port}\nListen 127.0.0.1\nLogFile "{log}"\nLogLevel Connect\nMaxClients 50\nAllow 127.0.0.1\n{rules}'
    )
    process = subprocess.Popen(
        [TINYPROXY, "-d", "-c", str(folder / "tinyproxy.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(not Path(TINYPROXY).exists(), reason="tinyproxy is not installed (Debian: tinyproxy)")
@pytest.mark.parametrize("spared", [False, True])
def test_the_proxy_of_the_environment_is_used_and_no_proxy_is_heeded(tmp_path: Path, spared: bool) -> None:
    wanted = targets(ids(40))
    write_csv(tmp_path / "night.csv", wanted)
    with (
        serving(wanted) as service,
        tls_in_front("good", int(service.url.rpartition(":")[2])) as url,
        tinyproxy(tmp_path) as proxy,
    ):
        env = {"SSL_CERT_FILE": str(certificates() / "authority.pem"), "HTTPS_PROXY": proxy}
        env["NO_PROXY"] = "127.0.0.1" if spared else ""
        run = bulkroute("run", "night.csv", "--base-url", url, *FLAGS, cwd=tmp_path, env=env)
        assert run.code == 0, run.err
        assert dict(service.bindings) == wanted
        passed = f"CONNECT {url.removeprefix('https://')}" in (tmp_path / "tinyproxy.log").read_text()
        assert passed is not spared


@pytest.mark.skipif(not Path(TINYPROXY).exists(), reason="tinyproxy is not installed (Debian: tinyproxy)")
def test_a_proxy_that_wants_a_password(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    with tinyproxy(tmp_path, "BasicAuth user hushproxy\n") as proxy:
        run = bulkroute(
            *("run", "night.csv", "--base-url", "https://cc.example.invalid", *FLAGS, "--max-attempts", 2),
            cwd=tmp_path,
            env={"HTTPS_PROXY": proxy},
        )
        asked = (tmp_path / "tinyproxy.log").read_text().count("CONNECT cc.example.invalid")
    assert run.code == 77, run.err
    assert run.summary["stop"] == "proxy"
    assert run.summary["pending"] == 2
    assert "the proxy answered 407" in run.err
    assert "HTTPS_PROXY" in run.err
    assert "hushproxy" not in run.err
    assert asked <= 1, "an account is locked after a few of them"


BAD_LINE = """
import sys
from pathlib import Path
from tests.harness import bulkroute, ids, serving, targets, write_csv
folder = Path(sys.argv[1])
wanted = targets(ids(80))
write_csv(folder / "night.csv", wanted)
with serving(wanted) as service:
    run = bulkroute("run", "night.csv", "--base-url", service.url, "--no-snapshot", "--json", "--rate", "60",
                    "--timeout", "10", "--backoff", "0.05", cwd=folder)
    assert run.code == 0, run.err
    assert dict(service.bindings) == wanted
    assert not service.simulator.violations
"""


@pytest.mark.skipif(not (shutil.which("unshare") and shutil.which("tc")), reason="no unshare or tc (iproute2)")
def test_a_line_that_loses_delays_and_reorders(tmp_path: Path) -> None:
    netem = "tc qdisc add dev lo root netem delay 15ms 10ms loss 3% reorder 20% duplicate 2%"
    line = ["unshare", "--net", "--map-root-user", "sh", "-c", f"ip link set lo up && {netem}"]
    if subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("no right to make a network of its own, or no netem in this kernel")
    line[-1] += ' && exec "$0" -c "$1" "$2"'
    done = subprocess.run(
        [*line, sys.executable, BAD_LINE, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
