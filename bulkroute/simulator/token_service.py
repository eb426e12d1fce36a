"""tokenByAkSk (cec_07_0002): gives tokens out, refuses them, or answers in a shape that nobody documents."""

import time
from dataclasses import replace

from aiohttp import web

from .answers import Answer, as_json, bad_request, gateway, vendor
from .faults import Faults
from .fields import Body, complaint, text
from .refusals import USUAL, throttled
from .tokens import Tokens

_MOST_LIFE_S = 3600.0
_USUAL_LIFE_S = 600.0
_NONSENSE = {
    "html": Answer(200, b"<html><body>Please sign in</body></html>", (("Content-Type", "text/html"),)),
    "empty": Answer(200, b""),
    "list": as_json(200, ["AccessToken"]),
    "no_token": as_json(200, {"ApplyType": "Bearer", "Expires": "600"}),
    "error": as_json(200, {"error": "invalid_client", "error_description": "secret is wrong"}),
    "ret_code": as_json(200, {"retCode": "401", "message": "app key is disabled"}),
}


class TokenService:
    """Issues tokens. Lives go by the event loop's clock, given as `now`."""

    def __init__(self, tokens: Tokens, app_key: str, app_secret: str) -> None:
        self.tokens = tokens
        self.app_key = app_key
        self._app_secret = app_secret
        self._requests = 0

    def answer(self, request: web.BaseRequest, body: Body, faults: Faults, now: float) -> Answer:
        """Answer one request for a token; all values of a good answer are strings."""
        self._requests += 1
        asked = request.headers.get("X-Token-Expire", f"{_USUAL_LIFE_S:.0f}")
        wrong = complaint(body, {"app_key": text, "app_secret": text}, {})
        if wrong or not (asked.isascii() and asked.isdigit()):
            return bad_request(wrong or "header X-Token-Expire is not a number of seconds")
        if self._requests <= faults.token_fail_times:
            if faults.token_fail_status == 429:
                return throttled(faults, USUAL, 1.0).by("token_fail")
            return vendor(str(faults.token_fail_status), "system busy", status=faults.token_fail_status).by(
                "token_fail"
            )
        if (body["app_key"], body["app_secret"]) != (self.app_key, self._app_secret):
            return gateway(403, "app_key or app_secret is wrong", "APIG.0303")
        if faults.token_limit is not None and self.tokens.issued >= faults.token_limit:
            return gateway(403, "the application is not allowed in", "APIG.0303").by("token_limit")
        if faults.token_answer in _NONSENSE:
            return _NONSENSE[faults.token_answer].by("token_answer")
        life_s = min(float(asked), _MOST_LIFE_S) if faults.token_life_s is None else faults.token_life_s
        issued = _reshaped(self._issued(life_s, faults, now), life_s, faults.token_answer)
        answer = replace(as_json(200, issued), status=faults.token_status)
        return answer.by("token_answer") if faults.token_answer else answer

    def _issued(self, life_s: float, faults: Faults, now: float) -> dict[str, object]:
        return {
            "AccessToken": self.tokens.issue(now, life_s, alone=faults.token_single),
            "ApplyType": "Bearer",
            "CreateTime": str(int(time.time())),
            "Expires": f"{life_s:g}" if faults.token_expires is None else faults.token_expires,
            "Scope": "default",
            "AppKey": self.app_key,
            "UserID": "Anonymous",
        }


def _reshaped(issued: dict[str, object], life_s: float, shape: str) -> dict[str, object]:
    """Return a token answer in another shape than the documented one; '' leaves it as it is."""
    token = issued["AccessToken"]
    if shape == "oauth":
        return {"access_token": token, "token_type": "Bearer", "expires_in": life_s}
    if shape == "no_expires":
        return {name: value for name, value in issued.items() if name != "Expires"}
    odd: dict[str, dict[str, object]] = {
        "null_expires": {"Expires": None},
        "number_expires": {"Expires": life_s},
        "bearer": {"AccessToken": f"Bearer {token}"},
    }
    return issued | odd.get(shape, {})
