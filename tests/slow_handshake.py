"""TLS before a service, by a server that takes its time to shake hands, as one far away does."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _shake_hands(connected: socket.socket, context: ssl.SSLContext) -> Streams:
    """Nothing is read before: asyncio's own server would begin at once."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connected, ssl=context)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _serve(
    listener: socket.socket, upstream: tuple[str, int], certificate: Path, handshake_s: float, stop: asyncio.Event
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def relay(connected: socket.socket) -> None:
        await asyncio.sleep(handshake_s)
        with contextlib.suppress(OSError):
            caller = await _shake_hands(connected, context)
            service = await asyncio.open_connection(*upstream)
            await asyncio.gather(_copy(caller[0], service[1]), _copy(service[0], caller[1]))

    async def accept() -> None:
        async with asyncio.TaskGroup() as relays:
            while True:
                connected, _address = await asyncio.get_running_loop().sock_accept(listener)
                relays.create_task(relay(connected))

    accepting = asyncio.create_task(accept())
    await stop.wait()
    accepting.cancel()


@contextlib.contextmanager
def tls_before(upstream: str, certificate: Path, handshake_s: float) -> Iterator[str]:
    """Serve TLS before `upstream` (host:port) in a thread, and yield its root; each handshake takes that long."""
    host, _, port = upstream.partition(":")
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    with (
        ThreadPoolExecutor(1) as threads,
        asyncio.Runner(loop_factory=lambda: loop) as runner,
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
    ):
        listener.setblocking(False)
        serving = threads.submit(runner.run, _serve(listener, (host, int(port)), certificate, handshake_s, stop))
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            loop.call_soon_threadsafe(stop.set)
            serving.result(10)
