"""Whichever way an answer takes, it comes to the same; and a plain one takes the short way."""

import asyncio
import gc
import random
import weakref
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from bulkroute.cec.answers import Reply
from bulkroute.cec.client import Client
from bulkroute.cec.connection import read
from bulkroute.cec.receiver import MOST_BYTES, Receiver
from bulkroute.model import Row
from tests.unit.cec.test_client import answer, playing

BODY = b'{"returnCode":"0","description":"ok"}'
PLAIN = answer(BODY, b"Content-Type: application/json; charset=utf-8", b"X-Request-Id: 7")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
ROW = Row(2, "1125397061153369092", 1, 101)

BODIES = st.sampled_from((b"", BODY, b'{"returnCode":"APIG.0308"}', b"x" * MOST_BYTES))
HEADERS = (
    b"Content-Type: text/html",
    b"content-type:application/json;charset=GBK",
    b"Content-Type: \xe9\xff",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: upgrade\r\nUpgrade: other",
    b"Retry-After: 3",
    b"Content-Length: 3",
    b"Content-Encoding: gzip",
    b"Transfer-Encoding: chunked",
    b"X: " + b"y" * 300,
    b"X : y",
    b"X",
    b"\r\n".join([b"X: y"] * 129),
)
STATUSES = (
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 500 no",
    b"HTTP/1.1 100 go on",
    b"HTTP/2 200",
)


class Line(asyncio.Transport):
    """A transport that nobody is at the other end of."""

    closed = False

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Draw something like an answer."""
    body, lines = draw(BODIES), [draw(st.sampled_from((*[STATUSES[0]] * 4, *STATUSES)))]
    lines += draw(st.lists(st.sampled_from(HEADERS), max_size=3))
    if draw(st.booleans()):
        lines.append(b"Content-Length: %d" % (len(body) + draw(st.sampled_from((0, 0, 0, 1, -1)))))
    if b"Transfer-Encoding: chunked" in lines:
        body = b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, draw(st.sampled_from((b"", b"Content-Type: late\r\n"))))
    raw = draw(st.sampled_from((b"\r\n", b"\r\n", b"\n"))).join([*lines, b"", body])
    if draw(st.sampled_from((False, False, True))):
        place = draw(st.integers(0, len(raw) - 1))
        raw = raw[:place] + draw(st.binary(max_size=3)) + raw[place + 1 :]
    return raw


async def heard(protocol: ResponseHandler, pieces: list[bytes], *, ends: bool) -> Any:
    """Return what comes of an answer in these pieces, and whether the connection is good for another."""
    line = Line()
    protocol.connection_made(line)
    answered = protocol.expect() if isinstance(protocol, Receiver) else None
    if answered is None:
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    for piece in pieces:
        if not line.closed:
            protocol.data_received(piece)
    if ends and not line.closed:
        protocol.eof_received()
        protocol.connection_lost(None)
    try:
        async with asyncio.timeout(0):
            if answered is not None and (plain := await answered) is not None:
                return 200, plain.body, plain.content_type, protocol.should_close
            message, content = await protocol.read()
            while message.code < 200 and message.code != 101:
                message, content = await protocol.read()
            body, _whole = await read(content)
            return message.code, body, message.headers.get("Content-Type"), protocol.should_close
    except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, TimeoutError) as error:
        return type(error)


@settings(max_examples=400, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(answers(), min_size=1, max_size=2), st.integers(0, 3), st.booleans(), st.integers())
@example([PLAIN], 0, False, 0)
@example([PLAIN, PLAIN], 0, False, 0)
@example([PLAIN], 3, False, 0)
@example([PLAIN, b"nonsense"], 0, False, 0)
@example([PLAIN[:-1]], 0, True, 0)
@example([answer(BODY, *[b"X: y"] * 128)], 0, False, 0)
@example([answer(BODY, b"X: " + b"y" * 9000)], 0, False, 0)
@example([CHUNKED + b"Content-Type: late\r\n\r\n"], 0, False, 0)
def test_an_answer_comes_to_the_same_either_way(raw: list[bytes], cuts: int, ends: bool, seed: int) -> None:
    whole = b"".join(raw)
    places = sorted(random.Random(seed).sample(range(len(whole)), min(cuts, len(whole))))
    pieces = [whole[start:end] for start, end in zip([0, *places], [*places, len(whole)], strict=True) if end > start]

    async def both() -> tuple[Any, Any]:
        loop = asyncio.get_running_loop()
        return await heard(Receiver(loop), pieces, ends=ends), await heard(ResponseHandler(loop), pieces, ends=ends)

    short, long = asyncio.run(both())
    assert short == long


@pytest.fixture
def long_way(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what aiohttp's own handler gets to see."""
    seen: list[bytes] = []
    take = ResponseHandler.data_received

    def watched(self: ResponseHandler, data: bytes) -> None:
        seen.append(data)
        take(self, data)

    monkeypatch.setattr(ResponseHandler, "data_received", watched)
    return seen


async def test_plain_answers_take_the_short_way_whatever_their_heads_say(long_way: list[bytes]) -> None:
    heads = [[b"Content-Type: application/json", b"X-Request-Id: %d" % number] for number in range(50)]
    async with playing(*(answer(BODY, *head) for head in heads)) as service, Client(service.root) as client:
        replies = [await client.modify(ROW, "t") for _ in heads]
    assert [reply[1] for reply in replies] == [BODY] * 50
    assert long_way == []


async def test_after_an_answer_of_another_kind_the_next_plain_one_takes_the_short_way_again(
    long_way: list[bytes],
) -> None:
    odd = answer(b"{}", status=b"400 Bad Request")
    half = len(PLAIN) // 2

    async def in_pieces(writer: asyncio.StreamWriter) -> None:
        for piece in (PLAIN[:half], PLAIN[half:]):
            writer.write(piece)
            await asyncio.sleep(0.02)

    async with playing(PLAIN, odd, in_pieces, PLAIN) as service, Client(service.root) as client:
        for status in (200, 400, 200, 200):
            reply = await client.modify(ROW, "t")
            assert reply[0] == status
    assert [data for data in long_way if data] == [odd, PLAIN[:half], PLAIN[half:]]


async def test_a_200_that_throttles_keeps_its_headers() -> None:
    refused = answer(b'{"returnCode":"APIG.0308"}', b"Retry-After: 3")
    async with playing(refused) as service, Client(service.root) as client:
        reply = await client.modify(ROW, "t")
    assert isinstance(reply, Reply)
    assert reply.says_when


async def test_a_connection_that_ended_leaves_nothing_for_the_garbage_collector() -> None:
    receiver = Receiver(asyncio.get_running_loop())
    assert await heard(receiver, [PLAIN], ends=False) == (200, BODY, "application/json; charset=utf-8", False)
    receiver.connection_lost(None)
    left = weakref.ref(receiver)
    gc.disable()
    try:
        del receiver
        assert left() is None
    finally:
        gc.enable()
