"""What is asked at a run's socket goes to the run alone, and no answer is more than an answer."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bulkroute.errors import NotRunning
from bulkroute.run.control import LONGEST_LINE_BYTES, ask, socket_path
from tests.harness import for_anybody, rights_of


@pytest.fixture
def ledger() -> Iterator[Path]:
    """A ledger whose socket has a short path, as the kernel wants it."""
    with tempfile.TemporaryDirectory(prefix="ctl-") as folder:
        path = Path(folder) / "l.db"
        path.touch()
        yield path


@contextlib.asynccontextmanager
async def answering(ledger: Path, answer: bytes, user: int | None = None) -> AsyncIterator[list[bytes]]:
    """Answer at a ledger's socket, as that user; give what was asked."""
    asked: list[bytes] = []

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(answer)
        writer.close()

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_path(ledger)))
    socket_path(ledger).parent.chmod(0o711)  # Python 3.13 looks at the socket
    with rights_of(user):  # of whoever calls listen(2)
        server = await asyncio.start_unix_server(reply, sock=listener)
    try:
        yield asked
    finally:
        server.close()


@pytest.mark.parametrize("answer", [b"[]\n", b"{}\n", b"nonsense\n", b"[" * 60_000 + b"\n", b"\xff\n"])
async def test_what_answers_oddly_is_no_run(ledger: Path, answer: bytes) -> None:
    async with answering(ledger, answer):
        with pytest.raises(NotRunning, match="no run of bulkroute"):
            await ask(ledger, "status")


@pytest.mark.parametrize("answer", [b"", b"x" * (2 * LONGEST_LINE_BYTES)])
async def test_what_ends_or_does_not_end_is_nobody(ledger: Path, answer: bytes) -> None:
    async with answering(ledger, answer):
        with pytest.raises(NotRunning, match="no run is working"):
            await ask(ledger, "status")


async def test_another_users_process_is_told_nothing(ledger: Path) -> None:
    with for_anybody() as (_, user):
        if user is None:
            pytest.skip("only root can listen as somebody else")
        async with answering(ledger, b'{"ok": true}\n', user) as asked:
            with pytest.raises(NotRunning, match=f"another user's process .uid {user}."):
                await ask(ledger, "stop")
            assert asked in ([], [b""])
            os.chown(ledger, user, -1)
            assert await ask(ledger, "stop") == {"ok": True}, "root may ask a run of the ledger's owner"
