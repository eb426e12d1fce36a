"""What goes over the wire, byte for byte: the real client's requests, taken down by a listener."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from bulkroute.cec.client import Client
from bulkroute.model import Row

REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def requests() -> str:
    """Return the requests for a token, for a change and for a page of the list."""
    row = Row(2, "1125397061153369092", 3, 3015)
    page = {"limit": 100, "offset": 0}
    calls: dict[str, Callable[[Client], Awaitable[object]]] = {
        "A token (tokenByAkSk, cec_07_0002)": lambda client: client.fetch_token("APP-KEY", "APP-SECRET"),
        "A change (modifyCalledRoute, cec_07_0042)": lambda client: client.modify(row, "TOKEN"),
        "A page of the list (queryCalledRoute, cec_07_0043)": lambda client: client.ask(
            "calledRoute/queryCalledRoute", page, "TOKEN"
        ),
    }
    parts = []
    for words, call in calls.items():
        parts.append(f"{words}:\n\n```http\n{asyncio.run(_taken_down(call))}\n```")
    return "\n\n".join(parts)


async def _taken_down(call: Callable[[Client], Awaitable[object]]) -> str:
    """Make one call to a listener; return what it heard, its address made the example's."""
    heard: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?im)^content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        heard.append(head + body.decode())
        writer.write(REPLY)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, Client(f"http://{host}:{port}", app_key="APP-KEY") as client:
        await call(client)
    (text,) = heard
    return text.replace(f"{host}:{port}", "cc.example.com").replace("\r\n", "\n")
