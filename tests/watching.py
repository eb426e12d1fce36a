"""The live page's server, started as people start it."""

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import urlsplit

from tests.harness import started


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Watch:
    """A server under way."""

    link: str
    process: "Popen[bytes]"

    @property
    def port(self) -> int:
        port = urlsplit(self.link).port
        assert port
        return port

    @property
    def token(self) -> str:
        return urlsplit(self.link).query.removeprefix("token=")

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())

    def snapshot(self, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the first snapshot of the stream of events."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", "/events", headers=dict(headers or {}))
            answer = connection.getresponse()
            assert answer.status == 200
            while line := answer.readline():
                if line.startswith(b"data: {"):
                    found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                    return found
        raise AssertionError("the stream ended")


@contextlib.contextmanager
def watching(ledger: Path, *options: object, port: int = 0) -> Iterator[Watch]:
    """Serve a ledger's page on a free port for the block."""
    listen = () if "--listen" in options else ("--listen", f"127.0.0.1:{port}")
    with started("watch", ledger.name, *listen, *options, cwd=ledger.parent) as process:
        assert process.stdout
        line = process.stdout.readline().decode()
        assert " at http" in line, process.stderr and process.stderr.read().decode()
        yield Watch(line.rsplit(" ", 1)[1].strip(), process)
