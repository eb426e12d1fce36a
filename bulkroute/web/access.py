"""Who may see the live page, and who may touch the run through it.

Against other people: the token in the printed link. It stands behind `#`, which no browser sends anywhere; the page
takes it from there, and names it in a header of each request. Neither a process list nor a cookie holds it: cookies go
to every port of a host, and the next port may be another user's.

Against pages of other sites in the same browser: the name in `Host` must be one of ours (no DNS rebinding), a request
that changes something must be a POST of JSON from our own origin. No CORS header is ever sent.
"""

import hmac
import ipaddress
import re
import socket
from http import HTTPStatus

from aiohttp import web

from bulkroute.settings import LOOPBACK_HOSTS

HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[0-9A-Za-z._-]+))(?::[0-9]{1,5})?")
"""What `Host` may look like; anything else is refused unread."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """The rules of one server. Each refusal is an HTTP error with a reason a person understands."""

    def __init__(self, host: str, token: str | None) -> None:
        """Take the address the server listens on, and the token that is asked for; None: nobody is asked."""
        self._token = token
        self._is_loopback = is_loopback(host)
        self._names = {*LOOPBACK_HOSTS, host}
        if not self._is_loopback:  # looked up once: a visitor must not have us wait for a name server
            self._names |= {socket.gethostname(), socket.getfqdn()}

    def require_name(self, request: web.Request) -> None:
        """Refuse who calls the server by a name that is not its own; ports are not compared: tunnels change them."""
        named = HOST.fullmatch(request.headers.get("Host", ""))
        if named is None or not self._is_ours(named["name"] or named["address"]):
            raise web.HTTPMisdirectedRequest(text="this server does not go by that name\n")

    def require_token(self, request: web.Request) -> None:
        """Refuse who does not bring the token, where one is asked for."""
        if self._token is None:
            return
        kind, _, offered = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), self._token.encode())
        if kind != "Bearer" or not known:
            text = "open the link that `bulkroute watch` printed, the whole of it: it holds the token\n"
            raise web.HTTPUnauthorized(text=text, headers={"WWW-Authenticate": "Bearer"})

    def require_own_origin(self, request: web.Request) -> None:
        """Refuse what another page sends, where something is to be changed."""
        own = f"{request.scheme}://{request.host}"
        if (
            request.headers.get("Origin") != own
            or request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin"
        ):
            raise web.HTTPForbidden(text="only the page itself may do that\n")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text=f"{HTTPStatus.UNSUPPORTED_MEDIA_TYPE.phrase}: send JSON\n")

    def _is_ours(self, name: str) -> bool:
        if name in self._names:
            return True
        if self._is_loopback:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True  # an address cannot be rebound
