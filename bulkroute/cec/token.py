"""Access tokens: one for all calls, fetched one request at a time, renewed before it dies.

A token is renewed at 80% of its life while calls go on with the older one. Its life is measured on a monotonic clock
from the moment it was asked for, so a clock that is set back or forth changes nothing. Source: tokenByAkSk
(cec_07_0002): all values of the answer are strings, `Expires` is the life in seconds, 3600 at most.

Token calls do not count against the rate: they go to another interface, about once an hour, and a bucket of their own
keeps them few even where the service gives tokens of no use. While the token service is down they go out as probes do.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple

from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt

from bulkroute.cec.answers import NoReply
from bulkroute.cec.clean_text import TOKENS_REMEMBERED, CleanText
from bulkroute.cec.client import Client
from bulkroute.cec.token_answers import KeysWrong, Trouble, read_token_answer
from bulkroute.errors import (
    BulkrouteError,
    CredentialsRefused,
    KeysRefused,
    ProxyRefused,
    ServiceUnreachable,
    StopKind,
    StoppedEarly,
)
from bulkroute.rate.backoff import full_jitter, full_jitter_s
from bulkroute.rate.probing import Probing
from bulkroute.settings import Settings

RENEW_AT = 0.8
"""The share of its life after which a token is renewed."""

DEAD_AT = 0.95
"""The share of its life after which a token is used no more: a call needs time to arrive."""

FETCHES, FETCHES_S = 10, 10.0
"""Token calls are held to a leaky bucket of their own: ten at once, then one a second."""

LONGEST_WAIT_S = 300.0
"""No single wait for a token service that throttles is longer, whatever it asks for."""


class Token(NamedTuple):
    """A token and when, on the event loop's clock, it is renewed and used no more."""

    value: str
    renew_at_s: float
    dead_at_s: float


class Refusal(NamedTuple):
    """A call that was refused with a token; `started_s` is when it started, on the pacer's clock."""

    token: str
    started_s: float


class Away(NamedTuple):
    """The token service is down, and somebody waits for a token. Times are on the event loop's clock."""

    reason: str
    since_s: float
    give_up_s: float
    next_probe_s: Callable[[], float | None]


