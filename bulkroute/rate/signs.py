"""What answers tell of the service, whatever they mean for their rows."""

from enum import Enum


class Sign(Enum):
    """What an answer tells of the service."""

    SUCCESS = "success"
    """The row was changed, or the question answered."""
    LIFE = "life"
    """Another answer that only a working service gives: a returnCode, or a 4xx that blames the call."""
    ERROR_500 = "500"
    """The service failed, and the row may be the cause."""
    AWAY = "away"
    """Something is there but does not answer for the service: 502, 503, 504, 408, no answer in time."""
    UNREACHED = "unreached"
    """No connection, or one that broke."""
    UNCLEAR = "unclear"
    """It uses up a try and tells nothing: 200 without a returnCode, 421, 425, a redirect."""
    NOTHING = "nothing"
    """It uses up no try and tells nothing: 429, 401, 403."""


TROUBLES = frozenset({Sign.ERROR_500, Sign.AWAY, Sign.UNREACHED})
