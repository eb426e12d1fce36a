"""nginx on loopback, answering every call with success: a service faster than any client here.

No two heads of its answers are the same, as those of a real gateway are not; but for those of its plain server.
"""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench.processes import BenchError
from tests.bench.tools import path_of

MODIFY_PATH = "/apiaccess/rest/cc-management/v1/calledRoute/modifyCalledRoute"

CONFIGURATION = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 10000000; default_type application/json; log_format arrivals '$msec $http_x_tenant';
  server {{
    listen 127.0.0.1:{plain_port}; access_log off;
    location / {{ return 200 '{{"returnCode":"0","description":"data update success"}}'; }}
  }}
  server {{
    listen 127.0.0.1:{port}; access_log off; add_header X-Request-Id $request_id;
    location / {{ return 200 '{{"returnCode":"0","description":"data update success"}}'; }}
  }}
  server {{
    listen 127.0.0.1:{logged_port}; access_log {folder}/arrivals.log arrivals; add_header X-Request-Id $request_id;
    location / {{ return 200 '{{"returnCode":"0","description":"data update success"}}'; }}
  }}
}}
"""


class Nginx(NamedTuple):
    """Servers that answer alike; `logged_root` notes when each call came, and from which X-Tenant, in `arrivals`."""

    root: str
    plain_root: str
    """Where each head is as the one before, up to its second."""
    logged_root: str
    arrivals: Path

    @property
    def modify_url(self) -> str:
        """The address of modifyCalledRoute."""
        return self.root + MODIFY_PATH


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """Start nginx on free ports, stop it at the end. Raises BenchError where it does not come up."""
    folder.mkdir()
    folder.chmod(0o755)
    port, plain_port, logged_port = _free_ports(3)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, port=port, plain_port=plain_port, logged_port=logged_port)
    )
    command = [
        path_of("nginx") or "nginx",
        "-p",
        str(folder),
        "-e",
        str(folder / "error.log"),
        "-c",
        str(configuration),
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(logged_port, process)
            yield Nginx(_root(port), _root(plain_port), _root(logged_port), folder / "arrivals.log")
        finally:
            process.terminate()


def _root(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as exits:
        sockets = [exits.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise BenchError("nginx does not come up; what it says is above, or in its error.log")
