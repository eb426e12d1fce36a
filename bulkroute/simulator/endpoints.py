"""The vendor's read-only endpoints: a checked body and a tenant in, an answer out. No faults but the listing's own."""

import random
from collections.abc import Mapping
from typing import Any

from . import fields
from .answers import Answer, as_json, bad_request, gateway
from .faults import Faults
from .fields import Body, Check, complaint, digits, digits_or_integer, integer, page, text
from .state import Flow, Route, Skill, Tenant

_QUERY_FIELDS: Mapping[str, Check] = {
    "accessCode": text,
    "extCode": text,
    "devicetype": integer,
    "deviceDesc": text,
    "mediaTypeId": integer,
    "mediatypeId": integer,
    "limit": integer,
    "offset": integer,
}
_SKILL_FIELDS: Mapping[str, Check] = {
    "name": text,
    "mediaTypeId": digits,
    "limit": digits,
    "offset": digits_or_integer,
    "skillIds": fields.texts,
}
_ACCESS_CODE_FIELDS: Mapping[str, Check] = {
    "accessCode": text,
    "mediatypeId": integer,
    "description": text,
    "limit": integer,
    "offset": integer,
}
_FILTERS = ("accessCode", "extCode", "devicetype", "deviceDesc", "mediaTypeId", "mediatypeId")
_FOREIGN_ID = "1000000000000000001"


class Listing:
    """queryCalledRoute (cec_07_0043), with the ways in which a listing may move while it is read."""

    def __init__(self, tenant: Tenant, faults: Faults, seed: int) -> None:
        self._tenant = tenant
        self._faults = faults
        self._seed = seed
        self._calls = 0

    def answer(self, body: Body, now: float) -> Answer:
        """Return one page."""
        wrong = complaint(body, {}, _QUERY_FIELDS)
        if wrong:
            return bad_request(wrong)
        if self._faults.query_status is not None:
            return gateway(self._faults.query_status, "the call is not available", "APIG.0101").by("query_status")
        self._calls += 1
        tenant = self._tenant
        ids = tenant.order
        if self._calls <= self._faults.unstable_order:
            ids = random.Random(f"{self._seed} {self._calls}").sample(ids, len(ids))
        if any(name in body for name in _FILTERS):
            ids = [route_id for route_id in ids if self._matches(body, tenant.listed(route_id, now))]
        rows = [tenant.listed(route_id, now) for route_id in ids[page(body)]]
        data = {"total": max(0, len(ids) + self._faults.wrong_total), "calledRouteList": rows}
        if self._calls <= self._faults.list_changes:
            self._change()
        return as_json(200, {"returnCode": "0", "data": data, "description": "success"})

    def _matches(self, body: Body, row: Mapping[str, object]) -> bool:
        exact = {"accessCode": "accessCode", "devicetype": "devicetype"}
        if not self._faults.loose_filters:
            exact |= {"extCode": "extCode", "mediaTypeId": "mediatypeId", "mediatypeId": "mediatypeId"}
        if any(name in body and body[name] != row[field] for name, field in exact.items()):
            return False
        return str(body.get("deviceDesc", "")) in str(row["deviceDesc"])

    def _change(self) -> None:
        """Put a row on top or take it away: the next page repeats a row, or skips one."""
        if _FOREIGN_ID in self._tenant.routes:
            self._tenant.remove(_FOREIGN_ID)
        else:
            self._tenant.insert(Route(_FOREIGN_ID, access_code="9911999", dnid=0), 0)


def query_skills(body: Body, tenant: Tenant, *, status: int | None) -> Answer:
    """Answer querySkills (cec_07_0037): limit and offset are strings, `total` stands at the top level."""
    wrong = complaint(body, {}, _SKILL_FIELDS)
    if wrong:
        return bad_request(wrong)
    if status is not None:
        return gateway(status, "the call is not available", "APIG.0101").by("skills_status")
    wanted = set(body.get("skillIds", ()))
    skills = [
        skill
        for skill in tenant.skills.values()
        if (not wanted or str(skill.id) in wanted)
        and str(body.get("name", "")) in skill.name
        and body.get("mediaTypeId", str(skill.mediatype_id)) == str(skill.mediatype_id)
    ]
    data = [_skill(skill) for skill in skills[page(body)]]
    return as_json(200, {"returnCode": "0", "description": "success", "total": len(skills), "data": data})


def _skill(skill: Skill) -> Mapping[str, object]:
    return {
        "skillId": skill.id,
        "name": skill.name,
        "mediaTypeId": skill.mediatype_id,
        "description": skill.description,
        "maxWaitTime": 60,
        "maxWaitNum": 100,
        "maxAgentWrapupTime": 5,
        "skillParam": skill.param,
    }


def query_ivr_flows(tenant: Tenant, *, schema_wrapper: bool) -> Answer:
    """Answer queryIVRFlowList (cec_07_0046): all flows at once, under `retCode`, `message` and `result`."""
    answer: dict[str, Any] = {
        "retCode": "0",
        "message": "success",
        "result": [_flow(flow) for flow in tenant.flows.values()],
    }
    return as_json(200, {"schema": answer} if schema_wrapper else answer)


def _flow(flow: Flow) -> Mapping[str, object]:
    return {
        "id": flow.id,
        "description": flow.name,
        "accessCode": flow.access_code,
        "flowFileName": flow.file_name or f"flow{flow.id}.xml",
        "isLoad": int(flow.loaded),
        "maxCallNum": 100,
        "flowType": flow.flow_type,
    }


def query_access_codes(body: Body, tenant: Tenant, *, bare: bool) -> Answer:
    """Answer queryAccessCodeList (cec_07_0039): an offset above 100 counts as 100."""
    wrong = complaint(body, {}, _ACCESS_CODE_FIELDS)
    if wrong:
        return bad_request(wrong)
    codes = [
        {
            "id": str(number),
            "accessCode": code,
            "mediatypeId": media,
            "n400Number": "",
            "description": "",
            "numCallAttr": 1,
        }
        for number, (code, media) in enumerate(tenant.access_codes(), start=1)
        if str(body.get("accessCode", "")) in code
        and body.get("mediatypeId", media) == media
        and not body.get("description")
    ]
    rows = codes[page(body, most_offset=100)]
    data: object = rows if bare else {"total": len(codes), "calledRouteList": rows}
    return as_json(200, {"returnCode": "0", "description": "success", "data": data})
