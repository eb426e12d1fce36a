"""The service on a port of this machine: started, stopped, and looked into."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from aiohttp import web

from .calls import Call, CallLog
from .door import Gate
from .faults import Dice, Faults
from .service import Service
from .state import Flow, Route, Skill, Target, Tenant
from .synthetic import default_flows, default_skills

_STOP_S = 5.0


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
        skills: the skill queues there are, `default_skills()` if None.
        flows: the IVR flows there are, `default_flows()` if None.
        keep_calls: whether `calls` is kept; the counters always run.
        admin: whether `GET /_simulator/state` and `POST /_simulator/rebind` are served.

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
        skills: Iterable[Skill] | None = None,
        flows: Iterable[Flow] | None = None,
        keep_calls: bool = True,
        admin: bool = False,
    ) -> None:
        faults = faults or Faults()
        dice = Dice(faults, seed)
        locked = (replace(route, editable=dice.lock(route.id) or route.editable) for route in routes)
        self._tenant = Tenant(
            locked if faults.locked_ids else routes,
            default_skills() if skills is None else skills,
            default_flows() if flows is None else flows,
        )
        self._log = CallLog(kept=keep_calls)
        gate = Gate(faults, app_key, app_secret, static_token)
        self._gate = gate
        self._service = Service(self._tenant, gate, faults, seed, self._log, admin_on=admin)
        self._keepalive_s = faults.keepalive_s
        self._server: web.Server | None = None
        self._socket: asyncio.Server | None = None
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the base URL. OSError if the port is taken, RuntimeError if it listens already."""
        if self._socket is not None:
            raise RuntimeError("the simulator is started already")
        self._server = web.Server(
            self._service.handle, handler_cancellation=True, access_log=None, keepalive_timeout=self._keepalive_s
        )
        self._socket = await asyncio.get_running_loop().create_server(self._server, host, port, backlog=1024)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.sockets[0].getsockname()[1]}"
        return self.url

    async def stop(self) -> None:
        """Close the port and every connection, answered or not; what was seen stays readable. May be started again."""
        server, socket = self._server, self._socket
        self._server = self._socket = None
        if server is None or socket is None:
            return
        socket.close()
        for connection in server.connections:
            connection.force_close()
        await server.shutdown(_STOP_S)
        await socket.wait_closed()

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
        return self._tenant.bindings

    @property
    def routes(self) -> Mapping[str, Route]:
        """The routes as they were at the start, locks included."""
        return self._tenant.routes

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
        return self._gate.tokens.issued

    def rebind(self, route_id: str, devicetype: int, device_id: int) -> None:
        """Bind a route by another hand: at once, outside log and faults. KeyError for an unknown id."""
        if route_id not in self._tenant.routes:
            raise KeyError(route_id)
        self._tenant.rebind(route_id, (devicetype, device_id), 0, 0)

    def set_faults(self, faults: Faults) -> None:
        """Take other knobs from now on. Locks and the keep-alive time stay as they were at the start."""
        self._service.set_faults(faults)

    def revoke_tokens(self) -> None:
        """End every token there is, the static one included."""
        self._gate.tokens.revoke_all()
