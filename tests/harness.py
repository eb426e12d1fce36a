"""What flow and crash tests stand on: the real command line in a process of its own, the simulator in a thread.

The oracle is the simulator (`service.simulator.bindings`, `.calls`), never the program's own word.
"""

import asyncio
import contextlib
import csv
import io
import json
import os
import pwd
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bulkroute.simulator import Faults, Route, Simulator, routes_for

ROOT = Path(__file__).resolve().parent.parent
APP_KEY, APP_SECRET, TOKEN = "flow-key", "flow-secret-hush", "flow-token-hush"
CREDENTIALS = {"BULKROUTE_APP_KEY": APP_KEY, "BULKROUTE_APP_SECRET": APP_SECRET}

IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where syncing costs nothing, for tests that make hundreds of ledgers. A kill is the same there; a power cut is not."""

TURNS = 100

Target = tuple[int, int]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The object that --json printed."""
        summary: dict[str, Any] = json.loads(self.out)
        return summary


class Service:
    """A simulator with an event loop and a thread of its own."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.do(self.simulator.start())

    def stop(self) -> None:
        self.do(self.simulator.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def do(self, work: Any) -> Any:
        """Run a coroutine in the simulator's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    @property
    def url(self) -> str:
        return self.simulator.url

    @property
    def bindings(self) -> Mapping[str, Target]:
        return self.simulator.bindings

    @property
    def modified(self) -> int:
        """Calls of modifyCalledRoute received so far."""
        return self.simulator.calls_per_endpoint["modifyCalledRoute"]

    def rebind(self, bindings: Mapping[str, Target]) -> None:
        """Bind routes as somebody else would."""
        for row_id, target in bindings.items():
            self.simulator.rebind(row_id, *target)

    def all_received(self) -> int:
        """Return `modified` once the calls that a killed process had handed to the kernel have come in."""
        self.do(self._turn_round())
        return self.modified

    @staticmethod
    async def _turn_round() -> None:
        """Let the loop take in what lies in its sockets already: to accept, read and count a call takes it a few turns."""
        for _ in range(TURNS):
            await asyncio.sleep(0)


@contextlib.contextmanager
def serving(
    routes: Iterable[Route] | Iterable[str], faults: Faults | None = None, *, seed: int = 1, **options: Any
) -> Iterator[Service]:
    """Serve routes (or routes made for ids) on a free port until the block ends."""
    known = list(routes)
    made = [route for route in known if isinstance(route, Route)] or routes_for([str(row_id) for row_id in known], seed)
    options = {"app_key": APP_KEY, "app_secret": APP_SECRET, "static_token": TOKEN, **options}
    service = Service(Simulator(made, faults=faults, seed=seed, **options))
    service.start()
    try:
        yield service
    finally:
        service.stop()


def environment(extra: Mapping[str, str] | None = None, *, measured: bool = True) -> dict[str, str]:
    """Return the environment of a command: this one's, with test credentials and nothing else of bulkroute's.

    It trusts no authority: reading the system's list takes a sixth of a run's start, and services here need none.

    `measured`: whether `make test` may count the lines that the command reaches. Counting costs time and memory, so
    not for those that are run hundreds of times, or weighed.
    """
    # With unbuffered streams a failure to print would show earlier than it does for most people.
    left_out = ("BULKROUTE_", "PYTHONUNBUF") if measured else ("BULKROUTE_", "PYTHONUNBUF", "COVERAGE_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    clean["PYTHONPATH"] = str(ROOT)
    return {**clean, "SSL_CERT_FILE": os.devnull, **CREDENTIALS, **(extra or {})}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "bulkroute", *map(str, arguments)]


def bulkroute(
    *arguments: object,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes = b"",
    timeout_s: float = 120,
) -> Result:
    """Run the command line to its end."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(env),
        input=data,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextlib.contextmanager
def started(
    *arguments: object,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[str] = subprocess.PIPE,
    descriptors: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command line and leave it running; whatever is left of it at the end of the block is killed.

    `descriptors`: how many it may have open.
    """
    limited = () if descriptors is None else ("sh", "-c", 'ulimit -n "$0" && exec "$@"', str(descriptors))
    process = subprocess.Popen(
        [*limited, *command(*arguments)],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextlib.contextmanager
def for_anybody() -> Iterator[tuple[Path, int | None]]:
    """Give a folder for tests of what may not be read or written, and the user to be: root may do everything.

    The folder belongs to that user; None where this process is nobody special already. (pytest's folders lie in one
    that is root's alone.)
    """
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="anybody-") as name:
        if user is not None:
            os.chown(name, user, -1)
        yield Path(name), user


@contextlib.contextmanager
def rights_of(user: int | None) -> Iterator[None]:
    """Have this process no more rights than that user, for the block; None leaves it as it is."""
    if user is None:
        yield
        return
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


def ids(count: int) -> list[str]:
    """Return called route ids as the vendor makes them: 19 digits, above 2^53."""
    return [str(1125397061153369092 + 7919 * number) for number in range(count)]


def targets(row_ids: Sequence[str]) -> dict[str, Target]:
    """Return a wanted target for each id: skill queues and IVR flows by turns."""
    return {row_id: (1, 101 + place % 5) if place % 2 else (3, 201 + place % 3) for place, row_id in enumerate(row_ids)}


def write_csv(path: Path, wanted: Mapping[str, Target]) -> Path:
    lines = [f"{row_id},{devicetype},{device_id}" for row_id, (devicetype, device_id) in wanted.items()]
    path.write_text("\n".join(["id,devicetype,deviceId", *lines]) + "\n")
    return path


def write_yaml(path: Path, wanted: Mapping[str, Target]) -> Path:
    lines = [f"- {{id: {row_id}, devicetype: {kind}, deviceId: {device}}}" for row_id, (kind, device) in wanted.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def exported(ledger: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a ledger by id, as the command line exports them."""
    result = bulkroute("export", ledger.name, cwd=ledger.parent)
    if result.code:
        raise AssertionError(result.err)
    return {record["id"]: record for record in csv.DictReader(io.StringIO(result.out))}
