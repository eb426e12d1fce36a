"""`/_simulator/`: the truth for tests in another process, and another hand that changes things during a run.

No part of the vendor's service, off unless asked for. What is changed here is changed at once, unseen by the log of
calls and by faults.

    GET   state    bindings, counters, faults met
    GET   faults   every knob; POST sets those it names and puts all others off, PATCH leaves the others
    POST  rebind   {"id", "devicetype", "deviceId"}, or {"bindings": {id: [devicetype, deviceId]}}
    POST  routes   {id: {"editable": "1", "accessCode": ...}}: alters a route, or adds it; {id: null} takes it out
    POST  skills   {id: {"name", "mediaTypeId", "description", "skillParam"}}, null likewise
    POST  flows    {id: {"description", "isLoad", "flowFileName", "accessCode", "flowType"}}, null likewise
    POST  tokens   {"revoke": true} ends all; {"accept": "text"} is the fixed token from now on
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from aiohttp import web

from . import wire
from .answers import METHOD_NOT_ALLOWED, PATH_NOT_FOUND, Answer, as_json, bad_request
from .faults import Faults
from .fields import Body, Check, complaint, digits, integer, integer_or_null, mapping, text, text_or_null
from .knobs import as_json_object, faults_from
from .service import Service
from .state import Flow, Route, Skill

PREFIX = "/_simulator/"

_Target = TypeVar("_Target", Skill, Flow)
_Fields = Mapping[str, tuple[str, Check]]
_ROUTE: _Fields = {
    "accessCode": ("access_code", text),
    "extCode": ("ext_code", text),
    "mediatypeId": ("mediatype_id", integer_or_null),
    "editable": ("editable", text_or_null),
    "deviceDesc": ("device_desc", text),
    "dnid": ("dnid", integer),
    "devicetype": ("devicetype", integer),
    "deviceId": ("device_id", integer),
}
_SKILL: _Fields = {
    "name": ("name", text),
    "mediaTypeId": ("mediatype_id", integer),
    "description": ("description", text),
    "skillParam": ("param", mapping),
}
_FLOW: _Fields = {
    "description": ("name", text),
    "isLoad": ("loaded", integer),
    "flowFileName": ("file_name", text),
    "accessCode": ("access_code", text),
    "flowType": ("flow_type", integer),
}


class Admin:
    """Answers under `/_simulator/` and hands every other request on to the service."""

    def __init__(self, service: Service, set_faults: Callable[[Faults], None]) -> None:
        self._service = service
        self._tenant = service.tenant
        self._set_faults = set_faults
        self._verbs: Mapping[str, Mapping[str, Callable[[Body], object]]] = {
            "state": {"GET": self._state},
            "faults": {
                "GET": lambda _body: as_json_object(service.faults),
                "POST": lambda body: self._faults(body, Faults()),
                "PATCH": lambda body: self._faults(body, service.faults),
            },
            "rebind": {"POST": self._rebind},
            "routes": {"POST": self._routes},
            "skills": {"POST": lambda body: self._targets(body, _SKILL, self._tenant.skills, Skill)},
            "flows": {"POST": lambda body: self._targets(body, _FLOW, self._tenant.flows, Flow)},
            "tokens": {"POST": self._tokens},
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if not request.path.startswith(PREFIX):
            return await self._service.handle(request)
        raw = await request.read()
        return await wire.send(request, self._answer(request.method, request.path.removeprefix(PREFIX), raw), 0)

    def _answer(self, method: str, verb: str, raw: bytes) -> Answer:
        if verb not in self._verbs:
            return PATH_NOT_FOUND
        if method not in self._verbs[verb]:
            return METHOD_NOT_ALLOWED
        try:
            body = json.loads(raw or b"{}")
            if not isinstance(body, dict):
                return bad_request("the body is not a JSON object")
            return as_json(200, self._verbs[verb][method](body))
        except ValueError as error:
            return bad_request(str(error))

    def _state(self, _body: Body) -> object:
        log, quota = self._service.log, self._service.door.quota
        return {
            "bindings": self._tenant.bindings,
            "calls": log.per_endpoint,
            "calls_per_id": log.per_id,
            "statuses": log.statuses,
            "faults": log.faults,
            "in_flight": log.in_flight,
            "max_in_flight": log.max_in_flight,
            "max_in_flight_per_id": log.max_in_flight_per_id,
            "violations": log.violations,
            "tokens_issued": self._service.token_service.tokens.issued,
            "others": {"asked": quota.others_asked, "refused": quota.others_refused},
        }

    def _faults(self, body: Body, others: Faults) -> object:
        faults = faults_from(body, others)
        self._set_faults(faults)
        return as_json_object(faults)

    def _rebind(self, body: Body) -> object:
        if "bindings" not in body:
            _require(body, {"id": text, "devicetype": integer, "deviceId": integer})
            body = {"bindings": {body["id"]: [body["devicetype"], body["deviceId"]]}}
        _require(body, {"bindings": mapping})
        for route_id, target in body["bindings"].items():
            if route_id not in self._tenant.routes:
                raise ValueError(f"there is no route {route_id}")
            if not (isinstance(target, list) and len(target) == 2 and all(map(integer, target))):
                raise ValueError(f"{route_id}: a binding is [devicetype, deviceId]")
        for route_id, (devicetype, device_id) in body["bindings"].items():
            self._tenant.rebind(route_id, (devicetype, device_id), 0, 0)
        return {"rebound": list(body["bindings"])}

    def _routes(self, body: Body) -> object:
        tenant = self._tenant
        changes = {route_id: _changed(value, _ROUTE) for route_id, value in body.items()}
        for route_id, changed in changes.items():
            if changed is None:
                if route_id in tenant.routes:
                    tenant.remove(route_id)
            elif route_id not in tenant.routes:
                tenant.insert(Route(route_id, **changed), len(tenant.order))
            else:
                tenant.alter(replace(tenant.routes[route_id], **changed))
                devicetype, device_id = tenant.bindings[route_id]
                target = changed.get("devicetype", devicetype), changed.get("device_id", device_id)
                tenant.rebind(route_id, target, 0, 0)
        return {"changed": list(changes)}

    def _targets(self, body: Body, known: _Fields, targets: dict[int, _Target], kind: Callable[..., _Target]) -> object:
        if not all(digits(number) for number in body):
            raise ValueError("a skill queue or an IVR flow is named by its number")
        changes = {int(number): _changed(value, known) for number, value in body.items()}
        for number, changed in changes.items():
            if changed is None:
                targets.pop(number, None)
            else:
                targets[number] = replace(targets[number], **changed) if number in targets else kind(number, **changed)
        return {"changed": list(changes)}

    def _tokens(self, body: Body) -> object:
        tokens = self._service.token_service.tokens
        if "accept" in body:
            _require(body, {"accept": text})
            tokens.replace_fixed(body["accept"])
        if body.get("revoke"):
            tokens.revoke_all()
        return {"fixed": tokens.fixed}


def _require(body: Body, known: Mapping[str, Check]) -> None:
    wrong = complaint(body, known, {})
    if wrong:
        raise ValueError(wrong)


def _changed(value: Any, known: _Fields) -> dict[str, Any] | None:
    """Return the attributes that a JSON object changes; None for null. Raises ValueError for an unknown or wrong one."""
    if value is None:
        return None
    if not mapping(value):
        raise ValueError("a route, skill queue or IVR flow is a JSON object, or null")
    wrong = complaint(value, {}, {name: check for name, (_attribute, check) in known.items()})
    unknown = [name for name in value if name not in known]
    if wrong or unknown:
        raise ValueError(wrong or f"there is no field {unknown[0]}")
    changed = {known[name][0]: one for name, one in value.items()}
    return changed | ({"loaded": bool(changed["loaded"])} if "loaded" in changed else {})
