"""Hosts that work on one tenant by way of PostgreSQL, each a process with a folder of its own that can be killed or frozen."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Coroutine
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import BulkrouteError
from bulkroute.fleet.handover import hand_over_if_silent
from bulkroute.ledger.batches import Tenant
from bulkroute.postgres.database import Database, tenant_number
from bulkroute.settings import Settings
from tests.harness import APP_KEY, APP_SECRET

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.hosts"])

STANDS_BY_S = 0.5


def tenant_settings(url: str, **options: Any) -> Settings:
    return Settings(base_url=url, credentials=Credentials(app_key=APP_KEY, app_secret=Secret(APP_SECRET)), **options)


async def _work(on: str, url: str, manifest: Path, ledger: Path, options: dict[str, Any]) -> int:
    """Wait until the tenant is free, and work on it; return the exit code."""
    settings = tenant_settings(url, **options)
    tenant = Tenant.of(settings)
    async with Database(on) as database:
        while True:
            while (claim := await database.claim(tenant, "acme")) is None:
                await asyncio.sleep(STANDS_BY_S)
            seen = (await database.overview([tenant_number(tenant, "acme")])).values()
            if any(each.exit_code == 0 for each in seen):
                return 0
            await claim.bring_up(ledger)
            async with Engine(settings, copy=claim.copy) as engine:
                watching = asyncio.create_task(hand_over_if_silent(engine, claim))
                summary = await engine.run(manifest, ledger=ledger)
            if not watching.done():
                watching.cancel()
                await claim.end(ledger, summary.exit_code)
                return summary.exit_code or 0
            await claim.hand_over()


async def _share(on: str, url: str, manifests: list[Path], limit: tuple[str, float]) -> int:
    """Run several tenants at once whose calls go by a limit of all hosts; return the worst exit code."""
    async with Database(on) as database:
        shared = await database.limit(*limit)

        async def run(manifest: Path) -> int:
            async with Engine(tenant_settings(url, rate_per_s=None, snapshot=False), limit=shared) as engine:
                return (await engine.run(manifest)).exit_code or 0

        return max(await asyncio.gather(*map(run, manifests)))


def _child(work: Callable[..., Coroutine[None, None, int]], proxy: str, *given: Any) -> None:
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    os.environ["HTTP_PROXY"] = proxy
    try:
        os._exit(asyncio.run(work(*given)))
    except BulkrouteError as error:
        print(error, flush=True)
        os._exit(error.exit_code)


class Process:
    """What a host does."""

    def __init__(self, *given: Any) -> None:
        self._process: BaseProcess = _context.Process(target=_child, args=given)
        self._process.start()

    def send(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def has_ended(self) -> bool:
        return not self._process.is_alive()

    def ended(self, within_s: float = 60) -> int | None:
        """Wait for its end; return the exit code."""
        self._process.join(within_s)
        return self._process.exitcode

    def remove(self) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join(10)


class Host(Process):
    """One that works on a tenant; `way`: the port by which it reaches the service."""

    def __init__(self, folder: Path, on: str, url: str, manifest: Path, way: int, **options: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.ledger = folder / "acme.ledger.db"
        super().__init__(_work, f"http://127.0.0.1:{way}", on, url, manifest, self.ledger, options)


class Sharer(Process):
    """One that runs several manifests by a limit of all hosts, its name and rate."""

    def __init__(self, on: str, url: str, manifests: list[Path], limit: tuple[str, float]) -> None:
        super().__init__(_share, "", on, url, manifests, limit)
