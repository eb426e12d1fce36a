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
        return urlsplit(self.link).fragment.removeprefix("token=")

    def request(self, path: str) -> bytes:
        """Return a request as it goes out."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.key.items())
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode()

    @property
    def key(self) -> dict[str, str]:
        """Return what a request brings to be let in."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str | None = None) -> Answer:
        """Ask with the token, unless headers are given."""
        headers = self.key if headers is None else headers
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())

    def snapshot(self, path: str = "/events") -> dict[str, Any]:
        """Return the first snapshot of the stream of events."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=self.key)
            answer = connection.getresponse()
            assert answer.status == 200
            while line := answer.readline():
                if line.startswith(b"data: {"):
                    found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                    return found
        raise AssertionError("the stream ended")


@contextlib.contextmanager
def watching(ledger: Path, *options: object, port: int = 0, descriptors: int | None = None) -> Iterator[Watch]:
    """Serve the page of a ledger, or of a fleet by its file, on a free port for the block."""
    listen = () if "--listen" in options else ("--listen", f"127.0.0.1:{port}")
    words = ("fleet", "watch") if ledger.suffix == ".yaml" else ("watch",)
    with started(*words, ledger.name, *listen, *options, cwd=ledger.parent, descriptors=descriptors) as process:
        assert process.stdout
        line = process.stdout.readline().decode()
        assert ": http" in line, process.stderr and process.stderr.read().decode()
        yield Watch(line.rsplit(" ", 1)[1].strip(), process)
