"""Who may see the live page, and who may touch the run through it.

Against pages of other sites in the same browser: the name in `Host` must be one of ours (no DNS rebinding), a request
that changes something must be a POST of JSON from our own origin, and the cookie is SameSite=Strict. No CORS header is
ever sent. Against other people: the token, where there is one.
"""

import hashlib
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
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


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
        self._host = host
        self._token = token
        # Cookies are shared by all ports of a host: each server has a name of its own.
        self.cookie = f"bulkroute_{hashlib.sha256((token or '').encode()).hexdigest()[:12]}"

    def admit(self, request: web.Request) -> bool:
        """Let a request in or raise; return whether it brings the token in its link, to be kept in a cookie."""
        named = HOST.fullmatch(request.headers.get("Host", ""))
        if named is None or not self._is_ours(named["name"] or named["address"]):
            raise web.HTTPMisdirectedRequest(text="this server does not go by that name\n")
        if request.method != "GET":
            self._require_own_origin(request)
        if self._token is None:
            return False
        linked = request.query.get("token", "")
        if linked and self._is_token(linked):
            return True
        if not self._is_token(request.cookies.get(self.cookie, "")):
            raise web.HTTPForbidden(text="open the link that `bulkroute watch` printed: it holds the token\n")
        return False

    def keep(self, response: web.StreamResponse) -> None:
        """Have the browser keep the token."""
        if self._token is not None:
            response.set_cookie(self.cookie, self._token, httponly=True, samesite="Strict", path="/")

    def _is_token(self, offered: str) -> bool:
        return hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), (self._token or "").encode())

    def _is_ours(self, name: str) -> bool:
        """Return whether a name in `Host` is one this server goes by. Ports are not compared: tunnels change them."""
        if name in LOOPBACK_HOSTS or name == self._host:
            return True
        if is_loopback(self._host):
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in {socket.gethostname(), socket.getfqdn()}
        return True  # an address cannot be rebound

    def _require_own_origin(self, request: web.Request) -> None:
        own = f"{request.scheme}://{request.host}"
        if (
            request.headers.get("Origin") != own
            or request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin"
        ):
            raise web.HTTPForbidden(text="only the page itself may do that\n")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text=f"{HTTPStatus.UNSUPPORTED_MEDIA_TYPE.phrase}: send JSON\n")