class TokenSource:
    """Hands out the token that is good now."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Take the credentials and the waits from `settings`; its secret headers are blotted out of texts as well."""
        self._client = client
        self._settings = settings
        self._credentials = credentials = settings.credentials
        self._clock = asyncio.get_running_loop().time
        self._token: Token | None = None
        self._had_token = False
        self._renewal: asyncio.Task[None] | None = None
        # A service that hands out tokens of no life at all must not be flooded for them.
        self._bucket = AsyncLimiter(FETCHES, FETCHES_S)
        fixed = [secret.reveal() for secret in (credentials.token, credentials.app_secret) if secret is not None]
        self.clean = CleanText((*fixed, *settings.secret_headers))
        """Makes the service's texts fit to be kept and shown."""
        self._let_in_s: dict[str, float] = {}
        """When the last call started that was let in with each of the last tokens."""
        self._roused = asyncio.Event()
        self._probing: Probing | None = None
        self._words = ""
        self._is_away = False
        self.on_away: Callable[[Away | None], None] = lambda _away: None
        """Told when somebody has to wait for a token service that is down, and (None) when it is back."""
        self.on_throttled: Callable[[str, float], None] = lambda _reason, _until_s: None
        """Told why and until when somebody waits for a token service that throttles."""
        if credentials.token is not None:
            self._token = Token(credentials.token.reveal(), math.inf, math.inf)
        self.proven = True
        """False after a refusal, until a call with the renewed token was not refused."""

    def good(self, value: str) -> bool:
        """Tell whether a call may start with this token now."""
        return self._token is not None and self._token.value == value and not self._is_dead()

    async def get(self) -> str:
        """Return the token to send now, fetching or renewing one where needed, however long that takes.

        Raises CredentialsRefused; ProxyRefused; ServiceUnreachable if no token was ever to be had; StoppedEarly where
        the token service was down, or throttled, for too long.
        """
        while True:
            token = self._token
            if token is not None and self._clock() < token.renew_at_s:
                return token.value
            renewal = self._renew()
            if token is not None and not self._is_dead():
                return token.value
            self._tell_if_away()
            await asyncio.shield(renewal)

    def accepted(self, value: str, started_s: float) -> None:
        """Take note that the service let a call in with this token."""
        self._let_in_s[value] = started_s
        if self._token is not None and self._token.value == value:
            self.proven = True

    def is_refused_alone(self, earlier: Refusal | None, value: str) -> bool:
        """Tell whether a row that was refused before, and is refused with this token now, is the only one that is.

        A fixed token may have died at that very moment; so with it others must have been let in since.
        """
        if earlier is None:
            return False
        if value == earlier.token:
            return self._let_in_s.get(value, -math.inf) >= earlier.started_s
        return value in self._let_in_s or earlier.token in self._let_in_s

    def refused(self, value: str) -> None:
        """Take note that the service refused this token: the next `get` fetches another one.

        Raises CredentialsRefused where there is no other, or that was refused too and never let a call in.
        """
        if self._token is None or self._token.value != value:
            return
        was_proven, self.proven = self.proven, False
        if self._credentials.token is None:
            if not was_proven:
                raise CredentialsRefused(
                    "the service refuses a fresh token too",
                    hint="check that the app key is entitled to this service and this address is on its allow list",
                )
            self._token = None
            return
        # Whoever keeps the file may have renewed it; if not, it may have been a slip: once more.
        fresh = self._credentials.read_token_again()
        if fresh is not None and fresh.reveal() != value:
            self._take(fresh.reveal(), math.inf)
        elif not was_proven:
            raise CredentialsRefused("the service refuses the token", hint="renew BULKROUTE_TOKEN, then run again")

    def probe_at_once(self) -> None:
        """Ask a token service that is down at once, for an operator."""
        if self._probing is not None:
            self._probing.is_asked_for = True
            self._roused.set()

    async def close(self) -> None:
        """End a renewal that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError, BulkrouteError):
                await self._renewal

    def _is_dead(self) -> bool:
        return self._token is None or self._clock() >= self._token.dead_at_s

    def _take(self, value: str, life_s: float, asked_at_s: float = 0.0) -> None:
        self.clean.learn(value)
        self._token = Token(value, asked_at_s + RENEW_AT * life_s, asked_at_s + DEAD_AT * life_s)
        self._had_token = True
        while len(self._let_in_s) > TOKENS_REMEMBERED:
            del self._let_in_s[next(iter(self._let_in_s))]

    def _renew(self) -> asyncio.Task[None]:
        """Start a renewal, or return the one under way."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._fetch(), name="token renewal")
            # While the older token still lives nobody waits for the renewal; a failure then shows at the next `get`.
            self._renewal.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._renewal

    async def _fetch(self) -> None:
        """Fetch a token; raises only where asking again is no use."""
        usual_tries = AsyncRetrying(
            retry=retry_if_result(lambda trouble: trouble is not None),
            stop=stop_after_attempt(self._settings.max_attempts),
            wait=full_jitter(self._settings.backoff_s, self._settings.backoff_cap_s),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        try:
            # Once there was a token, the service is there: its troubles are waited for from the first one on.
            waits = self._had_token and self._settings.max_outage_wait_s > 0
            trouble: Trouble | None = await (self._ask() if waits else usual_tries(self._ask))
            while trouble is not None:
                if not waits:
                    raise ServiceUnreachable(
                        f"no token could be fetched: {self._words}",
                        hint="check --base-url, and --auth-url if it is set",
                    )
                await self._wait_for_probe()
                trouble = await self._ask()
        finally:
            self._probing = None
            if self._is_away:
                self._is_away = False
                self.on_away(None)

    async def _ask(self) -> Trouble | None:
        """Ask once, and again as long as the service throttles, which uses up no try."""
        since_s = math.inf
        while True:
            trouble = await self._ask_once()
            if trouble is None:
                return None
            self._words = self.clean(trouble.words)
            if not trouble.is_throttled:
                return trouble
            since_s = min(since_s, self._clock())
            await self._wait_throttled(trouble.retry_after_s, since_s)

    async def _wait_throttled(self, retry_after_s: float | None, since_s: float) -> None:
        now_s, patience_s = self._clock(), self._settings.max_throttle_wait_s
        reason = f"the token service throttles ({self._words})"
        if now_s - since_s >= patience_s:
            raise StoppedEarly(
                f"{reason} for {now_s - since_s:.0f} s",
                hint="run the same command again later",
                stop=StopKind.THROTTLED,
            )
        if retry_after_s is None:
            retry_after_s = full_jitter_s(8, self._settings.backoff_s, self._settings.backoff_cap_s)
        wait_s = min(max(retry_after_s, 1.0), LONGEST_WAIT_S, since_s + patience_s - now_s)
        if self._is_dead():
            self.on_throttled(reason, now_s + wait_s)
        await asyncio.sleep(wait_s)

    async def _wait_for_probe(self) -> None:
        """Wait until the next fetch is due while the token service is down. Raises StoppedEarly."""
        now_s = self._clock()
        if self._probing is None:
            # Nobody is in a hurry as long as the older token lives.
            self._probing = Probing(now_s, math.inf)
        else:
            self._probing.settle(now_s, failed=True)
        self._tell_if_away()
        if now_s >= self._probing.give_up_s:
            raise StoppedEarly.given_up("token service", self._settings.max_outage_wait_s, self._words)
        self._roused.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min(self._probing.due_s, self._token_dies_s())):
                await self._roused.wait()

    def _token_dies_s(self) -> float:
        """Return when a token that still lives is dead, so that waiting for another one is told in time."""
        return math.inf if self._token is None or self._is_dead() else self._token.dead_at_s

    def _tell_if_away(self) -> None:
        """Say that calls wait for the token service, once it is down and no token lives any more."""
        probing = self._probing
        if probing is None or self._is_away or not self._is_dead():
            return
        self._is_away = True
        now_s = self._clock()
        probing.give_up_s = now_s + self._settings.max_outage_wait_s
        reason = f"token service down ({self._words})"
        self.on_away(Away(reason, now_s, probing.give_up_s, lambda: probing.due_s))

    async def _ask_once(self) -> Trouble | None:
        """Ask once for a token; return what went wrong, if anything. Raises KeysRefused, ProxyRefused."""
        await self._bucket.acquire()
        asked_at_s = self._clock()
        secret = self._credentials.app_secret
        answer = await self._client.fetch_token(self._credentials.app_key or "", secret.reveal() if secret else "")
        if isinstance(answer, NoReply) and answer.by_proxy:
            raise ProxyRefused(self.clean(answer.description))
        found = read_token_answer(answer)
        if isinstance(found, Trouble):
            return found
        if isinstance(found, KeysWrong):
            raise KeysRefused(
                f"the token service refuses the app key: {self.clean(found.words)}",
                hint="check BULKROUTE_APP_KEY and its secret, and that this address is on the allow list",
            )
        if self._clock() >= asked_at_s + DEAD_AT * found.life_s:
            return Trouble(f"a token that lives for {found.life_s:g} s is dead before it arrives")
        self._take(found.value, found.life_s, asked_at_s)
        return None
