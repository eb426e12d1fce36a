"""`/_simulator/`: the truth for tests in another process. No part of the vendor's service, off unless asked for."""

import json

from .answers import METHOD_NOT_ALLOWED, PATH_NOT_FOUND, Answer, as_json, bad_request
from .calls import CallLog
from .fields import complaint, integer, text
from .state import Tenant

PREFIX = "/_simulator/"


def answer(method: str, path: str, raw: bytes, tenant: Tenant, log: CallLog) -> Answer:
    """Answer `GET state`, or `POST rebind` with the body of modifyCalledRoute (at once, unseen by log and faults)."""
    verb = path.removeprefix(PREFIX)
    if (method, verb) == ("GET", "state"):
        return _state(tenant, log)
    if (method, verb) == ("POST", "rebind"):
        return _rebind(raw, tenant)
    return METHOD_NOT_ALLOWED if verb in ("state", "rebind") else PATH_NOT_FOUND


def _state(tenant: Tenant, log: CallLog) -> Answer:
    return as_json(
        200,
        {
            "bindings": tenant.bindings,
            "calls": log.per_endpoint,
            "calls_per_id": log.per_id,
            "statuses": log.statuses,
            "faults": log.faults,
            "in_flight": log.in_flight,
            "max_in_flight": log.max_in_flight,
            "max_in_flight_per_id": log.max_in_flight_per_id,
            "violations": log.violations,
        },
    )


def _rebind(raw: bytes, tenant: Tenant) -> Answer:
    try:
        body = json.loads(raw)
    except ValueError:
        return bad_request("the body is not JSON")
    wrong = complaint(body, {"id": text, "devicetype": integer, "deviceId": integer}, {})
    if wrong or body["id"] not in tenant.routes:
        return bad_request(wrong or "no such route")
    tenant.rebind(body["id"], (body["devicetype"], body["deviceId"]), 0, 0)
    return as_json(200, {"rebound": body["id"]})
