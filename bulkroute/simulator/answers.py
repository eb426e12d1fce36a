"""The answers: the vendor's, the gateway's, and the damaged ones. Values; sending them is `wire`'s business."""

import functools
import gzip
import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Literal

Header = tuple[str, str]
Manner = Literal["whole", "reset", "hang", "half", "wrong_length", "drip", "close"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `manner` is how it goes out; `fault` names the knob that made it, '' for an honest answer."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = (("Content-Type", "application/json;charset=UTF-8"),)
    manner: Manner = "whole"
    fault: str = ""

    @property
    def logged_status(self) -> int:
        """The status as the call log has it: 0 where nothing is sent."""
        return 0 if self.manner in ("reset", "hang") else self.status

    def by(self, fault: str) -> "Answer":
        """Return this answer with the name of the knob that made it."""
        return replace(self, fault=fault)

    def with_headers(self, *headers: Header) -> "Answer":
        """Return this answer with more headers."""
        return replace(self, headers=(*self.headers, *headers))


def as_json(status: int, value: object) -> Answer:
    """Return `value` as a JSON answer."""
    return Answer(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def vendor(code: str, description: str, *, status: int = 200) -> Answer:
    """Return the application's answer: a returnCode and its description."""
    return as_json(status, {"returnCode": code, "description": description})


def gateway(status: int, message: str, code: str) -> Answer:
    """Return the API gateway's answer; its shape is that of a throttling answer seen in public."""
    return as_json(status, {"error_msg": message, "error_code": code, "request_id": f"simulated-{status}"})


def bad_request(message: str) -> Answer:
    """Return 400, "bad path or parameters"."""
    return vendor("400", message, status=400)


UPDATED = vendor("0", "data update success")
PATH_NOT_FOUND = gateway(404, "The API does not exist", "APIG.0101")
METHOD_NOT_ALLOWED = gateway(405, "The method is not allowed", "APIG.0101").with_headers(("Allow", "POST"))
_HTML = (("Content-Type", "text/html"),)
_SERVER_ERRORS = {
    500: vendor("500", "system busy, try again later", status=500),
    503: gateway(503, "Service unavailable", "APIG.0202"),
    504: gateway(504, "Backend timeout", "APIG.0203"),
}

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_BEFORE: dict[str, Manner] = {"reset_before": "reset", "hang_before": "hang"}
_AFTER: dict[str, Manner] = {
    "reset_after": "reset",
    "hang_after": "hang",
    "half_answer": "half",
    "wrong_length": "wrong_length",
    "drip": "drip",
    "close_after": "close",
}
_BIG_BYTES = 8_000_000
_BOMB_BYTES = 64 * 2**20


def failure(status: int) -> Answer:
    """Return what stands between client and application, or the application itself, answers when it cannot."""
    page = f"<html><body><h1>{status} {_REASONS.get(status, '')}</h1></body></html>"
    return _SERVER_ERRORS.get(status) or Answer(status, page.encode(), _HTML)


def down(kind: str) -> Answer:
    """Return what a call gets while the service is down in that way: `refused`, `reset`, `hang`, or a status."""
    manner: Manner = "hang" if kind == "hang" else "reset"
    answer = failure(int(kind)) if kind.isdecimal() else Answer(200, b"", manner=manner)
    return answer.by(f"outage_{kind}")


def instead(fault: str, path: str) -> Answer | None:
    """Return the answer of a fault that keeps the call from being carried out; None for any other fault."""
    if fault.startswith("fail_"):
        return failure(int(fault.removeprefix("fail_"))).by(fault)
    if fault in _BEFORE:
        return Answer(200, b"", manner=_BEFORE[fault], fault=fault)
    if fault == "redirect":
        return Answer(HTTPStatus.FOUND, b"", (("Location", path),), fault=fault)
    return None


def damaged(fault: str, answer: Answer) -> Answer:
    """Return what a fault makes of the answer to a call that was carried out."""
    if fault in _AFTER:
        return replace(answer, manner=_AFTER[fault], fault=fault)
    if fault == "garbage":
        return replace(answer, body=b'<!DOCTYPE html>\n{"returnCode": \xff\xfe', fault=fault)
    if fault == "no_return_code":
        return as_json(200, {"description": "data update success"}).by(fault)
    if fault == "numeric_return_code":
        return as_json(200, {"returnCode": 0, "description": "data update success"}).by(fault)
    if fault == "big_answer":
        return replace(answer, body=_padded_success(_BIG_BYTES), fault=fault)
    if fault == "gzip_bomb":
        return replace(answer, body=_bomb(), fault=fault).with_headers(("Content-Encoding", "gzip"))
    return answer


@functools.cache
def _padded_success(size_bytes: int) -> bytes:
    """Return a success of `size_bytes`: whoever reads all of it finds a good answer."""
    head, tail = b'{"returnCode":"0","description":"', b'"}'
    return head + b" " * (size_bytes - len(head) - len(tail)) + tail


@functools.cache
def _bomb() -> bytes:
    return gzip.compress(_padded_success(_BOMB_BYTES), compresslevel=9, mtime=0)
