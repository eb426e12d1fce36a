"""How the gateway says that it is too much: status, body, Retry-After, and the headers that tell the limit.

Sources: 429 with APIG.0308 and "policy ... over ratelimit,limit:5,time:1 minute" as seen in public; X-Apig-RateLimit-*
from the gateway's manual (apig_03_0047); RateLimit fields of the IETF drafts 06, 07 and 10; X-RateLimit-* as usual.
"""

import email.utils
import math
import time
from typing import NamedTuple

from .answers import Answer, Header, as_json, gateway, vendor
from .faults import Faults

_UNITS = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}


class Standing(NamedTuple):
    """How far a limit is spent."""

    calls: float
    span_s: float
    left: int
    reset_s: float
    """Seconds until another call would be let in, where none is left."""


USUAL = Standing(200.0, 1.0, 200, 1.0)
"""What the shared gateway allows unless told otherwise; what refusals speak of that come from no limit."""


def throttled(faults: Faults, standing: Standing, wait_s: float) -> Answer:
    """Return the answer to a call that is one too many; the next one would be let in in `wait_s` seconds."""
    limit = f"limit:{standing.calls:g},time:{_span(standing.span_s)}"
    says = faults.throttle_says or f"policy api over ratelimit,{limit}"
    answer = _told(faults, f"The throttling threshold has been reached: {says}")
    return answer.with_headers(*_retry_after(faults, wait_s))


def _told(faults: Faults, message: str) -> Answer:
    status, code = faults.throttle_status, faults.throttle_code
    if faults.throttle_body == "html":
        page = f"<html><head><title>{status} Too Many Requests</title></head><body></body></html>"
        return Answer(status, page.encode(), (("Content-Type", "text/html"),))
    if faults.throttle_body == "vendor":
        return vendor(code, message, status=status)
    if faults.throttle_body == "billing":
        return as_json(
            status,
            {
                "status_code": status,
                "request_id": f"simulated-{status}",
                "error_code": code,
                "error_message": message,
                "encoded_authorization_message": "",
            },
        )
    return gateway(status, message, code)


def _retry_after(faults: Faults, wait_s: float) -> tuple[Header, ...]:
    asked = faults.retry_after
    headers: list[Header] = []
    for text in (asked,) if isinstance(asked, str) else asked or ():
        value = text
        if text == "seconds":
            value = str(math.ceil(wait_s))
        elif text == "epoch":
            value = str(math.ceil(time.time() + wait_s))
        elif text == "date":
            wall = time.time()
            headers.append(("Date", email.utils.formatdate(wall, usegmt=True)))
            value = email.utils.formatdate(math.ceil(wall + wait_s), usegmt=True)
        headers.append(("Retry-After", value))
    return tuple(headers)


def rate_headers(faults: Faults, standing: Standing, *, debug: bool) -> tuple[Header, ...]:
    """Return the headers that tell the limit; `debug`: the call asked for the gateway's own with X-Apig-Mode."""
    limit, left, reset_s = f"{standing.calls:g}", max(0, standing.left), math.ceil(standing.reset_s)
    span = f"{standing.span_s:g}"
    headers: dict[str, tuple[Header, ...]] = {
        "draft-06": (
            ("RateLimit-Limit", limit),
            ("RateLimit-Policy", f"{limit};w={span}"),
            ("RateLimit-Remaining", f"{left}"),
            ("RateLimit-Reset", f"{reset_s}"),
        ),
        "draft-07": (
            ("RateLimit", f"limit={limit}, remaining={left}, reset={reset_s}"),
            ("RateLimit-Policy", f"{limit};w={span}"),
        ),
        "draft-10": (
            ("RateLimit", f'"default";r={left};t={reset_s}'),
            ("RateLimit-Policy", f'"default";q={limit};w={span}'),
        ),
        "x-ratelimit": (
            ("X-RateLimit-Limit", limit),
            ("X-RateLimit-Remaining", f"{left}"),
            ("X-RateLimit-Reset", f"{reset_s}"),
        ),
        "x-ratelimit-epoch": (
            ("X-RateLimit-Limit", limit),
            ("X-RateLimit-Remaining", f"{left}"),
            ("X-RateLimit-Reset", f"{math.ceil(time.time() + standing.reset_s)}"),
        ),
        "x-apig": (("X-Apig-RateLimit-api", f"remain:{left},limit:{limit},time:{_span(standing.span_s)}"),)
        if debug
        else (),
    }
    return tuple(header for kind in faults.rate_headers for header in headers[kind])


def _span(span_s: float) -> str:
    """Return a limit's time in the gateway's words."""
    unit_s = max((unit_s for unit_s in _UNITS if span_s >= unit_s and span_s % unit_s == 0), default=1.0)
    return f"{span_s / unit_s:g} {_UNITS[unit_s]}"
