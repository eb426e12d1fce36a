"""The receiving end of a connection: a short way for the plain answers that nearly all calls get.

A plain answer is a 200 that came whole and in one piece, speaks of no limit and leaves the connection open. httptools
parses it, into no more than is needed of it. Whatever else comes in goes as raw bytes to aiohttp's own handler, which
this one is: other statuses, interim answers, pieces, lengths that disagree, what is no HTTP, what nobody asked for.
"""

import asyncio
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from bulkroute.cec.answers import MAY_BE_THROTTLING, Reply

MOST_BYTES = 8190
"""Longer ones are none of these: aiohttp's limits of a line and of a header, which this is no more than, hold for them."""

MOST_LINES = 128
"""Likewise; those of the body are counted too, since that is a call less for each header."""


class Receiver(ResponseHandler):
    """Hands a plain answer to whoever waits for it, and is aiohttp's handler for all else."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._parsing: HttpResponseParser | None = None
        self._answered: asyncio.Future[Reply | None] | None = None
        self._begin()

    def expect(self) -> asyncio.Future[Reply | None]:
        """Let the next bytes be those of an answer, which the future gives; None where `read` gives it, or what went wrong."""
        self._answered = self._loop.create_future()
        return self._answered

    def data_received(self, data: bytes) -> None:
        """Take bytes from the service."""
        if self._answered is None:
            super().data_received(data)
            return
        plain = self._parse(data) if len(data) <= MOST_BYTES and data.count(b"\n") <= MOST_LINES else None
        if plain is None:
            self.set_response_params(read_until_eof=True, auto_decompress=False)
            super().data_received(data)
        self._tell(plain)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """End the waiting with an error, which `read` raises."""
        super().set_exception(exc, *cause)
        self._tell(None)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of the parser, which calls this object: else both would stay until Python looks for cycles."""
        super().connection_lost(exc)
        self._parsing = None

    def _tell(self, plain: Reply | None) -> None:
        answered, self._answered = self._answered, None
        if answered is not None and not answered.done():
            answered.set_result(plain)

    def _parse(self, data: bytes) -> Reply | None:
        """Return the plain answer that these bytes are; None if they are anything else."""
        parser = self._parsing = self._parsing or HttpResponseParser(self)
        self._begin()
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._is_whole = False
        body = b"".join(self._parts)
        is_plain = self._is_whole and self._messages == 1 and parser.get_status_code() == 200
        if not is_plain or MAY_BE_THROTTLING in body:
            self._parsing = None  # it stands somewhere within an answer, or after the next one began
            return None
        content_type = self._content_type
        named = None if content_type is None else content_type.decode("utf-8", "surrogateescape")
        return Reply(200, body, content_type=named)

    def _begin(self) -> None:
        self._messages = 0
        self._in_head = True
        self._content_type: bytes | None = None
        self._parts: list[bytes] = []
        self._is_whole = False

    # What httptools calls while it parses.

    def on_message_begin(self) -> None:
        """Take note of an answer."""
        self._messages += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take note of the content type, which the others are quickly told from by their length."""
        if len(name) == 12 and name.lower() == b"content-type" and self._in_head and self._content_type is None:
            self._content_type = value

    def on_headers_complete(self) -> None:
        """Take no header for one of the head any more."""
        self._in_head = False

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Take note of the end of an answer that leaves the connection open; afterwards that can be told no more."""
        self._is_whole = self._parsing is not None and self._parsing.should_keep_alive()


class Connector(aiohttp.TCPConnector):
    """aiohttp's pool of connections, each with a receiver at its end."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(Receiver, loop=self._loop))
