"""The service itself: one request in, one answer out, strictly as the vendor documents it.

A call is judged and carried out at once when its body is there; latency and damage come after, so that a client
which dies meanwhile leaves the change made, as with the real service. No answer depends on the order in which the
calls of different ids arrive, limits, outages and tokens aside.
"""

import asyncio
import json
from collections.abc import Callable

from aiohttp import web

from . import wire
from .answers import METHOD_NOT_ALLOWED, PATH_NOT_FOUND, Answer, bad_request, damaged, down, instead
from .calls import CallLog
from .dice import Chance, Dice
from .door import Door
from .endpoints import Listing, query_access_codes, query_ivr_flows, query_skills
from .faults import MODIFY, Faults
from .fields import Body
from .modify import modify
from .moments import Stopwatch
from .outages import Outages
from .state import Tenant
from .texts import in_chinese
from .token_service import TokenService

_TOKEN = "tokenByAkSk"  # noqa: S105 - an endpoint's name
_MANAGEMENT = "/apiaccess/rest/cc-management/v1"
_PATHS = {
    f"{_MANAGEMENT}/calledRoute/modifyCalledRoute": MODIFY,
    f"{_MANAGEMENT}/calledRoute/queryCalledRoute": "queryCalledRoute",
    f"{_MANAGEMENT}/skill/querySkills": "querySkills",
    f"{_MANAGEMENT}/ivrFlow/queryIVRFlowList": "queryIVRFlowList",
    f"{_MANAGEMENT}/accessCodeInfo/queryAccessCodeList": "queryAccessCodeList",
    "/apigovernance/api/oauth/tokenByAkSk": _TOKEN,
}
_SETTLING_TURNS = 5  # loop turns in which a connection that the client has closed is noticed


class Service:
    """Handles requests; knows no port. `began` is called when the first call comes since faults were set."""

    def __init__(
        self,
        tenant: Tenant,
        log: CallLog,
        token_service: TokenService,
        faults: Faults,
        seed: int,
        *,
        began: Callable[[float], None],
    ) -> None:
        self.tenant = tenant
        self.log = log
        self.token_service = token_service
        self._began = began
        self._seed = seed
        self._chance = Chance(seed)
        self._nth: dict[str, int] = {}
        self.set_faults(faults)

    def set_faults(self, faults: Faults) -> None:
        """Take other knobs from now on; tokens and the counts of calls stay."""
        self.faults = faults
        self.stopwatch = Stopwatch()
        self.outages = Outages(faults.outages, self._chance.falls)
        self.door = Door(self.token_service, faults, self._seed, self._chance)
        self._dice = Dice(faults, self._seed)
        self._listing = Listing(self.tenant, faults, self._seed)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        loop = asyncio.get_running_loop()
        path = request.path
        endpoint = _PATHS.get(path, "")
        body = _parsed(await request.read())
        route_id = _id_of(body) if endpoint == MODIFY else ""
        if route_id and self.log.is_in_flight(route_id):
            for _ in range(_SETTLING_TURNS):
                await asyncio.sleep(0)
        now = loop.time()
        if not self.stopwatch.runs:
            self._began(now)
        self.log.begin(now, route_id)
        try:
            answer, wait_s = self._judge(request, endpoint, body, now)
            self.log.record(now, endpoint or path, route_id, answer.logged_status, answer.fault)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            return await wire.send(request, answer, self.faults.drip_s)
        finally:
            self.log.end(route_id)

    def _judge(self, request: web.BaseRequest, endpoint: str, body: Body | None, now: float) -> tuple[Answer, float]:
        """Return the answer, and how many seconds it takes. What the call changes is changed here."""
        faults = self.faults
        key = _id_of(body) or endpoint if endpoint == MODIFY else endpoint
        elapsed_s = self.stopwatch.elapsed_s(now)
        if self.outages and (kind := self.outages.met(endpoint, key, elapsed_s)):
            return down(kind), 0
        if not endpoint:
            return PATH_NOT_FOUND, 0
        if request.method != "POST":
            return METHOD_NOT_ALLOWED, 0
        if endpoint == _TOKEN:
            answer = _malformed(request, body) or self.token_service.answer(request, body or {}, faults, now)
            return self._worded(answer), faults.token_latency_s
        refused = self.door.refusal(request, key, now, elapsed_s) or _malformed(request, body)
        if refused:
            answer, wait_s = refused, faults.latency_ms / 1000
        else:
            answer, wait_s = self._carried_out(request, endpoint, key, body or {}, now)
            wait_s += self.door.delay_s
        if faults.rate_headers:
            answer = self.door.with_rate_headers(answer, request, now)
        return self._worded(answer), wait_s

    def _carried_out(
        self, request: web.BaseRequest, endpoint: str, key: str, body: Body, now: float
    ) -> tuple[Answer, float]:
        """Return the answer to a call that was let in, and how many seconds it takes."""
        nth = self._nth[key] = self._nth.get(key, 0) + 1
        fault = self._dice.of_call(key, nth) if endpoint in self.faults.faulty else ""
        answer = instead(fault, request.path) if fault else None
        if answer is None:
            answer = self._answer(endpoint, body, now)
            if fault:
                answer = damaged(fault, answer)
        return answer, self._dice.latency_s(key, nth)

    def _answer(self, endpoint: str, body: Body, now: float) -> Answer:
        if endpoint == MODIFY:
            return modify(body, self.tenant, self.faults, self._dice, now)
        if endpoint == "queryCalledRoute":
            return self._listing.answer(body, now)
        if endpoint == "querySkills":
            return query_skills(body, self.tenant, status=self.faults.skills_status)
        if endpoint == "queryIVRFlowList":
            return query_ivr_flows(self.tenant, schema_wrapper=self.faults.schema_wrapper)
        return query_access_codes(body, self.tenant, bare=self.faults.bare_access_codes)

    def _worded(self, answer: Answer) -> Answer:
        charset = self.faults.charset
        return in_chinese(answer, charset, declared=self.faults.charset_declared) if charset else answer


def _parsed(raw: bytes) -> Body | None:
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _id_of(body: Body | None) -> str:
    route_id = body.get("id") if body else None
    return route_id if isinstance(route_id, str) else ""


def _malformed(request: web.BaseRequest, body: Body | None) -> Answer | None:
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        return bad_request("header Content-Type is not application/json")
    return bad_request("the body is not a JSON object") if body is None else None
