"""Access tokens: one for all calls, fetched one request at a time, renewed before it dies.

A token is renewed at 80% of its life while calls go on with the older one. Its life is measured on a monotonic clock
from the moment it was asked for, so a clock that is set back or forth changes nothing. Source: tokenByAkSk
(cec_07_0002): all values of the answer are strings, `Expires` is the life in seconds, 3600 at most.

Token calls do not count against the rate: they go to another interface, about once an hour, and a bucket of their own
keeps them few even where the service gives tokens of no use.
"""

import asyncio
import contextlib
import json
import math
from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple
from urllib.parse import quote

from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from bulkroute.cec.answers import TEXT_LIMIT, NoReply, Reply
from bulkroute.cec.client import Client
from bulkroute.credentials import Credentials
from bulkroute.errors import BulkrouteError, CredentialsRefused, KeysRefused, ProxyRefused, ServiceUnreachable
from bulkroute.model import printable

RENEW_AT = 0.8
"""The share of its life after which a token is renewed."""

DEAD_AT = 0.95
"""The share of its life after which a token is used no more: a call needs time to arrive."""

FETCHES, FETCHES_S = 10, 10.0
"""Token calls are held to a leaky bucket of their own: ten at once, then one a second."""

TOKENS_REMEMBERED = 8
"""Tokens kept in mind to blot out of the service's texts, beside the fixed secrets: those of the last hours."""


class Token(NamedTuple):
    """A token and when, on the event loop's clock, it is renewed and used no more."""

    value: str
    renew_at_s: float
    dead_at_s: float


class TokenSource:
    """Hands out the token that is good now."""

    def __init__(
        self,
        client: Client,
        credentials: Credentials,
        *,
        max_attempts: int,
        wait: wait_random_exponential,
        hidden: Iterable[str] = (),
    ) -> None:
        """Take a fixed token or a key pair; a fetch that fails is tried `max_attempts` times with `wait` in between.

        `hidden`: what is to be blotted out besides, where a service echoes it.
        """
        self._client = client
        self._credentials = credentials
        self._max_attempts = max_attempts
        self._wait = wait
        self._clock = asyncio.get_running_loop().time
        self._token: Token | None = None
        self._renewal: asyncio.Task[None] | None = None
        # A service that hands out tokens of no life at all must not be flooded for them.
        self._bucket = AsyncLimiter(FETCHES, FETCHES_S)
        fixed = [secret.reveal() for secret in (credentials.token, credentials.app_secret) if secret is not None]
        self._fixed_secrets = [spelling for secret in (*fixed, *hidden) for spelling in _spellings(secret)]
        self._tokens_seen: deque[list[str]] = deque(maxlen=TOKENS_REMEMBERED)
        if credentials.token is not None:
            self._token = Token(credentials.token.reveal(), math.inf, math.inf)
        self.proven = True
        """False after a refusal, until a call with the renewed token was not refused."""

    def good(self, value: str) -> bool:
        """Tell whether a call may start with this token now."""
        return self._token is not None and self._token.value == value and self._clock() < self._token.dead_at_s

    async def get(self) -> str:
        """Return the token to send now, fetching or renewing one where needed.

        Raises CredentialsRefused or ServiceUnreachable.
        """
        while True:
            token = self._token
            now_s = self._clock()
            if token is not None and now_s < token.renew_at_s:
                return token.value
            renewal = self._renew()
            if token is not None and now_s < token.dead_at_s:
                return token.value
            await asyncio.shield(renewal)

    def accepted(self, value: str) -> None:
        """Take note that the service did not refuse this token."""
        if self._token is not None and self._token.value == value:
            self.proven = True

    def refused(self, value: str) -> None:
        """Take note that the service refused this token: the next `get` fetches another one.

        Raises CredentialsRefused where the token is fixed, or was fetched after a refusal and never accepted since.
        """
        if self._token is None or self._token.value != value:
            return
        if self._credentials.token is not None:
            raise CredentialsRefused("the service refuses the token", hint="renew BULKROUTE_TOKEN, then run again")
        if not self.proven:
            raise CredentialsRefused(
                "the service refuses a fresh token too",
                hint="check that the app key is entitled to this service and this address is on its allow list",
            )
        self.proven = False
        self._token = None

    def clean(self, text: str) -> str:
        """Return `text` fit to be kept and shown: printable, and without any secret the service may have echoed."""
        for secret in chain(self._fixed_secrets, *self._tokens_seen):
            if secret in text:
                text = text.replace(secret, "***")
        return printable(text, TEXT_LIMIT)

    async def close(self) -> None:
        """End a renewal that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError, BulkrouteError):
                await self._renewal

    def _renew(self) -> asyncio.Task[None]:
        """Start a renewal, or return the one under way."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._fetch(), name="token renewal")
            # While the older token still lives nobody waits for the renewal; a failure then shows at the next `get`.
            self._renewal.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._renewal

    async def _fetch(self) -> None:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(ServiceUnreachable),
            stop=stop_after_attempt(self._max_attempts),
            wait=self._wait,
            reraise=True,
        )
        await retrying(self._fetch_once)

    async def _fetch_once(self) -> None:
        await self._bucket.acquire()
        asked_at_s = self._clock()
        secret = self._credentials.app_secret
        answer = await self._client.fetch_token(self._credentials.app_key or "", secret.reveal() if secret else "")
        if isinstance(answer, NoReply) and answer.by_proxy:
            raise ProxyRefused(self.clean(answer.description))
        found = _read_token(answer)
        if isinstance(found, str):
            if isinstance(answer, Reply) and answer.http_status in (400, 401, 403):
                raise KeysRefused(
                    f"the token service refuses the app key: {self.clean(found)}",
                    hint="check BULKROUTE_APP_KEY and its secret, and that this address is on the allow list",
                )
            raise ServiceUnreachable(
                f"no token could be fetched: {self.clean(found)}", hint="check --base-url, and --auth-url if it is set"
            )
        value, life_s = found
        self._tokens_seen.append(_spellings(value))
        self._token = Token(value, asked_at_s + RENEW_AT * life_s, asked_at_s + DEAD_AT * life_s)


def _spellings(secret: str) -> list[str]:
    """Return a secret as it is, as JSON writes it and as a URL does."""
    return list(dict.fromkeys((secret, json.dumps(secret)[1:-1], quote(secret, safe=""))))


def _read_token(answer: Reply | NoReply) -> tuple[str, float] | str:
    """Return the token and its life in seconds, or what is wrong with the answer."""
    if isinstance(answer, NoReply):
        return answer.description
    text = answer.body.decode("utf-8", "replace")  # cut only once it is clean of secrets
    if answer.http_status != 200:
        return f"HTTP {answer.http_status}: {text}"
    try:
        said = json.loads(answer.body)
        value, life_s = said["AccessToken"], float(said["Expires"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "the answer of the token service has no AccessToken with Expires"
    if (
        not isinstance(value, str)
        or not value.isascii()
        or not value.isprintable()
        or not value
        or not 0 < life_s < math.inf
    ):
        return "the answer of the token service has an AccessToken or Expires that cannot be used"
    return value, life_s
