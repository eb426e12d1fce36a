"""The service on a port of this machine: started, stopped, and looked into."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from .admin import Admin
from .calls import Call, CallLog
from .clockwork import Clockwork
from .dice import Dice
from .faults import Faults
from .port import Port
from .service import Service
from .state import Flow, Route, Skill, Target, Tenant
from .synthetic import default_flows, default_skills
from .token_service import TokenService
from .tokens import Tokens


class Simulator:
    """One imitated service on one port.

    `async with Simulator(routes) as simulator:` serves at `simulator.url` until the block ends.

    Args:
        routes: the called routes there are; two with one id raise ValueError.
        faults: what goes wrong; nothing by default.
        seed: of the faults. The same seed gives the same faults.
        app_key: what tokenByAkSk expects.
        app_secret: likewise.
        static_token: a token that is valid from the start and does not expire.
        token_file: where the static token is written each time it is replaced (`token_rotate_s`).
        skills: the skill queues there are, `default_skills()` if None.
        flows: the IVR flows there are, `default_flows()` if None.
        keep_calls: whether `calls` is kept; the counters always run.
        admin: whether `/_simulator/` is served, see `admin`.

    """

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        faults: Faults | None = None,
        seed: int = 0,
        app_key: str = "demo-key",
        app_secret: str = "demo-secret",  # noqa: S107 - opens nothing but this imitation
        static_token: str | None = None,
        token_file: Path | None = None,
        skills: Iterable[Skill] | None = None,
        flows: Iterable[Flow] | None = None,
        keep_calls: bool = True,
        admin: bool = False,
    ) -> None:
        faults = faults or Faults()
        dice = Dice(faults, seed)
        locked = (replace(route, editable=dice.lock(route.id) or route.editable) for route in routes)
        self.tenant = Tenant(
            locked if faults.locked_ids else routes,
            default_skills() if skills is None else skills,
            default_flows() if flows is None else flows,
        )
        """What the service holds; changed here, it is changed by another hand, at once and outside log and faults."""
        self._log = CallLog(kept=keep_calls)
        self._tokens = Tokens(static_token)
        token_service = TokenService(self._tokens, app_key, app_secret)
        self._service = Service(self.tenant, self._log, token_service, faults, seed, began=self._begin)
        self._token_file = token_file
        self._handler = Admin(self._service, self.set_faults).handle if admin else self._service.handle
        self._keepalive_s = faults.keepalive_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port: Port | None = None
        self._clockwork: Clockwork | None = None
        self._ticking: asyncio.Task[None] | None = None
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the base URL. OSError if the port is taken, RuntimeError if it listens already."""
        if self._port is not None:
            raise RuntimeError("the simulator is started already")
        server = web.Server(
            self._handler, handler_cancellation=True, access_log=None, keepalive_timeout=self._keepalive_s
        )
        opened = Port(server)
        number = await opened.open(host, port)
        self._port = opened
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{number}"
        self._loop = asyncio.get_running_loop()
        self._clockwork = Clockwork(self._service, opened, self._token_file)
        self._ticking = asyncio.create_task(self._clockwork.run())
        return self.url

    async def stop(self) -> None:
        """Close the port and every connection, answered or not; what was seen stays readable. May be started again.

        OSError if a port that an outage had closed could not be opened again.
        """
        port, ticking = self._port, self._ticking
        self._port = self._clockwork = self._ticking = self._loop = None
        if port is None or ticking is None:
            return
        ticking.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
        finally:
            await port.shut()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def bindings(self) -> Mapping[str, Target]:
        """The truth: id -> (devicetype, deviceId), live."""
        return self.tenant.bindings

    @property
    def routes(self) -> Mapping[str, Route]:
        """The routes as they were at the start, locks included."""
        return self.tenant.routes

    @property
    def calls(self) -> list[Call]:
        """Every call so far in the order of arrival, `/_simulator/` left out; empty without `keep_calls`."""
        return self._log.calls

    @property
    def calls_per_endpoint(self) -> Counter[str]:
        """Calls received by endpoint name; a path nobody serves counts under itself."""
        return self._log.per_endpoint

    @property
    def calls_per_id(self) -> Mapping[str, int]:
        """Calls of modifyCalledRoute received, by id."""
        return self._log.per_id

    @property
    def statuses(self) -> Counter[int]:
        """Answers by HTTP status; 0 counts those never sent."""
        return self._log.statuses

    @property
    def faults_met(self) -> Counter[str]:
        """Calls by the knob that decided them."""
        return self._log.faults

    @property
    def max_in_flight(self) -> int:
        """The most calls ever under way together."""
        return self._log.max_in_flight

    @property
    def max_in_flight_per_id(self) -> int:
        """The most calls of one id ever under way together. Without latency calls take no time to overlap in."""
        return self._log.max_in_flight_per_id

    @property
    def violations(self) -> list[tuple[float, str]]:
        """Each arrival of an id that was under way already: (time, id)."""
        return self._log.violations

    @property
    def tokens_issued(self) -> int:
        """How many tokens tokenByAkSk gave out."""
        return self._tokens.issued

    @property
    def others(self) -> tuple[int, int]:
        """Calls of other people since faults were set, and how many of them were refused."""
        quota = self._service.door.quota
        return quota.others_asked, quota.others_refused

    def rebind(self, route_id: str, devicetype: int, device_id: int) -> None:
        """Bind a route by another hand: at once, outside log and faults. KeyError for an unknown id."""
        if route_id not in self.tenant.routes:
            raise KeyError(route_id)
        self.tenant.rebind(route_id, (devicetype, device_id), 0, 0)

    def set_faults(self, faults: Faults) -> None:
        """Take other knobs from now on, from any thread. Locks and the keep-alive time stay as they were at the start.

        Moments of outages and limits count anew; a closed port opens again.
        """
        self._service.set_faults(faults)
        if self._loop is not None and self._clockwork is not None:
            self._loop.call_soon_threadsafe(self._clockwork.wake)

    def revoke_tokens(self) -> None:
        """End every token there is, the fixed one included."""
        self._tokens.revoke_all()

    def replace_token(self, token: str) -> None:
        """Accept another fixed token from now on, and the one before no more."""
        self._tokens.replace_fixed(token)

    def _begin(self, now: float) -> None:
        """Let moments count from now, since the first call has come."""
        self._service.stopwatch.start(now)
        if self._clockwork is not None:
            self._clockwork.wake()
