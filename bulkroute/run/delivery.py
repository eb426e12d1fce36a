"""One row -> its outcome. Retry happens outside the slot, so that a row in backoff holds none.

    deliver ── first try, bare ───────────────> client.modify -> judge -> journal
       └────── later tries, by tenacity ──────> gate.enter -> the same

The gate is the only way to the service: N calls in flight, SENT on disk, then a slot in time, then the call.
"""

import time
from collections.abc import Callable, Coroutine

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from bulkroute.cec.answers import NoReply, Reply, judge
from bulkroute.cec.client import Client
from bulkroute.cec.token import TokenSource
from bulkroute.errors import ServiceUnreachable
from bulkroute.ledger.batches import Work
from bulkroute.ledger.journal import Attempt, Journal
from bulkroute.model import FailureKind, Ruling, Status, Verdict
from bulkroute.rate.backoff import full_jitter
from bulkroute.rate.throttle import Throttle
from bulkroute.run.admission import Gate
from bulkroute.settings import Settings

Later = Coroutine[None, None, None]
"""What is left to do for a row whose first try was not the last."""


class Delivery:
    """Brings rows to their outcome through the gate."""

    def __init__(
        self,
        *,
        gate: Gate,
        client: Client,
        tokens: TokenSource,
        journal: Journal,
        throttle: Throttle,
        settings: Settings,
        clock: Callable[[], float],
        stop: Callable[[str], None],
    ) -> None:
        """`clock` is the pacer's; `stop` ends the run for the reason it is given."""
        self._gate = gate
        self._client = client
        self._tokens = tokens
        self._journal = journal
        self._throttle = throttle
        self._clock = clock
        self._max_attempts = settings.max_attempts
        self._wait = full_jitter(settings.backoff_s, settings.backoff_cap_s)
        self._stop = stop
        self.in_backoff = 0
        """Rows that wait for their next try."""
        self._reached = False
        self._success: Reply | NoReply | None = None
        self._success_verdict = Verdict(Ruling.DONE, None, None, None, None)

    async def deliver(self, work: Work, token: str) -> Later | None:
        """Make the first try of a row that the gate has admitted; return the later ones, where any are to follow.

        Both raise GateClosed, CredentialsRefused and ServiceUnreachable; the row is pending then.
        """
        # tenacity halves the throughput where it wraps every call, so a row meets it only once its first try failed.
        first = await self._try(work, 1, token)
        return None if first.ruling is not Ruling.AGAIN or self._max_attempts == 1 else self._try_again(work, first)

    async def _try_again(self, work: Work, first: Verdict) -> None:
        tries = 0

        async def next_try() -> Verdict:
            nonlocal tries
            tries += 1
            return first if tries == 1 else await self._try(work, tries)

        # One object a row: coroutines that share one mix their counters.
        retrying = AsyncRetrying(
            retry=retry_if_result(_may_help),
            wait=self._wait,
            stop=stop_after_attempt(self._max_attempts),
            sleep=self._back_off,
            retry_error_callback=_ignore,  # the last verdict is in the journal already
        )
        await retrying(next_try)

    async def _back_off(self, wait_s: float) -> None:
        self.in_backoff += 1
        try:
            await self._gate.rest(wait_s)
        finally:
            self.in_backoff -= 1

    async def _try(self, work: Work, number: int, token: str | None = None) -> Verdict:
        """Make one try that counts: throttled and refused calls are made again without using it up.

        `token` is that of a row which the gate has admitted already.
        """
        while True:
            admitted, token = token or await self._gate.enter(work.number), None
            started_at, started_s = time.time(), self._clock()
            try:
                answer = await self._client.modify(work.row, admitted)
            finally:
                self._gate.leave()
            latency_ms = (self._clock() - started_s) * 1000
            verdict = self._judge(answer)
            unreachable = self._is_unreachable(answer, number)
            status, error = _follows(verdict, last=number == self._max_attempts and not unreachable)
            self._journal.answered(Attempt(work, number, started_at, latency_ms, verdict, status, error))
            if unreachable:
                raise ServiceUnreachable(
                    f"the service cannot be reached: {verdict.description}", hint="check --base-url and the network"
                )
            if verdict.ruling is Ruling.REFUSED:
                self._tokens.refused(admitted)
                continue
            self._tokens.accepted(admitted)
            if verdict.ruling is Ruling.THROTTLED:
                if reason := self._throttle.throttled(verdict.words, verdict.retry_after_s, started_s):
                    self._stop(reason)
                continue
            if verdict.http_status is not None:
                self._throttle.let_in(started_s, succeeded=verdict.ruling is Ruling.DONE)
            return verdict

    def _judge(self, answer: Reply | NoReply) -> Verdict:
        """Judge an answer; one that is the same to the byte as the success before it need not be read again.

        Nearly all answers of a good night are: this saves a twentieth of the CPU time of a row.
        """
        if answer == self._success:
            return self._success_verdict
        verdict = judge(answer, clean=self._tokens.clean)
        if verdict.ruling is Ruling.DONE:
            self._success, self._success_verdict = answer, verdict
        return verdict

    def _is_unreachable(self, answer: Reply | NoReply, number: int) -> bool:
        """Tell whether a row used up its tries on a service to which no call has ever got through."""
        self._reached = self._reached or isinstance(answer, Reply) or answer.sent
        return not self._reached and number == self._max_attempts


def _follows(verdict: Verdict, *, last: bool) -> tuple[Status, FailureKind | None]:
    """Return where a verdict leaves its row."""
    if verdict.ruling is Ruling.DONE:
        return Status.SUCCEEDED, None
    if verdict.ruling is Ruling.FAILED or (verdict.ruling is Ruling.AGAIN and last):
        return Status.FAILED, verdict.kind
    return Status.PENDING, None


def _may_help(verdict: Verdict) -> bool:
    return verdict.ruling is Ruling.AGAIN


def _ignore(_state: RetryCallState) -> None:
    """End tenacity's loop quietly where it would raise RetryError."""
