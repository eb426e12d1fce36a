"""The vendor's endpoints, one attempt each: a call goes out once, and what came back is returned as a value.

Never retries, never paces, never follows a redirect, never reads more than 1 MiB of an answer.
Sources: modifyCalledRoute (cec_07_0042), tokenByAkSk (cec_07_0002).
"""

import asyncio
import json
import re
import socket
from collections.abc import Coroutine, Iterable, Mapping
from json.encoder import encode_basestring_ascii
from types import TracebackType
from typing import Any, Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from bulkroute.cec.answers import NoReply, Reply
from bulkroute.cec.connection import Depart, Exchange, at_once, bounds, read
from bulkroute.cec.idle import KEEPALIVE_S
from bulkroute.cec.receiver import Connector
from bulkroute.errors import UsageError
from bulkroute.model import FailureKind, Row

SERVICE_PATH = "/apiaccess/rest/cc-management/v1/"
TOKEN_PATH = "/apigovernance/api/oauth/tokenByAkSk"  # noqa: S105 -- a path

_OWN_WORDS = re.compile(r"[^:'\"\n]*")

LOST = (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError)
"""What aiohttp raises where a call got no whole answer; a TimeoutError is an OSError."""

TOKEN_LIFE_S = 3600
"""The longest life the vendor grants (`X-Token-Expire`)."""


class Client:
    """Talks to one service. Use as an async context manager."""

    def __init__(
        self,
        base_url: str,
        *,
        auth_url: str | None = None,
        app_key: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        timeout_s: float = 15,
        received_within_s: float | None = None,
    ) -> None:
        """Take `https://host[:port]` roots; `timeout_s` bounds one call from its connection to its last byte.

        `received_within_s`: what the other side's kernel does not have by then never leaves any more, and the call is lost.
        Without, a kernel tries for minutes, also after the end of the process.
        """
        self._received_within_s = received_within_s
        self._root = URL(base_url)
        self._token_url = URL((auth_url or base_url).rstrip("/") + TOKEN_PATH)
        self._headers = CIMultiDict(
            {
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "bulkroute",
            }
        )
        self._headers.update(headers)
        if app_key:
            self._headers["X-APP-Key"] = app_key
        self._token: str | None = None
        self._token_headers: CIMultiDict[str] = CIMultiDict()
        self._timeout_s = timeout_s
        self._service_proxy = _proxy_for(self._root)
        is_same = self._token_url.origin() == self._root.origin()
        self._token_proxy = self._service_proxy if is_same else _proxy_for(self._token_url)

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        # No limit here: the gate is the limit, and a wait for a connection would count as time-out. aiohttp's own TLS
        # context verifies, and takes its certificates from SSL_CERT_FILE and SSL_CERT_DIR.
        connector = self._connector = Connector(
            limit=0, keepalive_timeout=KEEPALIVE_S, socket_factory=self._received_within_s and self._make_socket
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=bounds(self._timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compressed answers are declined and not unpacked: a small one could unpack to gigabytes.
            auto_decompress=False,
        )
        self._exchange = Exchange(self._session, connector, self._root, self._service_proxy, self._timeout_s)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self._exchange.close()
        await self._session.close()

    def _make_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * (self._received_within_s or 0)))
        return made

    def modify(self, row: Row, token: str, depart: Depart = at_once) -> Coroutine[None, None, Reply | NoReply]:
        """Ask once for `row` to be bound to its wanted target (modifyCalledRoute).

        `depart` is called just before the first byte leaves; what it raises is raised, and nothing was sent then.
        """
        body = f'{{"id":{encode_basestring_ascii(row.id)},"devicetype":{row.devicetype},"deviceId":{row.device_id}}}'
        return self._call("calledRoute/modifyCalledRoute", body, token, depart)

    def ask(
        self, endpoint: str, question: Mapping[str, Any], token: str, depart: Depart = at_once
    ) -> Coroutine[None, None, Reply | NoReply]:
        """Ask once one of the reading endpoints, `calledRoute/queryCalledRoute` for instance; `depart` as in `modify`."""
        return self._call(endpoint, json.dumps(question), token, depart)

    async def _call(self, endpoint: str, body: str, token: str, depart: Depart) -> Reply | NoReply:
        try:
            return await self._exchange.post(SERVICE_PATH + endpoint, body.encode(), self._headers_with(token), depart)
        except LOST as error:
            return self._lost(error)

    async def fetch_token(self, app_key: str, app_secret: str) -> Reply | NoReply:
        """Ask once for an access token of the longest life (tokenByAkSk)."""
        body = json.dumps({"app_key": app_key, "app_secret": app_secret}).encode()
        headers = self._headers.copy()
        headers["X-Token-Expire"] = str(TOKEN_LIFE_S)
        try:
            async with self._session.post(
                self._token_url, data=body, headers=headers, allow_redirects=False, proxy=self._token_proxy
            ) as response:
                content, whole = await read(response.content)
                reply = Reply.of(response.status, content, response.headers, whole=whole)
                if not reply.keeps_connection:
                    response.close()
                    self._connector.clear_dns_cache()
                return reply
        except LOST as error:
            return self._lost(error)

    def _headers_with(self, token: str) -> CIMultiDict[str]:
        """Return the headers of a call; the same object as long as the token is the same."""
        if token != self._token:
            self._token, self._token_headers = token, self._headers.copy()
            self._token_headers["Authorization"] = "Bearer " + token
        return self._token_headers

    def _lost(self, error: Exception) -> NoReply:
        """Return what an error means that aiohttp raised."""
        self._connector.clear_dns_cache()  # the service may have moved
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return NoReply(FailureKind.CONNECTION, "no connection in time", sent=False)
        if isinstance(error, TimeoutError):
            return NoReply(FailureKind.TIMEOUT, f"no answer within {self._timeout_s:g} s")
        if isinstance(error, aiohttp.ClientHttpProxyError):
            barred = error.status in (403, 407)
            return NoReply(FailureKind.CONNECTION, describe(error), sent=False, by_proxy=barred)
        connected = not isinstance(error, aiohttp.ClientConnectorError)
        return NoReply(FailureKind.CONNECTION, describe(error), sent=connected)


def describe(error: Exception) -> str:
    """Return what went wrong with a connection in words, without the URL's query or any header."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the service's certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the host name {error.host} cannot be resolved"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"cannot connect to the proxy: {error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"TLS with {error.host}:{error.port} failed: {error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect to {error.host}:{error.port}: {error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the service closed the connection without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status} {error.message}"
    if isinstance(error, aiohttp.ClientResponseError):
        # What follows the parser's own words is what the service sent, which may be a token that nobody knows yet.
        return f"the answer is not HTTP: {_OWN_WORDS.findall(error.message)[0].strip()}"
    if isinstance(error, OSError) and error.strerror:
        return f"the connection broke: {error.strerror}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _proxy_for(url: URL) -> URL | None:
    """Return the proxy the environment names for `url`; looked up once, since each look-up costs as much as a call.

    Raises UsageError for one that is no http:// or https:// address.
    """
    if url.host is None or proxy_bypass(url.host):
        return None
    text = getproxies().get(url.scheme)
    if not text:
        return None
    try:
        proxy = URL(text)
    except ValueError:
        proxy = URL()
    if proxy.scheme not in ("http", "https") or not proxy.host:
        # Its text is not repeated: it may hold a password.
        raise UsageError(f"{url.scheme.upper()}_PROXY names no proxy", hint="write http://host:port")
    return proxy
