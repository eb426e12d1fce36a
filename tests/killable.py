"""Engines in processes of their own that start in milliseconds and can be killed for real.

A fork server that has everything imported: a property test runs hundreds of these where it could afford a dozen of
the command line.
"""

import asyncio
import json
import multiprocessing
import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import UsageError
from bulkroute.run.prepare_rollback import WayBack
from bulkroute.settings import Settings
from tests.harness import APP_KEY, APP_SECRET, Service

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.killable"])

PATIENCE_S = 60


def settings(url: str, **options: Any) -> Settings:
    return Settings(
        base_url=url,
        credentials=Credentials(app_key=APP_KEY, app_secret=Secret(APP_SECRET)),
        rate_per_s=None,
        backoff_s=0.001,
        backoff_cap_s=0.004,
        timeout_s=5,
        **options,
    )


async def _work(command: str, path: Path, url: str, options: dict[str, Any]) -> dict[str, Any]:
    async with Engine(settings(url, **options)) as engine:
        if command == "verify":
            found = await engine.verify(path)
            return {"checked": found.checked, "different": [each.id for each in found.differences]}
        try:
            summary = await (engine.run(path) if command == "run" else engine.rollback(path, WayBack(since=1)))
        except UsageError as error:
            if "nothing to put back" not in error.what:
                raise
            return {"exit_code": error.exit_code, "pending": 0, "failures": {}}
        return {"exit_code": summary.exit_code, "pending": summary.pending, "failures": summary.failures}


def _child(command: str, path: Path, url: str, options: dict[str, Any], answer: Path) -> None:
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    answer.write_text(json.dumps(asyncio.run(_work(command, path, url, options))))


def _start(service: Service, command: str, path: Path, options: dict[str, Any]) -> BaseProcess:
    answer = path.with_name("answer.json")
    answer.unlink(missing_ok=True)
    process = _context.Process(target=_child, args=(command, path, service.url, options, answer))
    process.start()
    return process


def engine(service: Service, command: str, path: Path, **options: Any) -> dict[str, Any]:
    """Run, roll back or verify to the end, and return what came of it."""
    process = _start(service, command, path, options)
    process.join(PATIENCE_S)
    assert process.exitcode == 0, f"{command} ended with {process.exitcode}"
    answer: dict[str, Any] = json.loads(path.with_name("answer.json").read_text())
    return answer


def killed(service: Service, command: str, path: Path, after_calls: int, **options: Any) -> bool:
    """Start a command and SIGKILL it once the service has seen so many more calls; tell whether it was still at work."""
    until = sum(service.simulator.statuses.values()) + after_calls
    process = _start(service, command, path, options)
    deadline_s = time.monotonic() + PATIENCE_S
    while process.is_alive() and sum(service.simulator.statuses.values()) < until:
        assert time.monotonic() < deadline_s
        time.sleep(0.0002)
    alive = process.is_alive()
    if alive and process.pid:
        os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE_S)
    assert alive or process.exitcode == 0
    return alive
