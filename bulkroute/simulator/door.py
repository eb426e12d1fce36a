"""The door of the service: tokenByAkSk, who may come in, and how fast."""

import email.utils
import math
import time

from aiohttp import web

from .answers import THROTTLED, Answer, as_json, bad_request, gateway, vendor
from .faults import Faults
from .fields import Body, complaint, text
from .throttle import Leaky, Shut, Throttle, Window
from .tokens import Tokens

_MOST_LIFE_S = 3600.0
_USUAL_LIFE_S = 600.0
_NONSENSE = {
    "html": Answer(200, b"<html><body>Please sign in</body></html>", (("Content-Type", "text/html"),)),
    "empty": Answer(200, b""),
    "list": as_json(200, ["AccessToken"]),
    "no_token": as_json(200, {"ApplyType": "Bearer", "Expires": "600"}),
}


class Gate:
    """Issues tokens and judges headers. Lives and rates go by the event loop's clock, given as `now`."""

    def __init__(self, faults: Faults, app_key: str, app_secret: str, static_token: str | None) -> None:
        self.tokens = Tokens(static_token)
        self._app_key = app_key
        self._app_secret = app_secret
        self._token_requests = 0
        self.set_faults(faults)

    def set_faults(self, faults: Faults) -> None:
        """Take other knobs; tokens issued so far live on."""
        self._faults = faults
        self._throttle = _throttle(faults)

    def refusal(self, request: web.BaseRequest, now: float) -> Answer | None:
        """Return what a call gets whose token, app key or pace is not accepted; None lets it in."""
        faults = self._faults
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = scheme == "Bearer" and self.tokens.accepts(token, now, faults.refuse_after)
        if not known or (faults.require_app_key and request.headers.get("X-APP-Key") != self._app_key):
            return gateway(faults.refused_status, "Incorrect or expired authentication information", "APIG.0301").by(
                "refused"
            )
        wait_s = self._throttle.wait_s(now) if self._throttle else 0
        return self._throttled(faults.throttle_status, wait_s) if wait_s > 0 else None

    def token(self, request: web.BaseRequest, body: Body, now: float) -> Answer:
        """Answer tokenByAkSk (cec_07_0002); all values of its answer are strings."""
        faults = self._faults
        self._token_requests += 1
        asked = request.headers.get("X-Token-Expire", f"{_USUAL_LIFE_S:.0f}")
        wrong = complaint(body, {"app_key": text, "app_secret": text}, {})
        if wrong or not (asked.isascii() and asked.isdigit()):
            return bad_request(wrong or "header X-Token-Expire is not a number of seconds")
        if self._token_requests <= faults.token_fail_times:
            if faults.token_fail_status == 429:
                return self._throttled(429, 1.0).by("token_fail")
            return vendor(str(faults.token_fail_status), "system busy", status=faults.token_fail_status).by(
                "token_fail"
            )
        if (body["app_key"], body["app_secret"]) != (self._app_key, self._app_secret):
            return gateway(403, "app_key or app_secret is wrong", "APIG.0303")
        if faults.token_limit is not None and self.tokens.issued >= faults.token_limit:
            return gateway(403, "the application is not allowed in", "APIG.0303").by("token_limit")
        if faults.token_answer:
            return _NONSENSE[faults.token_answer].by("token_answer")
        life_s = min(float(asked), _MOST_LIFE_S) if faults.token_life_s is None else faults.token_life_s
        return as_json(
            200,
            {
                "AccessToken": self.tokens.issue(now, life_s, alone=faults.token_single),
                "ApplyType": "Bearer",
                "CreateTime": str(int(time.time())),
                "Expires": f"{life_s:g}" if faults.token_expires is None else faults.token_expires,
                "Scope": "default",
                "AppKey": self._app_key,
                "UserID": "Anonymous",
            },
        )

    def _throttled(self, status: int, wait_s: float) -> Answer:
        faults = self._faults
        answer = gateway(status, THROTTLED.format(faults.throttle or 0), "APIG.0308").by("throttle")
        if faults.retry_after is None:
            return answer
        if faults.retry_after == "seconds":
            return answer.with_header("Retry-After", str(math.ceil(wait_s)))
        if faults.retry_after == "date":
            wall = time.time()
            date = email.utils.formatdate(wall, usegmt=True)
            until = email.utils.formatdate(math.ceil(wall + wait_s), usegmt=True)
            return answer.with_header("Date", date).with_header("Retry-After", until)
        return answer.with_header("Retry-After", faults.retry_after)


def _throttle(faults: Faults) -> Throttle | None:
    if faults.throttle_forever:
        return Shut()
    if faults.throttle is None:
        return None
    if faults.throttle_shape == "leaky":
        return Leaky(faults.throttle, faults.throttle_burst)
    return Window(faults.throttle)
