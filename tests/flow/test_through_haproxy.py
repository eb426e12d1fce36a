"""HAProxy between the client and the simulator: its time-outs, its resets, and a service that it has marked down."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.harness import bulkroute, exported, ids, serving, targets, write_csv

HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(HAPROXY).exists(), reason="HAProxy is not installed (Debian: haproxy)"),
]

FLAGS = ("--no-snapshot", "--json", "--rate", "unlimited", "--backoff", "0.02", "--backoff-cap", "0.1", "--timeout", 5)


@contextlib.contextmanager
def haproxy(folder: Path, upstream: str, rules: str = "") -> Iterator[str]:
    """Run HAProxy before `upstream` (http://host:port); `rules` are lines of its front end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "haproxy.cfg").write_text(
        "defaults\n mode http\n timeout connect 300ms\n timeout client 2s\n timeout server 300ms\n"
        f" timeout http-keep-alive 50ms\nfrontend f\n bind 127.0.0.1:{port}\n{rules} default_backend b\n"
        f"backend b\n retries 0\n server s {upstream.removeprefix('http://')}\n"
    )
    process = subprocess.Popen([HAPROXY, "-db", "-q", "-f", str(folder / "haproxy.cfg")], stderr=subprocess.PIPE)
    with process:
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert process.poll() is None, process.stderr and process.stderr.read()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_its_server_time_out_is_a_504_and_tried_again(tmp_path: Path) -> None:
    wanted = targets(ids(30))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(hang_after=0.3)) as service, haproxy(tmp_path, service.url) as url:
        run = bulkroute("run", "night.csv", "--base-url", url, *FLAGS, "--max-attempts", 10, cwd=tmp_path)
        assert run.code == 0, run.err
        assert run.summary["retries"] > 0
        assert dict(service.bindings) == wanted


def test_a_front_end_that_resets_at_random(tmp_path: Path) -> None:
    wanted = targets(ids(60))
    write_csv(tmp_path / "night.csv", wanted)
    rule = " http-request silent-drop if { rand(100) lt 8 }\n http-request reject if { rand(100) lt 20 }\n"
    with serving(wanted) as service, haproxy(tmp_path, service.url, rule) as url:
        run = bulkroute("run", "night.csv", "--base-url", url, *FLAGS, "--max-attempts", 15, cwd=tmp_path)
        assert run.code == 0, run.err
        assert run.summary["retries"] > 0
        assert dict(service.bindings) == wanted


def test_a_service_that_is_down_behind_it(tmp_path: Path) -> None:
    wanted = targets(ids(5))
    write_csv(tmp_path / "night.csv", wanted)
    env = {"BULKROUTE_TOKEN": "flow-token-hush", "BULKROUTE_APP_KEY": "", "BULKROUTE_APP_SECRET": ""}
    with haproxy(tmp_path, "http://127.0.0.1:9") as url:
        command = ("run", "night.csv", "--base-url", url, *FLAGS, "--max-attempts", 2)
        waited = bulkroute(*command, "--max-outage-wait", 2, cwd=tmp_path, env=env)
        assert waited.code == 4, waited.err
        assert (waited.summary["stop"], waited.summary["pending"]) == ("outage", 5)
        failed = bulkroute(*command, "--max-outage-wait", 0, cwd=tmp_path, env=env)
        assert failed.code == 1, failed.err
    rows = exported(tmp_path / "night.ledger.db").values()
    assert {(row["error"], row["http_status"]) for row in rows} == {("server", "503")}
