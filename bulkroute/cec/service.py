"""One tenant at one service: who is asked, with which token, how fast; and what its answers mean for token and pace."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

from bulkroute.cec.client import Client
from bulkroute.cec.token import TokenSource
from bulkroute.errors import ProxyRefused, StopKind, StoppedEarly
from bulkroute.model import FailureKind, Ruling, Verdict
from bulkroute.rate.learned_rate import LearnedRate
from bulkroute.rate.limit import Limit
from bulkroute.rate.pacer import Pacer
from bulkroute.rate.throttle import Call, Pauses, Throttle
from bulkroute.settings import Settings

BEFORE_THE_LIMIT = frozenset({None, 401, 403, 407, 408, 421, 425, 502, 503, 504})
"""What tells nothing of a limit: no answer, or one that may have been given without counting the call.

A 500 is told by the service behind it (cec_07_0042), and counts as let in.
"""


class Service(NamedTuple):
    """What every call needs, made once for an engine."""

    client: Client
    tokens: TokenSource
    pacer: Pacer
    settings: Settings


RECEIVED_WITHIN_S = 2.0
"""Where another host may take the tenant over, no call is on its way for longer: it does so 3 s after the last sign of us."""


async def open_service(
    settings: Settings, limit: Limit | None, exits: AsyncExitStack, *, may_be_taken_over: bool
) -> Service:
    """Open the connections to a tenant's service, to be closed with `exits`; nothing is sent yet."""
    client = Client(
        settings.base_url,
        auth_url=settings.auth_url,
        app_key=settings.credentials.app_key,
        headers=settings.headers,
        timeout_s=settings.timeout_s,
        received_within_s=RECEIVED_WITHIN_S if may_be_taken_over else None,
    )
    await exits.enter_async_context(client)
    tokens = TokenSource(client, settings)
    exits.push_async_callback(tokens.close)
    return Service(client, tokens, Pacer(settings.rate_per_s, limit=limit), settings)


def throttle_for(
    service: Service, pauses: Pauses, on_change: Callable[[str], None], learned: LearnedRate | None = None
) -> Throttle:
    """Return what follows the service's refusals; `pauses`, `on_change` and `learned` are those of `Throttle`."""
    settings = service.settings
    patience, room = settings.max_throttle_wait_s, settings.head_room
    return Throttle(service.pacer, pauses, on_change, max_wait_s=patience, head_room=room, learned=learned)


class Feedback:
    """Takes the verdict on each call: tokens are renewed and the pace follows, in runs and reads alike."""

    def __init__(self, service: Service, throttle: Throttle) -> None:
        self._tokens = service.tokens
        self._throttle = throttle
        self.started = throttle.started
        """Takes note that a call starts; `take` is to be told what came of it."""

    def ease_in(self) -> None:
        """Go easy on a service that is back after it was down."""
        self._throttle.ease_in()

    def lost(self, call: Call) -> None:
        """Take note that there is no verdict on a call."""
        self._throttle.lost(call)

    def take(self, verdict: Verdict, token: str, call: Call) -> bool:
        """Return whether the call is to be made again without using up a try, since it was throttled or its token refused.

        Raises CredentialsRefused; ProxyRefused; and StoppedEarly where the service has throttled for too long.
        """
        if verdict.ruling is Ruling.DONE:
            self._throttle.accepted(call, succeeded=True)
            self._tokens.accepted(token, call.started_s)
            return False
        if verdict.ruling is Ruling.THROTTLED:
            self._tokens.accepted(token, call.started_s)
            if reason := self._throttle.refused(call, verdict.words, verdict.retry_after_s, verdict.quota):
                raise StoppedEarly(reason, hint="run the same command again later", stop=StopKind.THROTTLED)
            return True
        if verdict.http_status in BEFORE_THE_LIMIT:
            self._throttle.lost(call)
        else:
            self._throttle.accepted(call, succeeded=False)
        if verdict.ruling is Ruling.BARRED:
            raise ProxyRefused(verdict.words)
        if verdict.ruling is Ruling.REFUSED:
            self._tokens.refused(token)
            return True
        if verdict.kind is not FailureKind.FORBIDDEN:
            self._tokens.accepted(token, call.started_s)
        return False
