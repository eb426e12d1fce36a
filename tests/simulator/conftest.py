"""A plain aiohttp client beside the simulator: none of bulkroute's own client is used here."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, Protocol

import aiohttp
import pytest

from bulkroute.simulator import Faults, Route, Simulator
from tests.virtual_time import run_virtual

MANAGEMENT = "/apiaccess/rest/cc-management/v1/"
PATHS = {
    "token": "/apigovernance/api/oauth/tokenByAkSk",
    "modify": f"{MANAGEMENT}calledRoute/modifyCalledRoute",
    "query": f"{MANAGEMENT}calledRoute/queryCalledRoute",
    "skills": f"{MANAGEMENT}skill/querySkills",
    "flows": f"{MANAGEMENT}ivrFlow/queryIVRFlowList",
    "codes": f"{MANAGEMENT}accessCodeInfo/queryAccessCodeList",
}
KEYS = {"app_key": "demo-key", "app_secret": "demo-secret"}

ID = "1125397061153369092"
ONE = [Route(ID)]


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """The simulator, and a client that holds the static token `door`."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session

    async def send(
        self, path: str, body: object = None, *, method: str = "POST", token: str = "door", **headers: str
    ) -> Reply:
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        url = self.simulator.url + PATHS.get(path, path)
        async with self.session.request(method, url, data=data, headers=sent, allow_redirects=False) as answer:
            return Reply(answer.status, dict(answer.headers), await answer.read())

    async def modify(self, route_id: str, devicetype: int = 1, device_id: int = 101, **headers: str) -> Reply:
        return await self.send("modify", {"id": route_id, "devicetype": devicetype, "deviceId": device_id}, **headers)

    async def query(self, **body: object) -> Any:
        answer = (await self.send("query", body)).json
        assert answer["returnCode"] == "0"
        return answer["data"]

    async def token(self, **headers: str) -> Reply:
        return await self.send("token", KEYS, **headers)


class Serve(Protocol):
    def __call__(
        self, routes: Iterable[Route], faults: Faults | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Peer]: ...


@pytest.fixture(scope="session")
def serve() -> Serve:
    @asynccontextmanager
    async def run(routes: Iterable[Route], faults: Faults | None = None, **options: Any) -> AsyncIterator[Peer]:
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            Simulator(routes, faults=faults, **{"static_token": "door", **options}) as simulator,
            aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
        ):
            yield Peer(simulator, session)

    return run


def on_virtual_time(serve: Serve, faults: Faults, use: Callable[[Peer], Awaitable[None]], **options: Any) -> None:
    """Start a simulator under a jumping clock and hand it to `use`."""

    async def main() -> None:
        async with serve(ONE, faults, **options) as peer:
            await use(peer)

    run_virtual(main())


async def fire(peer: Peer, spacing_s: float, count: int) -> list[int]:
    """Send calls at a steady pace; return their statuses in the order sent, 0 for a connection that broke."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    sent = []
    for index in range(count):
        await asyncio.sleep(max(0.0, start + index * spacing_s - loop.time()))
        sent.append(asyncio.ensure_future(peer.modify(ID)))
    return [await status_of(call) for call in sent]


async def status_of(call: Awaitable[Reply]) -> int:
    """Return the status that a call gets; 0 where the connection breaks or none comes about."""
    try:
        return (await call).status
    except aiohttp.ClientError:
        return 0
