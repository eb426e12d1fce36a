"""The door of the service: whose calls come in, and how many."""

from aiohttp import web

from .answers import Answer, gateway
from .dice import Chance
from .faults import Faults
from .quota import Quota
from .refusals import rate_headers, throttled
from .token_service import TokenService

_LONE_WAIT_S = 1.0  # what a random refusal asks for, where Retry-After is told


class Door:
    """Judges headers and the pace. `now` is the event loop's clock, `elapsed_s` counts from the rehearsal's beginning."""

    def __init__(self, token_service: TokenService, faults: Faults, seed: int, chance: Chance) -> None:
        self._tokens = token_service.tokens
        self._app_key = token_service.app_key
        self._faults = faults
        self._chance = chance
        self.quota = Quota(faults, seed)
        self._limited = bool(self.quota)

    def refusal(self, request: web.BaseRequest, key: str, now: float, elapsed_s: float) -> Answer | None:
        """Return what a call gets whose token, app key or pace is not accepted; None lets it in."""
        faults = self._faults
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = scheme == "Bearer" and self._tokens.accepts(token, now, faults.refuse_after)
        if known and faults.require_app_key:
            known = request.headers.get("X-APP-Key") == self._app_key
        if known and faults.refuse_token:
            known = not self._chance.falls(faults.refuse_token, "token", key)
        if not known:
            message = "Incorrect or expired authentication information"
            return gateway(faults.refused_status, message, "APIG.0301").by("refused")
        if faults.refuse and self._chance.falls(faults.refuse, "refuse", key):
            return throttled(faults, self.quota.standing(now), _LONE_WAIT_S).by("refuse")
        wait_s = self.quota.wait_s(now, elapsed_s) if self._limited else 0.0
        return throttled(faults, self.quota.standing(now), wait_s).by("throttle") if wait_s > 0 else None

    @property
    def delay_s(self) -> float:
        """How long the call let in last has to queue before it is carried out."""
        return self.quota.delay_s if self._limited else 0.0

    def with_rate_headers(self, answer: Answer, request: web.BaseRequest, now: float) -> Answer:
        """Return an answer that tells how far the limit is spent; a refusal says that nothing is left."""
        standing = self.quota.standing(now)
        if answer.fault in ("refuse", "throttle"):
            standing = standing._replace(left=0)
        debug = request.headers.get("X-Apig-Mode", "").lower() == "debug"
        return answer.with_headers(*rate_headers(self._faults, standing, debug=debug))
