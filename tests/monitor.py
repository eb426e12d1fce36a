"""A monitor that is pinged, on a real socket: it keeps what it hears, and answers what it is told to."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Ping(NamedTuple):
    """One that came in."""

    path: str
    body: bytes


class Monitor:
    """What was heard, and what is answered."""

    def __init__(self) -> None:
        self.pings: list[Ping] = []
        self.statuses: list[int] = []
        """What the next pings are answered with; then 200."""
        self.let_go = threading.Event()
        self.let_go.set()
        """Cleared, it answers nothing."""
        self.url = ""

    @property
    def paths(self) -> list[str]:
        return [ping.path for ping in self.pings]


@contextlib.contextmanager
def monitoring() -> Iterator[Monitor]:
    """Listen on a free port until the block ends."""
    monitor = Monitor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            monitor.pings.append(Ping(self.path, body))
            monitor.let_go.wait(60)
            with contextlib.suppress(OSError):  # whoever pinged has gone
                self.send_response(monitor.statuses.pop(0) if monitor.statuses else 200)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_request(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monitor.url = f"http://127.0.0.1:{server.server_address[1]}/5ae1-secret-uuid"
    try:
        yield monitor
    finally:
        monitor.let_go.set()
        server.shutdown()
        thread.join(10)
        server.server_close()
