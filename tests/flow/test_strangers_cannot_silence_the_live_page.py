"""Whatever people without the token do at the live page's port, those who have it are served, and nothing is logged."""

import contextlib
import json
import signal
import socket
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.ledgers import made
from tests.watching import Watch, watching

DESCRIPTORS = 96
"""For the server: a tenth of what systems allow does with a tenth of the visitors."""

HOSTILE = (
    b"",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\nbad header\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: \xff\r\n\r\n",
    b"GET /failed.csv HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\r\n\r\n",
    b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200,
    b"POST /control HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999\r\n\r\n{",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Encoding: deflate\r\n\r\nzz\r\n",
)


@contextlib.contextmanager
def connected(watch: Watch, times: int, say: bytes = b"") -> Iterator[list[socket.socket]]:
    """Have visitors connect, say something and read nothing, for the block."""
    with contextlib.ExitStack() as exits:
        visitors = []
        for _ in range(times):
            visitor = exits.enter_context(socket.socket())
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            visitor.settimeout(20)
            visitor.connect(("127.0.0.1", watch.port))
            with contextlib.suppress(ConnectionError):  # thrown out already
                visitor.sendall(say)
            visitors.append(visitor)
        yield visitors


def events(watch: Watch) -> Generator[bytes, None, None]:
    """Yield the names of events."""
    with socket.create_connection(("127.0.0.1", watch.port), timeout=20) as connection:
        connection.sendall(watch.request("/events"))
        with connection.makefile("rb") as stream:
            for line in stream:
                if line.startswith(b"event: "):
                    yield line.split()[1]


def heard_once_there_is_room(watch: Watch) -> Iterator[bytes]:
    """Yield what is heard by the first page that gets a place; the server learns a little later that others have gone."""
    while True:
        yield from events(watch)


@pytest.mark.slow
def test_mute_slow_and_hostile_visitors_cost_little_and_silence_nobody(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=20, failed=5)
    with watching(tmp_path / "l.db", "--control", descriptors=DESCRIPTORS) as watch:
        heard = events(watch)
        assert next(heard) == b"snapshot"
        for say in HOSTILE:
            with connected(watch, 110 if say == b"" else 20, say):
                assert json.loads(watch.ask("GET", "/failed").body)["total"] == 5, say
                assert watch.ask("GET", "/", {}).status == 200, "and who comes with the link gets the page"
                assert len(list(Path(f"/proc/{watch.process.pid}/fd").iterdir())) < DESCRIPTORS - 40
        twenty = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20
        with connected(watch, 1, twenty) as (stranger,), stranger.makefile("rb") as answers:
            assert answers.read().count(b"HTTP/1.1 200") == 1, "one answer a connection"
        assert next(heard) == b"beat"
        heard.close()
        watch.process.send_signal(signal.SIGTERM)
        _, err = watch.process.communicate(timeout=20)
    assert watch.process.returncode == 0
    assert err == b"", "one line for each hostile request would fill a disk"


@pytest.mark.slow
def test_pages_that_are_open_leave_room_for_what_they_ask_and_for_others_once_they_close(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=20, failed=5)
    with watching(tmp_path / "l.db", descriptors=DESCRIPTORS) as watch:
        with connected(watch, 12, watch.request("/events")) as pages:
            assert all(page.recv(12) == b"HTTP/1.1 200" for page in pages)
            with connected(watch, 1, watch.request("/events")) as (refused,):
                answer = refused.recv(4096).decode()
            assert answer.startswith("HTTP/1.1 503")
            assert "Retry-After: 2" in answer
            assert "too many" in answer
            assert watch.ask("GET", "/failed").status == 200
        assert next(heard_once_there_is_room(watch)) == b"snapshot"


@pytest.mark.slow
def test_readers_that_take_nothing_hold_few_downloads_and_cancelled_ones_are_no_news(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=25_000, failed=25_000, text=lambda _: "in use")
    with watching(tmp_path / "l.db") as watch:
        with connected(watch, 4, watch.request("/failed.csv")) as readers:
            for reader in readers:
                assert reader.recv(12) == b"HTTP/1.1 200"
            refused = watch.ask("GET", "/failed.csv")
            assert refused.status == 503
            assert "downloads" in refused.body
            assert watch.ask("GET", "/failed?text=in%20use").status == 200
        while (done := watch.ask("GET", "/failed.csv")).status == 503:  # those have gone, as the server learns
            pass
        assert done.body.count("\n") == 25_001
        watch.process.send_signal(signal.SIGTERM)
        _, err = watch.process.communicate(timeout=20)
    assert err == b""
