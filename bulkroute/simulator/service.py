"""The service itself: one request in, one answer out, strictly as the vendor documents it.

A call is judged and carried out at once when its body is there; latency and damage come after, so that a client
which dies meanwhile leaves the change made, as with the real service. No answer depends on the order in which the
calls of different ids arrive, throttling and tokens aside.
"""

import asyncio
import json

from aiohttp import web

from . import admin, wire
from .answers import METHOD_NOT_ALLOWED, PATH_NOT_FOUND, UPDATED, Answer, bad_request, damaged, instead, vendor
from .calls import CallLog
from .door import Gate
from .endpoints import Listing, query_access_codes, query_ivr_flows, query_skills
from .faults import MODIFY, Dice, Faults
from .fields import Body, complaint, integer, text
from .state import Tenant, type_names

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
_MODIFY_FIELDS = {"id": text, "devicetype": integer, "deviceId": integer}
_SETTLING_TURNS = 5  # loop turns in which a connection that the client has closed is noticed


class Service:
    """Handles requests; knows no port."""

    def __init__(self, tenant: Tenant, gate: Gate, faults: Faults, seed: int, log: CallLog, *, admin_on: bool) -> None:
        self.tenant = tenant
        self.log = log
        self._gate = gate
        self._seed = seed
        self._admin_on = admin_on
        self._nth: dict[str, int] = {}
        self.set_faults(faults)

    def set_faults(self, faults: Faults) -> None:
        """Take other knobs from now on; tokens and the counts of calls stay."""
        self._faults = faults
        self._dice = Dice(faults, self._seed)
        self._listing = Listing(self.tenant, faults, self._seed)
        self._gate.set_faults(faults)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        loop = asyncio.get_running_loop()
        path = request.path
        raw = await request.read()
        if self._admin_on and path.startswith(admin.PREFIX):
            return await wire.send(request, admin.answer(request.method, path, raw, self.tenant, self.log), 0)
        endpoint = _PATHS.get(path, "")
        body = _parsed(raw)
        route_id = _id_of(body) if endpoint == MODIFY else ""
        if route_id and self.log.is_in_flight(route_id):
            for _ in range(_SETTLING_TURNS):
                await asyncio.sleep(0)
        now = loop.time()
        self.log.begin(now, route_id)
        try:
            answer, wait_s = self._judge(request, endpoint, body, now)
            self.log.record(now, endpoint or path, route_id, answer.logged_status, answer.fault)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            return await wire.send(request, answer, self._faults.drip_s)
        finally:
            self.log.end(route_id)

    def _judge(self, request: web.BaseRequest, endpoint: str, body: Body | None, now: float) -> tuple[Answer, float]:
        """Return the answer, and how many seconds it takes. What the call changes is changed here."""
        if not endpoint:
            return PATH_NOT_FOUND, 0
        if request.method != "POST":
            return METHOD_NOT_ALLOWED, 0
        if endpoint == _TOKEN:
            wait_s = self._faults.token_latency_s
            return _malformed(request, body) or self._gate.token(request, body or {}, now), wait_s
        refused = self._gate.refusal(request, now) or _malformed(request, body)
        if refused:
            return refused, self._faults.latency_ms / 1000
        body = body or {}
        key = _id_of(body) or endpoint if endpoint == MODIFY else endpoint
        nth = self._nth[key] = self._nth.get(key, 0) + 1
        fault = self._dice.of_call(key, nth) if endpoint in self._faults.faulty else ""
        answer = instead(fault, request.path) if fault else None
        if answer is None:
            answer = self._modify(body, now) if endpoint == MODIFY else self._read(endpoint, body, now)
            if fault:
                answer = damaged(fault, answer)
        return answer, self._dice.latency_s(key, nth)

    def _read(self, endpoint: str, body: Body, now: float) -> Answer:
        if endpoint == "queryCalledRoute":
            return self._listing.answer(body, now)
        if endpoint == "querySkills":
            return query_skills(body, self.tenant)
        if endpoint == "queryIVRFlowList":
            return query_ivr_flows(self.tenant, schema_wrapper=self._faults.schema_wrapper)
        return query_access_codes(body, self.tenant, bare=self._faults.bare_access_codes)

    def _modify(self, body: Body, now: float) -> Answer:
        """Answer modifyCalledRoute (cec_07_0042)."""
        wrong = complaint(body, _MODIFY_FIELDS, {})
        if wrong:
            return bad_request(wrong)
        route_id, target = body["id"], (body["devicetype"], body["deviceId"])
        if target[0] not in type_names or target[1] < 0:
            return bad_request("parameter devicetype or deviceId is out of range")
        fault = self._dice.of_id(route_id)
        if fault == "fail_500_ids":
            return vendor("20001", "business failure: check the parameter values", status=500).by(fault)
        if fault == "business_ids":
            return vendor("20002", "the called route is in use").by(fault)
        route = self.tenant.routes.get(route_id)
        if route is None:
            return vendor("20003", "the called route does not exist")
        if self._faults.locked_enforced and route.editable in ("1", "3"):
            return vendor("20004", "the called route must not be edited")
        if self._faults.refuse_missing_targets and not self.tenant.has_target(target):
            return vendor("20005", "the skill queue or IVR flow does not exist")
        if fault == "not_applied_ids":
            return UPDATED.by(fault)
        self.tenant.rebind(route_id, target, now, self._faults.read_delay_s)
        return UPDATED


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
