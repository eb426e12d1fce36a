"""What an answer tells of the service, whatever it means for its row. No I/O."""

from enum import Enum

from bulkroute.model import FailureKind, Ruling, Verdict


class Sign(Enum):
    """What an answer tells of the service."""

    SUCCESS = "success"
    """The row was changed."""
    LIFE = "life"
    """Another answer that only a working service gives: a returnCode, or a 4xx that blames the call."""
    ERROR_500 = "500"
    """The service failed; by its own documentation the row may be the cause (cec_07_0042)."""
    AWAY = "away"
    """Something is there but does not answer for the service: 502, 503, 504, 408, no answer in time."""
    UNREACHED = "unreached"
    """No connection, or one that broke."""
    UNCLEAR = "unclear"
    """It uses up a try and tells nothing: 200 without a returnCode, 421, 425."""
    NOTHING = "nothing"
    """It uses up no try, or leaves none, and tells nothing: 429, 401, 403, a redirect."""


TROUBLES = frozenset({Sign.ERROR_500, Sign.AWAY, Sign.UNREACHED})

_OF_KIND = {
    FailureKind.BUSINESS: Sign.LIFE,
    FailureKind.BAD_REQUEST: Sign.LIFE,
    FailureKind.NOT_FOUND: Sign.LIFE,
    FailureKind.SERVER: Sign.AWAY,
    FailureKind.TIMEOUT: Sign.AWAY,
    FailureKind.CONNECTION: Sign.UNREACHED,
}


def sign_of(verdict: Verdict) -> Sign:
    """Return what the answer behind a verdict tells of the service."""
    if verdict.ruling is Ruling.DONE:
        return Sign.SUCCESS
    if verdict.kind is None:
        return Sign.NOTHING
    if verdict.kind is FailureKind.BAD_ANSWER:
        return Sign.UNCLEAR if verdict.ruling is Ruling.AGAIN else Sign.NOTHING
    if verdict.http_status == 500:
        return Sign.ERROR_500
    if verdict.http_status in (421, 425):
        return Sign.UNCLEAR
    return _OF_KIND.get(verdict.kind, Sign.NOTHING)
