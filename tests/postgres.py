"""PostgreSQL itself, a throw-away cluster on a free port of this machine, for the tests of what hosts share."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest

USER = "bulkroute"

ROOM_BYTES = 1_000_000_000
"""More than all tests put into it."""


@cache
def programs() -> Path | None:
    """Return the folder of `postgres` and `initdb`, which Debian keeps off the PATH; None if there is none."""
    found = [Path(each) for each in (shutil.which("initdb"), shutil.which("postgres")) if each]
    if len(found) == 2:
        return found[0].resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return folders[-1].parent if folders else None


def as_nobody() -> dict[str, object]:
    """Return how to start a program as a user that is not root, which PostgreSQL insists on."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


class Cluster:
    """A server with databases to be thrown away."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self._databases = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        bin_folder = programs()
        assert bin_folder is not None
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [bin_folder / "postgres", "-D", self._folder / "data"],
                stdout=log,
                stderr=log,
                **as_nobody(),  # type: ignore[call-overload]
            )
        while True:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                continue
            return

    def kill(self) -> None:
        """Kill all of it at once, as a power cut does."""
        assert self._process is not None
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)], capture_output=True, text=True
        )
        for pid in (self._process.pid, *map(int, children.stdout.split())):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()
        (self._folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed any more
            self._process.wait()

    def url(self, database: str, port: int | None = None) -> str:
        """Return the address of a database, by way of another port if one is given."""
        return f"postgresql://{USER}@127.0.0.1:{port or self._port}/{database}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def new_database(self) -> str:
        """Make a new database; return its name."""
        self._databases += 1
        name = f"test{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return name

    def ask(self, database: str, sql: str) -> list[tuple[object, ...]]:
        """Run a statement."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            found = connection.execute(sql.encode())
            return found.fetchall() if found.description else []


@contextmanager
def cluster(where: Path | None = None) -> Iterator[Cluster]:
    """Make a cluster for the block; `where`: on a disk, for figures that mean something."""
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    # Else in memory, if there is a place for that: it makes databases all the time, and survives nothing anyway.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > ROOM_BYTES else None
    folder = Path(tempfile.mkdtemp(prefix="bulkroute-postgres-", dir=where or memory))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        made = subprocess.run(
            [bin_folder / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "--locale=C", "-E", "UTF8", "-N"],
            capture_output=True,
            check=False,
            **as_nobody(),  # type: ignore[call-overload]
        )
        assert made.returncode == 0, made.stderr
        settings = (
            f"port = {port}",
            "listen_addresses = '127.0.0.1'",
            "unix_socket_directories = ''",
            "shared_buffers = 16MB",
            "max_connections = 40",
        )
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(settings) + "\n")
        server = Cluster(folder, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"

needs_pgbouncer = pytest.mark.skipif(
    not Path(PGBOUNCER).exists(), reason="PgBouncer is not installed (Debian: pgbouncer)"
)


@contextmanager
def pgbouncer(server: Cluster, kind: str, more: str = "") -> Iterator[int]:
    """Run PgBouncer before the server, with pools of that kind, and yield its port."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        (folder / "users").write_text(f'"{USER}" ""\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
            f"unix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\npool_mode = {kind}\n{more}\n"
        )
        process = subprocess.Popen([PGBOUNCER, "-q", folder / "ini"], stderr=subprocess.DEVNULL, **as_nobody())  # type: ignore[call-overload]
        try:
            while True:
                try:
                    psycopg.connect(server.url("postgres", port), connect_timeout=5).close()
                except psycopg.OperationalError:
                    assert process.poll() is None
                    continue
                break
            yield port
        finally:
            process.terminate()
            process.wait()
