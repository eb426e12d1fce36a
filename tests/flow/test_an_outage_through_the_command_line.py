"""An outage as an operator meets it: the real command line in real time, and what it says, shows and leaves behind."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bulkroute.simulator import Faults
from tests.certificates import certificates
from tests.flow.test_a_service_out_of_reach import tls_in_front
from tests.flow.test_signals_stop_in_good_order import wait_for
from tests.harness import Result, bulkroute, exported, ids, serving, started, targets, write_csv
from tests.watching import watching

RATE = ("--rate", "40", "--no-snapshot")
STATIC = {"BULKROUTE_APP_KEY": "", "BULKROUTE_APP_SECRET": ""}

pytestmark = pytest.mark.slow


def ended(process: Any) -> Result:
    out, err = process.communicate(timeout=120)
    return Result(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("kind", ["refused", "reset", "hang"])
def test_a_night_goes_on_by_itself(tmp_path: Path, kind: str) -> None:
    wanted = targets(ids(120))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=20, outages=(f"1s+3s:{kind}",))) as service:
        result = bulkroute(
            *("run", "night.csv", "--base-url", service.url, *RATE, "--timeout", "1", "--json"), cwd=tmp_path
        )
        assert result.code == 0, result.err
        assert dict(service.bindings) == wanted
        assert not service.simulator.violations
    assert result.summary["failed"] == 0
    assert "service down (8 rows: " in result.err
    assert "service back after" in result.err
    assert "get their tries back" in result.err


def is_down(metrics: str) -> bool:
    lines = [line for line in metrics.splitlines() if line.startswith("bulkroute_state{")]
    return any("down" in line and line.endswith(" 1.0") for line in lines)


def test_it_is_told_shown_and_measured_and_resume_ends_it(tmp_path: Path) -> None:
    wanted = targets(ids(120))
    write_csv(tmp_path / "night.csv", wanted)
    metrics, ledger = tmp_path / "night.prom", "night.ledger.db"

    command = ("run", "night.csv", *RATE, "--log-format", "json", "--metrics-file", metrics)
    with serving(wanted, Faults(latency_ms=20, outages=("1s+1000s:503",))) as service:
        with started(*command, "--base-url", service.url, cwd=tmp_path) as process:
            wait_for(lambda: metrics.exists() and is_down(metrics.read_text()))
            told = json.loads(bulkroute("ctl", ledger, "status", "--json", cwd=tmp_path).out)
            assert told["state"] == "down"
            assert told["reason"].startswith("service down (8 rows: HTTP 503")
            assert told["since"] < told["until"]
            assert told["pauses"][0]["cause"] == "down"
            line = bulkroute("ctl", ledger, "status", cwd=tmp_path).out
            assert "next probe in" in line
            assert "giving up at" in line
            with watching(tmp_path / ledger) as watch:
                assert watch.snapshot()["live"]["state"] == "down", "the page says so too"
            service.simulator.set_faults(Faults(latency_ms=20))
            wait_for(lambda: bulkroute("ctl", ledger, "resume", cwd=tmp_path).code == 0)
            result = ended(process)
        assert result.code == 0, result.err
        assert dict(service.bindings) == wanted
    events = [json.loads(text) for text in result.err.splitlines()]
    began = next(event for event in events if event["event"] == "wait_began")
    end = next(event for event in events if event["event"] == "wait_ended")
    assert (began["cause"], end["cause"], end["going_on"]) == ("down", "down", True)
    assert end["outcome"].startswith("service back; ")
    report = bulkroute("report", ledger, "-o", "night.html", cwd=tmp_path)
    assert report.code == 0, report.err
    assert "service down (8 rows: HTTP 503" in (tmp_path / "night.html").read_text()


def test_a_service_that_stays_away_is_given_up_with_the_command_that_goes_on(tmp_path: Path) -> None:
    wanted = targets(ids(120))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=20, outages=("1s+1000s:503",))) as service:
        command = ("run", "night.csv", "--base-url", service.url, *RATE)
        result = bulkroute(*command, "--max-outage-wait", "4", cwd=tmp_path)
        assert result.code == 4, result.err
        assert "the service was down for --max-outage-wait, 4 s (HTTP 503" in result.err
        assert "to go on: bulkroute run night.csv" in result.err
        assert {row["status"] for row in exported(tmp_path / "night.ledger.db").values()} == {"succeeded", "pending"}
        told = json.loads(bulkroute("status", "night.ledger.db", "--json", cwd=tmp_path).out)
        assert (told["stop"], told["exit_code"], told["failed"]) == ("outage", 4, 0)
        service.simulator.set_faults(Faults())
        assert bulkroute(*command, cwd=tmp_path).code == 0
        assert dict(service.bindings) == wanted


def test_the_file_of_a_token_that_a_sidecar_renews_is_read_again(tmp_path: Path) -> None:
    wanted = targets(ids(160))
    write_csv(tmp_path / "night.csv", wanted)
    file = tmp_path / "token"
    file.write_text("token-one\n")
    file.chmod(0o600)
    faults = Faults(latency_ms=20, token_rotate_s=1.0)
    with serving(wanted, faults, static_token="token-one", token_file=file) as service:
        result = bulkroute(
            *("run", "night.csv", "--base-url", service.url, *RATE, "--json"),
            cwd=tmp_path,
            env={**STATIC, "BULKROUTE_TOKEN_FILE": str(file)},
        )
        assert result.code == 0, result.err
        assert dict(service.bindings) == wanted
        assert service.simulator.statuses[403] + service.simulator.statuses[401] >= 2, "it was renewed in the night"
    assert result.summary["failed"] == 0


def test_a_proxy_that_refuses_in_the_night_is_asked_no_more(tmp_path: Path) -> None:
    wanted = targets(ids(120))
    write_csv(tmp_path / "night.csv", wanted)
    with (
        serving(wanted, Faults(latency_ms=20)) as service,
        tls_in_front("good", int(service.url.rpartition(":")[2])) as url,
        proxying() as (proxy, proxy_url),
        started(
            *("run", "night.csv", "--base-url", url, *RATE, "--json"),
            cwd=tmp_path,
            env={
                "SSL_CERT_FILE": str(certificates() / "authority.pem"),
                "HTTPS_PROXY": proxy_url,
                "NO_PROXY": "",
            },
        ) as process,
    ):
        wait_for(lambda: service.modified > 20)
        before = proxy.connects
        proxy.refuse(b"407 Proxy Authentication Required")
        result = ended(process)
        asked = proxy.connects - before
    assert result.code == 77, result.err
    assert (result.summary["stop"], result.summary["failed"]) == ("proxy", 0)
    assert result.summary["pending"] + result.summary["succeeded"] == 120
    assert result.summary["in_doubt"] == 0
    assert "the proxy answered 407" in result.err
    assert "HTTPS_PROXY" in result.err
    assert "hushproxy" not in result.err + result.out
    assert asked <= 16, "those in flight, and none after"


class Proxy:
    """A proxy for CONNECT that lets calls through until it is told to answer otherwise."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._answer = b""
        self._tunnels: list[socket.socket] = []
        self.connects = 0

    def refuse(self, answer: bytes) -> None:
        """Answer every CONNECT so from now on, and cut what is connected."""
        self._answer = answer
        for tunnel in self._tunnels:
            with contextlib.suppress(OSError):
                tunnel.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(client,), daemon=True).start()

    def _handle(self, client: socket.socket) -> None:
        with client:
            head = client.recv(65536)
            self.connects += 1
            if self._answer:
                client.sendall(b"HTTP/1.1 " + self._answer + b"\r\nContent-Length: 0\r\n\r\n")
                return
            host, port = head.split()[1].decode().split(":")
            with socket.create_connection((host, int(port))) as service:
                self._tunnels.append(client)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(service, client), daemon=True)
                back.start()
                _pump(client, service)
                back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def proxying() -> Iterator[tuple[Proxy, str]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener)
        thread = threading.Thread(target=proxy.serve)
        thread.start()
        yield proxy, f"http://user:hushproxy@127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
