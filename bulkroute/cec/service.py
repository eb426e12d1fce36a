"""One tenant at one service: who is asked, with which token, how fast; and what its answers mean for token and pace."""

from collections.abc import Callable
from typing import NamedTuple

from bulkroute.cec.client import Client
from bulkroute.cec.token import TokenSource
from bulkroute.errors import ProxyRefused, StopKind, StoppedEarly
from bulkroute.model import FailureKind, Ruling, Verdict
from bulkroute.rate.pacer import Pacer
from bulkroute.rate.throttle import Throttle
from bulkroute.settings import Settings


class Service(NamedTuple):
    """What every call needs, made once for an engine."""

    client: Client
    tokens: TokenSource
    pacer: Pacer
    settings: Settings


def throttle_for(
    service: Service, pause: Callable[[str, str, float], None], on_change: Callable[[str], None]
) -> Throttle:
    """Return what follows the service's refusals; `pause` and `on_change` are those of `Throttle`."""
    settings = service.settings
    return Throttle(
        service.pacer,
        pause,
        on_change,
        backoff_s=settings.backoff_s,
        backoff_cap_s=settings.backoff_cap_s,
        max_wait_s=settings.max_throttle_wait_s,
    )


class Feedback:
    """Takes the verdict on each call: tokens are renewed and the pace follows, in runs and reads alike."""

    def __init__(self, service: Service, throttle: Throttle) -> None:
        self._tokens = service.tokens
        self._throttle = throttle

    def take(self, verdict: Verdict, token: str, started_s: float) -> bool:
        """Return whether the call is to be made again without using up a try, since it was throttled or its token refused.

        `started_s`: when the call started, on the pacer's clock. Raises CredentialsRefused; ProxyRefused; and
        StoppedEarly where the service has throttled for too long.
        """
        if verdict.ruling is Ruling.BARRED:
            raise ProxyRefused(verdict.words)
        if verdict.ruling is Ruling.REFUSED:
            self._tokens.refused(token)
            return True
        if verdict.kind is FailureKind.FORBIDDEN:
            return False
        self._tokens.accepted(token, started_s)
        if verdict.ruling is Ruling.THROTTLED:
            if reason := self._throttle.throttled(verdict.words, verdict.retry_after_s, started_s):
                raise StoppedEarly(reason, hint="run the same command again later", stop=StopKind.THROTTLED)
            return True
        if verdict.http_status is not None:
            self._throttle.let_in(started_s, succeeded=verdict.ruling is Ruling.DONE)
        return False
