"""How an answer reaches the client, in order or damaged on the way. The only place that writes bytes."""

import asyncio
import socket
import struct
from http import HTTPStatus

from aiohttp import web

from .answers import Answer

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_EXTRA_BYTES = 64  # what a wrong Content-Length promises beyond the truth
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Sent(web.StreamResponse):
    """Stands for an answer whose bytes are written already, so that aiohttp writes nothing itself."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._keeps = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open."""
        return self._keeps

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing."""


_KEPT = Sent(keep_alive=True)
_CLOSED = Sent(keep_alive=False)


async def send(request: web.BaseRequest, answer: Answer, drip_s: float) -> web.StreamResponse:
    """Write the answer in its manner; returns when its last byte is handed to the transport."""
    if answer.manner == "hang":
        await asyncio.get_running_loop().create_future()  # until the client goes or the server stops
    transport = request.transport
    if transport is None or transport.is_closing():
        return _CLOSED
    if answer.manner == "reset":
        reset(transport)
        return _CLOSED
    body = answer.body
    extra = _EXTRA_BYTES if answer.manner == "wrong_length" else 0
    head = _head(answer, len(body) + extra, keep_alive=request.keep_alive)
    if answer.manner == "whole" and request.method != "HEAD":
        transport.write(head + body)
        return _KEPT if request.keep_alive else _CLOSED
    transport.write(head)
    if request.method == "HEAD":
        return _KEPT if request.keep_alive else _CLOSED
    if answer.manner == "drip":
        for index in range(len(body)):
            transport.write(body[index : index + 1])
            await asyncio.sleep(drip_s)
        return _KEPT if request.keep_alive else _CLOSED
    transport.write(body[: len(body) // 2] if answer.manner == "half" else body)
    return _CLOSED


def reset(transport: asyncio.Transport) -> None:
    """Drop the connection so that the client sees a reset, not an orderly end."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


def _head(answer: Answer, length: int, *, keep_alive: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, '')}",
        *(f"{name}: {value}" for name, value in answer.headers),
        f"Content-Length: {length}",
    ]
    if not keep_alive:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
