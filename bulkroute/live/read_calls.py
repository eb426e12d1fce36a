"""Questions to the reading endpoints: each call passes the pacer, and is tried again as any other call is.

Answers are judged by the rules of `retry.judge`: 500 and lost connections again with backoff, 429 as a wait of the
whole run that uses up no try, 401 and 403 once more with a renewed token.
"""

from collections.abc import Mapping
from typing import Any

from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_attempt

from bulkroute.cec.answers import NoReply, Reply, judge, judge_parsed, parse
from bulkroute.cec.service import Feedback, Service
from bulkroute.errors import CredentialsRefused, ReadingRefused, ServiceUnreachable
from bulkroute.model import Ruling, Verdict
from bulkroute.rate.backoff import full_jitter

Said = dict[str, Any]


class Asker:
    """Asks one service's reading endpoints, for whoever shares its pacer and its tokens."""

    def __init__(self, service: Service, feedback: Feedback) -> None:
        self._service = service
        self._client, self._tokens, self._pacer, settings = service
        self._max_attempts = settings.max_attempts
        self._wait = full_jitter(settings.backoff_s, settings.backoff_cap_s)
        self._feedback = feedback

    def sharing(self, feedback: Feedback) -> "Asker":
        """Return an asker that waits as a run does, and lets the run learn from its answers."""
        return Asker(self._service, feedback)

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
            try:
                again = self._feedback.take(verdict, token, started_s)
            except CredentialsRefused as error:
                raise CredentialsRefused(
                    f"{error.what} for {endpoint.rpartition('/')[2]}: {verdict.words}", hint=error.hint
                ) from error
            if not again:
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
        value = int(value)
    return value if type(value) is int and 0 <= value < 2**63 else None
