"""modifyCalledRoute (cec_07_0042): a checked body in, the route bound anew or the reason why not out."""

from .answers import UPDATED, Answer, bad_request, gateway, vendor
from .dice import Dice
from .faults import Faults
from .fields import Body, complaint, integer, text
from .state import IVR, MULTIMEDIA, SKILL_QUEUE, Route, Skill, Target, Tenant

_FIELDS = {"id": text, "devicetype": integer, "deviceId": integer}


def modify(body: Body, tenant: Tenant, faults: Faults, dice: Dice, now: float) -> Answer:
    """Carry one call out and return its answer."""
    wrong = complaint(body, _FIELDS, {})
    if wrong:
        return bad_request(wrong)
    route_id, target = body["id"], (body["devicetype"], body["deviceId"])
    if target[0] not in (SKILL_QUEUE, IVR) or target[1] < 0:
        return bad_request("parameter devicetype or deviceId is out of range")
    fault = dice.of_id(route_id)
    if fault == "fail_500_ids":
        return vendor("20001", "business failure: check the parameter values", status=500).by(fault)
    if fault == "business_ids":
        return vendor("20002", "the called route is in use").by(fault)
    if fault == "forbidden_ids":
        return gateway(403, "no rights to this route", "APIG.0305").by(fault)
    route = tenant.routes.get(route_id)
    if route is None:
        return vendor("20003", "the called route does not exist")
    refusal = _refusal(route, target, tenant, faults)
    if refusal:
        return refusal
    if fault == "not_applied_ids":
        return UPDATED.by(fault)
    tenant.rebind(route_id, target, now, faults.read_delay_s)
    return UPDATED


def _refusal(route: Route, target: Target, tenant: Tenant, faults: Faults) -> Answer | None:
    if faults.locked_enforced and route.editable in ("1", "3"):
        return vendor("20004", "the called route must not be edited")
    if faults.refuse_missing_targets and not tenant.target(target):
        return vendor("20005", "the skill queue or IVR flow does not exist")
    if faults.multimedia_enforced and route.mediatype_id == MULTIMEDIA and target[0] == IVR:
        return vendor("20006", "a multimedia route cannot lead to an IVR flow")
    if faults.refuse_media_mismatch and route.mediatype_id is not None:
        queue = tenant.target(target)
        if isinstance(queue, Skill) and queue.mediatype_id != route.mediatype_id:
            return vendor("20007", "the media types of route and skill queue differ")
    return None
