"""Memory does not grow with the manifest, whether it is checked or sent."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkroute.simulator import Flow, Route
from tests.harness import ROOT, TOKEN, environment, serving

pytestmark = pytest.mark.usefixtures("uncounted_commands")

FEW, MANY = 10_000, 100_000
FLAT = 1.10

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 55\r\n\r\n"
    b'{"returnCode":"0","description":"data update success"} '
)


class Yes(asyncio.Protocol):
    """Answers every request with success, as fast as Python can."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.body += data
        done = self.body.count(b"}")  # one closes each request's body
        if done:
            self.body = b""
            assert isinstance(self.transport, asyncio.WriteTransport)
            self.transport.write(ANSWER * done)


@contextlib.contextmanager
def yes_sayer() -> Iterator[str]:
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(Yes, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def write(folder: Path, rows: int, suffix: str) -> Path:
    path = folder / f"{rows}.{suffix}"
    form, head = (
        ("{id},{kind},{device}\n", "id,devicetype,deviceId\n")
        if suffix == "csv"
        else (
            "- id: {id}\n  devicetype: {kind}\n  deviceId: {device}\n",
            "",
        )
    )
    with path.open("w") as file:
        file.write(head)
        for row in range(rows):
            file.write(form.format(id=f"{112539706115336909 + row * 7919}7", kind="ivr", device=201 + row % 5))
    return path


def peak_kib(folder: Path, *arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "peak_memory.py"), *arguments],
        cwd=folder,
        env=environment({"BULKROUTE_TOKEN": TOKEN}, measured=False),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "yaml"])
def test_checking_stays_flat(tmp_path: Path, suffix: str) -> None:
    few, many = (peak_kib(tmp_path, "check", write(tmp_path, rows, suffix).name) for rows in (FEW, MANY))
    assert many <= FLAT * few


@pytest.mark.slow
def test_finding_numbers_stays_flat(tmp_path: Path) -> None:
    with serving([Route("1", access_code="8610000000")], flows=[Flow(3015, "Night")]) as service:
        peaks = []
        for rows in (FEW, MANY):
            lines = (f"{8610000000 + row},Night\n" for row in range(rows))
            (tmp_path / f"{rows}.csv").write_text("".join(["accessCode,target\n", *lines]))
            options = ("--base-url", service.url, "--rate", "unlimited", "--skip", "unknown_id")
            peaks.append(peak_kib(tmp_path, "plan", f"{rows}.csv", *options))
    assert peaks[1] <= FLAT * peaks[0]


@pytest.mark.slow
def test_sending_stays_flat(tmp_path: Path) -> None:
    options = ("--rate", "unlimited", "--concurrency", "64", "--no-snapshot", "--quiet", "--timeout", "60")
    with yes_sayer() as url:
        few, many = (
            peak_kib(tmp_path, "run", write(tmp_path, rows, "csv").name, "--base-url", url, *options)
            for rows in (FEW, MANY // 2)
        )
    assert many <= FLAT * few
