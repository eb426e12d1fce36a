"""A way to a server that can be cut without anybody being told, as a network does, and that tells what went along it."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """Passes bytes on to a port of this machine, from one of its own, in a thread of its own."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.calls_at: list[float] = []
        """When calls of modifyCalledRoute went along, in seconds since the epoch."""

    def start(self) -> None:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Pass nothing on from now on. What comes meanwhile is kept, and connections stand."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def mend(self) -> None:
        """Pass on again, what was kept first."""
        self._loop.call_soon_threadsafe(self._open.set)

    async def _serve(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)  # transports end a turn later

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.ExitStack() as exits:
            exits.callback(writer.transport.abort)
            exits.enter_context(contextlib.suppress(asyncio.CancelledError))  # asyncio's server would complain
            await self._open.wait()
            exits.enter_context(contextlib.suppress(OSError))
            service = await asyncio.open_connection("127.0.0.1", self._upstream)
            exits.callback(service[1].transport.abort)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pass(reader, service[1], counts=True))
                ways.create_task(self._pass(service[0], writer, counts=False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counts: bool) -> None:
        try:
            while data := await reader.read(65536):
                await self._open.wait()
                if counts:
                    self.calls_at += [time.time()] * data.count(b"/modifyCalledRoute")
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@contextlib.contextmanager
def relay(upstream: int) -> Iterator[Relay]:
    """Run one for the block."""
    way = Relay(upstream)
    way.start()
    try:
        yield way
    finally:
        way.stop()
