"""Questions to the reading endpoints: each call passes the pacer, and is tried again as any other call is.

Answers are judged by the rules of `retry.judge`: 500 and lost connections again with backoff, 429 as a wait of the
whole run that uses up no try, 401 and 403 once more with a renewed token.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_attempt

from bulkroute.cec.answers import NoReply, Reply, judge, judge_parsed, parse
from bulkroute.cec.client import Client
from bulkroute.cec.token import TokenSource
from bulkroute.errors import CredentialsRefused, ReadingRefused, ServiceUnreachable, StoppedEarly
from bulkroute.model import Ruling, Verdict
from bulkroute.rate.backoff import full_jitter
from bulkroute.rate.pacer import Pacer
from bulkroute.rate.throttle import Throttle
from bulkroute.settings import Settings

Said = dict[str, Any]


class _Hold:
    """Holds the pacer, where there is no run yet to note its waits in."""

    def __init__(self, pacer: Pacer, tell: Callable[[str], None]) -> None:
        self._pacer = pacer
        self._tell = tell

    def hold(self, key: str, reason: str, until_s: float | None = None) -> None:
        """Let no call start until then."""
        if self.until_s(key) is None:
            self._tell(f"waiting: {reason}")
        self._pacer.hold(key, reason, until_s)

    def until_s(self, key: str) -> float | None:
        """Return when the hold of that key ends."""
        return next((hold.until_s for hold in self._pacer.holds() if hold.key == key), None)


def own_throttle(pacer: Pacer, settings: Settings, tell: Callable[[str], None]) -> Throttle:
    """Return what makes calls wait that belong to no run; `tell` gets the reasons."""
    return Throttle(
        pacer,
        _Hold(pacer, tell),
        lambda _reason: None,
        backoff_s=settings.backoff_s,
        backoff_cap_s=settings.backoff_cap_s,
        max_wait_s=settings.max_throttle_wait_s,
    )


class Asker:
    """Asks one service's reading endpoints, for whoever shares its pacer and its tokens."""

    def __init__(
        self, client: Client, tokens: TokenSource, pacer: Pacer, settings: Settings, throttle: Throttle
    ) -> None:
        self._client = client
        self._tokens = tokens
        self._pacer = pacer
        self._max_attempts = settings.max_attempts
        self._wait = full_jitter(settings.backoff_s, settings.backoff_cap_s)
        self._settings = settings
        self._throttle = throttle

    def sharing(self, throttle: Throttle) -> "Asker":
        """Return an asker that waits as a run does, and lets the run learn from its answers."""
        return Asker(self._client, self._tokens, self._pacer, self._settings, throttle)

    async def ask(self, endpoint: str, question: Mapping[str, Any]) -> Said:
        """Return the JSON object of a successful answer, without the wrapper that some endpoints put around it.

        Raises CredentialsRefused; ServiceUnreachable where no connection came about; ReadingRefused for any other
        refusal; StoppedEarly where throttling went on for too long.
        """
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda answered: answered[0].ruling is Ruling.AGAIN),
            wait=self._wait,
            stop=stop_after_attempt(self._max_attempts),
        )
        answered: tuple[Verdict, Said]
        try:
            answered = await retrying(self._try, endpoint, question)
        except RetryError as error:
            answered = error.last_attempt.result()
        verdict, said = answered
        if verdict.ruling is Ruling.DONE:
            return said
        name = endpoint.rpartition("/")[2]
        if verdict.http_status is None:
            raise ServiceUnreachable(
                f"the service cannot be reached: {name}: {verdict.description}", hint="check --base-url and the network"
            )
        raise ReadingRefused(f"{name} is refused: {verdict.words}")

    async def _try(self, endpoint: str, question: Mapping[str, Any]) -> tuple[Verdict, Said]:
        """Make one try that counts; throttled and refused calls are made again without using it up."""
        while True:
            token = await self._tokens.get()
            await self._pacer.start()
            if not self._tokens.good(token):
                continue
            started_s = self._pacer.clock()
            answer = await self._client.ask(endpoint, question, token)
            verdict, said = self._judge(answer)
            if verdict.ruling is Ruling.REFUSED:
                try:
                    self._tokens.refused(token)
                except CredentialsRefused as error:
                    raise CredentialsRefused(
                        f"{error.what} for {endpoint.rpartition('/')[2]}: {verdict.words}", hint=error.hint
                    ) from error
                continue
            self._tokens.accepted(token)
            if verdict.ruling is Ruling.THROTTLED:
                if reason := self._throttle.throttled(verdict.words, verdict.retry_after_s, started_s):
                    raise StoppedEarly(reason, hint="run the same command again later")
                continue
            if verdict.http_status is not None:
                self._throttle.let_in(started_s, succeeded=verdict.ruling is Ruling.DONE)
            return verdict, said

    def _judge(self, answer: Reply | NoReply) -> tuple[Verdict, Said]:
        if isinstance(answer, NoReply):
            return judge(answer, clean=self._tokens.clean), {}
        said = parse(answer) or {}
        if isinstance(said.get("schema"), dict):  # queryIVRFlowList (cec_07_0046): its table has a wrapper
            said = said["schema"]
        if "retCode" in said:
            said = {"returnCode": said["retCode"], "description": said.get("message"), **said}
        return judge_parsed(answer, said, clean=self._tokens.clean), said


def whole_number(value: Any) -> int | None:
    """Return a JSON integer that SQLite can hold, given as a number or as text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = json.loads(value.lstrip("0") or "0")
    return value if type(value) is int and 0 <= value < 2**63 else None
