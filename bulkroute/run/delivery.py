"""One row -> its outcome. Retry happens outside the slot, so that a row in backoff holds none.

    deliver ──> first try ──> client.modify -> judge -> journal
       └──────> later tries: backoff -> gate.enter -> the same

The gate is the only way to the service: N calls in flight, SENT on disk, then a slot in time, then the call.
"""

import time
from collections.abc import Coroutine

from bulkroute.cec.answers import NoReply, Reply, judge
from bulkroute.cec.service import Feedback, Service
from bulkroute.errors import ServiceUnreachable
from bulkroute.ledger.batches import Work
from bulkroute.ledger.journal import Attempt, Journal
from bulkroute.model import FailureKind, Ruling, Status, Verdict
from bulkroute.rate.backoff import full_jitter_s
from bulkroute.run.admission import Gate

Later = Coroutine[None, None, None]
"""What is left to do for a row whose first try was not the last."""


class Delivery:
    """Brings rows to their outcome through the gate."""

    def __init__(self, service: Service, gate: Gate, journal: Journal, feedback: Feedback) -> None:
        self._client, self._tokens = service.client, service.tokens
        self._settings = service.settings
        self._clock = service.pacer.clock
        self._gate = gate
        self._journal = journal
        self._feedback = feedback
        self.in_backoff = 0
        """Rows that wait for their next try."""
        self._reached = False
        self._success: Reply | NoReply | None = None
        self._success_verdict = Verdict(Ruling.DONE, None, None, None, None)

    async def deliver(self, work: Work, token: str) -> Later | None:
        """Make the first try of a row that the gate has admitted; return the later ones, if any are to follow.

        Both raise GateClosed, CredentialsRefused, ServiceUnreachable and StoppedEarly; the row is pending then.
        """
        first = await self._try(work, 1, token)
        again = first.ruling is Ruling.AGAIN and self._settings.max_attempts > 1
        return self._try_again(work) if again else None

    async def _try_again(self, work: Work) -> None:
        settings = self._settings
        for number in range(2, settings.max_attempts + 1):
            await self._back_off(full_jitter_s(number, settings.backoff_s, settings.backoff_cap_s))
            verdict = await self._try(work, number)
            if verdict.ruling is not Ruling.AGAIN:
                return

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
            status, error = _follows(verdict, last=number == self._settings.max_attempts and not unreachable)
            self._journal.answered(Attempt(work, number, started_at, latency_ms, verdict, status, error))
            if unreachable:
                raise ServiceUnreachable(
                    f"the service cannot be reached: {verdict.description}", hint="check --base-url and the network"
                )
            if not self._feedback.take(verdict, admitted, started_s):
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
        return not self._reached and number == self._settings.max_attempts


def _follows(verdict: Verdict, *, last: bool) -> tuple[Status, FailureKind | None]:
    """Return where a verdict leaves its row."""
    if verdict.ruling is Ruling.DONE:
        return Status.SUCCEEDED, None
    if verdict.ruling is Ruling.FAILED or (verdict.ruling is Ruling.AGAIN and last):
        return Status.FAILED, verdict.kind
    return Status.PENDING, None
