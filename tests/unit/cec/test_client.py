"""The client's own part: what goes out, and how aiohttp's errors come back as values."""

import asyncio
import contextlib
import inspect
import json
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import client_exceptions
from aioresponses import CallbackResult, aioresponses

from bulkroute.cec.answers import NoReply, Reply
from bulkroute.cec.client import TOKEN_PATH, Client, describe
from bulkroute.cec.limits import Field
from bulkroute.model import FailureKind, Row

BASE = "https://cc.example.com:28443"
ROW = Row(2, "1125397061153369092", 1, 101)


def recording(seen: list[dict[str, Any]]) -> Callable[..., CallbackResult]:
    """Note what goes out, and break the connection: aioresponses cannot make answers for this aiohttp."""

    def record(url: object, **request: Any) -> CallbackResult:
        seen.append({"url": str(url), **request})
        raise aiohttp.ServerDisconnectedError

    return record


@dataclass
class Line:
    """A service that plays its part byte by byte: what came, call by call, and what it says to each."""

    root: str
    came: list[bytes]


Part = Callable[[asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def playing(*parts: Part | bytes) -> AsyncIterator[Line]:
    """Serve on loopback: the n-th call gets the n-th part, over as many connections as the client makes."""
    calls = iter(parts)
    came: list[bytes] = []
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            serving.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", head)
                came.append(head + await reader.readexactly(int(length[1]) if length else 0))
                part = next(calls)
                if isinstance(part, bytes):
                    writer.write(part)
                else:
                    await part(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield Line(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came)
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a whole HTTP answer."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


DONE = answer(b'{"returnCode":"0"}')


async def test_what_modify_sends() -> None:
    async with (
        playing(DONE) as service,
        Client(service.root + "/", app_key="the-key", headers=[("X-TenantSpaceID", "t1")]) as client,
    ):
        assert await client.modify(ROW, "the-token") == Reply(200, b'{"returnCode":"0"}')
    head, body = service.came[0].split(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /apiaccess/rest/cc-management/v1/calledRoute/modifyCalledRoute HTTP/1.1"
    assert body == b'{"id":"1125397061153369092","devicetype":1,"deviceId":101}'
    assert dict(line.split(": ") for line in headers) == {
        "Host": service.root.removeprefix("http://"),
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "bulkroute",
        "X-TenantSpaceID": "t1",
        "X-APP-Key": "the-key",
        "Authorization": "Bearer the-token",
        "Content-Length": str(len(body)),
    }


@pytest.mark.parametrize("row_id", ["0123", 'quo"te', "back\\slash", "naïve-号"])
async def test_an_id_goes_out_as_the_text_it_is(row_id: str) -> None:
    async with playing(DONE) as service, Client(service.root) as client:
        await client.modify(ROW._replace(id=row_id), "t")
    assert json.loads(service.came[0].split(b"\r\n\r\n")[1])["id"] == row_id


async def test_another_token_goes_out_with_the_next_call() -> None:
    async with playing(DONE, DONE) as service, Client(service.root) as client:
        for token in ("one", "two"):
            await client.modify(ROW, token)
    assert [re.findall(rb"Bearer (\w+)", call) for call in service.came] == [[b"one"], [b"two"]]


async def test_the_headers_that_matter_come_back() -> None:
    headers = (b"Retry-After: 7", b"Date: Mon, 23 Nov 2026 03:00:00 GMT")
    async with playing(answer(b"", *headers, status=b"429 Slow Down")) as service, Client(service.root) as client:
        reply = await client.modify(ROW, "t")
    assert reply == Reply(429, b"", limits=(Field("retry-after", "7"),), date="Mon, 23 Nov 2026 03:00:00 GMT")


async def test_the_answer_after_100_continue_is_the_one_that_counts() -> None:
    async with playing(b"HTTP/1.1 100 Continue\r\n\r\n" + DONE) as service, Client(service.root) as client:
        assert await client.modify(ROW, "t") == Reply(200, b'{"returnCode":"0"}')


async def test_interim_answers_without_end_are_none() -> None:
    async with playing(b"HTTP/1.1 102 Processing\r\n\r\n" * 17 + DONE) as service, Client(service.root) as client:
        reply = await client.modify(ROW, "t")
    assert isinstance(reply, NoReply)
    assert "more than 16 interim answers" in reply.description


async def test_an_answer_in_pieces_is_put_together() -> None:
    async def in_pieces(writer: asyncio.StreamWriter) -> None:
        for number in range(0, len(DONE), 5):
            writer.write(DONE[number : number + 5])
            await asyncio.sleep(0.001)

    async with playing(in_pieces) as service, Client(service.root) as client:
        assert await client.modify(ROW, "t") == Reply(200, b'{"returnCode":"0"}')


async def test_no_more_than_a_mebibyte_of_an_answer_is_kept() -> None:
    async with playing(answer(b"x" * 3_000_000), DONE) as service, Client(service.root) as client:
        reply = await client.modify(ROW, "t")
        assert isinstance(reply, Reply)
        assert (len(reply.body), reply.whole) == (1 << 20, False)
        assert await client.modify(ROW, "t") == Reply(200, b'{"returnCode":"0"}')


async def test_what_nobody_asked_for_is_not_taken_for_the_next_answer() -> None:
    said_twice = asyncio.Event()

    async def say_twice(writer: asyncio.StreamWriter) -> None:
        writer.write(DONE)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(DONE)
        await asyncio.sleep(0.05)
        said_twice.set()

    async with playing(say_twice, answer(b'{"returnCode":"5"}')) as service, Client(service.root) as client:
        await client.modify(ROW, "t")
        await said_twice.wait()
        assert await client.modify(ROW, "t") == Reply(200, b'{"returnCode":"5"}')


async def silent(_writer: asyncio.StreamWriter) -> None:
    """Say nothing."""
    await asyncio.sleep(60)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close without an answer."""
    writer.close()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection off."""
    writer.transport.abort()


async def half(writer: asyncio.StreamWriter) -> None:
    """Break off in the middle of a body."""
    writer.write(answer(b"x" * 100)[:-50])
    await writer.drain()
    writer.close()


async def drip(writer: asyncio.StreamWriter) -> None:
    """Never come to the end of the headers, without ever being silent for long."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-More: 1\r\n")
        await asyncio.sleep(0.02)


async def drip_body(writer: asyncio.StreamWriter) -> None:
    """Never come to the end of the body."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("part", "kind", "words"),
    [
        (silent, FailureKind.TIMEOUT, "no answer within 0.3 s"),
        (drip, FailureKind.TIMEOUT, "no answer within 0.3 s"),
        (drip_body, FailureKind.TIMEOUT, "no answer within 0.3 s"),
        (hang_up, FailureKind.CONNECTION, "closed the connection without an answer"),
        (reset, FailureKind.CONNECTION, "connection"),
        (half, FailureKind.CONNECTION, "the answer broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", FailureKind.CONNECTION, "the answer is not HTTP"),
    ],
)
async def test_a_line_that_fails_comes_back_as_a_value(part: Part | bytes, kind: FailureKind, words: str) -> None:
    async with playing(part, DONE) as service, Client(service.root, timeout_s=0.3) as client:
        lost = await client.modify(ROW, "t")
        assert isinstance(lost, NoReply)
        assert (lost.kind, lost.sent) == (kind, True)
        assert words in lost.description
        assert await client.modify(ROW, "t") == Reply(200, b'{"returnCode":"0"}'), "the next call has a line of its own"


async def test_connecting_is_bounded_also_once_a_call_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    async with (
        playing(answer(b"{}", b"Connection: close")) as service,
        Client(service.root.replace("127.0.0.1", "localhost"), timeout_s=0.6) as client,
    ):
        assert isinstance(await client.modify(ROW, "t"), Reply)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
        connector = client._session.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        connector.clear_dns_cache()
        async with asyncio.timeout(10):
            lost = await client.modify(ROW, "t")
    assert lost == NoReply(FailureKind.CONNECTION, "no connection in time", sent=False)


async def test_a_header_cannot_smuggle_another_one_in() -> None:
    async with playing(DONE) as service, Client(service.root, headers=[("X-A", "1\r\nX-B: 2")]) as client:
        lost = await client.modify(ROW, "t")
    assert isinstance(lost, NoReply)
    assert "line break" in lost.description
    assert service.came == []


async def test_a_header_of_ones_own_takes_the_place_of_ours() -> None:
    async with playing(DONE) as service, Client(service.root, headers=[("user-agent", "night/1")]) as client:
        await client.modify(ROW, "t")
    assert re.findall(rb"(?i)user-agent: (.*)\r", service.came[0]) == [b"night/1"]


async def test_nobody_there() -> None:
    async with playing() as service:
        pass
    async with Client(service.root) as client:
        lost = await client.modify(ROW, "t")
    assert isinstance(lost, NoReply)
    assert (lost.kind, lost.sent) == (FailureKind.CONNECTION, False)


async def test_the_token_call_asks_for_the_longest_life() -> None:
    seen: list[dict[str, Any]] = []
    with aioresponses() as service:
        service.post("https://auth.example.com" + TOKEN_PATH, callback=recording(seen))
        async with Client(BASE, auth_url="https://auth.example.com") as client:
            await client.fetch_token("key", "hush")
    assert json.loads(seen[0]["data"]) == {"app_key": "key", "app_secret": "hush"}
    assert seen[0]["headers"]["X-Token-Expire"] == "3600"
    assert "Authorization" not in seen[0]["headers"]


@pytest.mark.parametrize(
    ("error", "kind", "sent"),
    [
        (aiohttp.ConnectionTimeoutError("x"), FailureKind.CONNECTION, False),
        (aiohttp.SocketTimeoutError("x"), FailureKind.TIMEOUT, True),
        (TimeoutError(), FailureKind.TIMEOUT, True),
        (aiohttp.ServerDisconnectedError(), FailureKind.CONNECTION, True),
        (aiohttp.ClientPayloadError("x"), FailureKind.CONNECTION, True),
        (ConnectionResetError(104, "Connection reset by peer"), FailureKind.CONNECTION, True),
        (aiohttp.ClientConnectionError(), FailureKind.CONNECTION, True),
    ],
)
async def test_errors_come_back_as_values(error: Exception, kind: FailureKind, sent: bool) -> None:
    with aioresponses() as service:
        service.post(BASE + TOKEN_PATH, exception=error)
        async with Client(BASE) as client:
            lost = await client.fetch_token("key", "hush")
    assert isinstance(lost, NoReply)
    assert (lost.kind, lost.sent) == (kind, sent)
    assert lost.description


def test_every_error_of_the_transport_is_one_that_the_client_catches() -> None:
    """A new aiohttp must not bring an error that ends a run with a traceback."""
    errors = [
        value for _, value in inspect.getmembers(client_exceptions, inspect.isclass) if issubclass(value, Exception)
    ]
    assert len(errors) > 20
    caught = (TimeoutError, aiohttp.ClientError, OSError, ValueError)
    assert [error for error in errors if not issubclass(error, caught)] == [
        aiohttp.WSMessageTypeError  # of web sockets only
    ]


def test_a_broken_certificate_is_named() -> None:
    key = aiohttp.client_reqrep.ConnectionKey("cc.example.com", 443, True, True, None, None, None)
    text = describe(aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("expired")))
    assert "certificate" in text
    assert "expired" in text


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing(answer(b"", status=b"403 Forbidden")) as proxy, playing(DONE) as inside:
        monkeypatch.setenv("HTTPS_PROXY", proxy.root)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with Client("https://cc.example.com") as client:
            lost = await client.modify(ROW, "t")
        async with Client(inside.root) as client:
            assert isinstance(await client.modify(ROW, "t"), Reply)
    assert proxy.came[0].startswith(b"CONNECT cc.example.com:443 HTTP/1.1\r\n")
    assert len(proxy.came) == 1
    assert lost == NoReply(FailureKind.CONNECTION, "the proxy answered 403 Forbidden", sent=False, by_proxy=True)


async def test_plain_http_goes_through_a_proxy_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing(DONE) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.root.replace("//", "//desk:hush%2F@"))
        async with Client("http://cc.example.com:8080") as client:
            assert await client.modify(ROW, "t") == Reply(200, b'{"returnCode":"0"}')
    assert proxy.came[0].startswith(b"POST http://cc.example.com:8080/apiaccess/")
    assert b"\r\nHost: cc.example.com:8080\r\n" in proxy.came[0]
    assert b"\r\nProxy-Authorization: Basic " + b64encode(b"desk:hush/") + b"\r\n" in proxy.came[0]


async def test_a_password_that_no_header_can_carry_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://desk:%E2%82%AC@127.0.0.1:9")
    async with Client("http://cc.example.com") as client:
        lost = await client.modify(ROW, "t")
    assert isinstance(lost, NoReply)
    assert "%E2%82%AC" not in lost.description
    assert "\u20ac" not in lost.description


@pytest.mark.parametrize(("within_s", "timeout_ms"), [(None, 0), (2.0, 2000)])
async def test_what_is_not_received_in_time_leaves_no_more_if_that_is_asked_for(
    within_s: float | None, timeout_ms: int
) -> None:
    async with playing(DONE) as service, Client(service.root, received_within_s=within_s) as client:
        await client.modify(ROW, "t")
        connection = client._exchange._idle.take()
        assert connection is not None
        assert connection.transport is not None
        sender = connection.transport.get_extra_info("socket")
        assert sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == timeout_ms
        connection.close()
