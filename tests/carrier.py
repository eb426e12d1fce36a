"""Many tenants, each with a service of its own on a port of its own, and the fleet file that names them.

The services run in one process beside: what comes in there is timed without waiting for whoever sends.
"""

import asyncio
import contextlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bulkroute.simulator import Faults, Simulator, routes_for
from tests.harness import APP_KEY, APP_SECRET, Target, ids, targets, write_csv

BEGIN_S = 30


@dataclass
class Seen:
    """What one service saw in the end."""

    bindings: dict[str, Target]
    modified_at: list[float]
    """When its calls of modifyCalledRoute came in, on the clock of all services."""
    called_at: list[float]
    """When any call came in that is paced: all but those for tokens."""


@dataclass
class Carrier:
    """The tenants of a test."""

    folder: Path
    urls: dict[str, str]
    wanted: dict[str, dict[str, Target]]
    _ask: Callable[[str], Any]
    keys: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The fleet file."""
        return self.folder / "fleet.yaml"

    def seen(self) -> dict[str, Seen]:
        """Return what each service saw so far."""
        return {name: Seen(*each) for name, each in self._ask("seen").items()}

    def stop(self, name: str) -> None:
        """Close a tenant's port, as a service does that is gone."""
        self._ask(f"stop {name}")

    def write(
        self,
        defaults: Mapping[str, Any],
        *,
        limits: Mapping[str, float] | None = None,
        own: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Path:
        """Write the fleet file: `defaults`, shared `limits`, and what each tenant has of its `own`."""
        tenants = {
            name: {
                "base-url": url,
                "manifest": f"{name}.csv",
                "credentials": "secret.env",
                **(own or {}).get(name, {}),
            }
            for name, url in self.urls.items()
        }
        # JSON is YAML.
        self.file.write_text(json.dumps({"defaults": defaults, "limits": limits or {}, "tenants": tenants}, indent=1))
        return self.file


@contextlib.contextmanager
def carrier(
    folder: Path, names: list[str], rows: int, faults: Mapping[str, Faults] | None = None, *, latency_ms: float = 20
) -> Iterator[Carrier]:
    """Serve these tenants, each with so many routes, until the block ends; their manifests lie in `folder`."""
    every = ids(len(names) * rows)
    wanted = {name: targets(every[place * rows : (place + 1) * rows]) for place, name in enumerate(names)}
    folder.mkdir(exist_ok=True)
    for name in names:
        write_csv(folder / f"{name}.csv", wanted[name])
    secret = folder / "secret.env"
    secret.write_text(f"BULKROUTE_APP_KEY={APP_KEY}\nBULKROUTE_APP_SECRET={APP_SECRET}\n")
    secret.chmod(0o600)
    troubles = {name: (faults or {}).get(name, Faults(latency_ms=latency_ms)) for name in names}
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(theirs, {name: list(wanted[name]) for name in names}, troubles))
    process.start()

    def ask(question: str) -> Any:
        ours.send(question)
        return ours.recv()

    try:
        yield Carrier(folder, ask("urls"), wanted, ask)
    finally:
        ours.send("end")
        process.join(BEGIN_S)


def _serve(pipe: Connection, routes: dict[str, list[str]], faults: dict[str, Faults]) -> None:
    asyncio.run(_main(pipe, routes, faults))


async def _main(pipe: Connection, routes: dict[str, list[str]], faults: dict[str, Faults]) -> None:
    loop = asyncio.get_running_loop()
    services = {
        name: Simulator(routes_for(row_ids, 1), faults=faults[name], app_key=APP_KEY, app_secret=APP_SECRET)
        for name, row_ids in routes.items()
    }
    async with contextlib.AsyncExitStack() as exits:
        for service in services.values():
            await exits.enter_async_context(service)
        while (question := await loop.run_in_executor(None, pipe.recv)) != "end":
            verb, _, name = question.partition(" ")
            if verb == "urls":
                pipe.send({name: service.url for name, service in services.items()})
            elif verb == "stop":
                await services[name].stop()
                pipe.send(None)
            else:
                pipe.send({name: _seen(service) for name, service in services.items()})


def _seen(service: Simulator) -> tuple[dict[str, Target], list[float], list[float]]:
    paced = [call for call in service.calls if call.endpoint != "tokenByAkSk"]
    modified = [call.at for call in paced if call.endpoint == "modifyCalledRoute"]
    return dict(service.bindings), modified, [call.at for call in paced]
