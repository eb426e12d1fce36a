"""One row -> its outcome. Retry happens outside the slot, so that a row in backoff holds none.

    deliver ──> first try ──> gate.enter -> client.modify -> judge -> outage -> journal
       └──────> later tries: backoff, or the end of an outage -> the same

The gate is the only way to the service: N calls in flight, SENT on disk, then a slot in time, then the call.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine

from bulkroute.cec.answers import NoReply, Reply, judge, sign_of
from bulkroute.cec.service import Feedback, Service
from bulkroute.cec.token import Refusal
from bulkroute.errors import ServiceUnreachable
from bulkroute.ledger.batches import QueuedRow
from bulkroute.ledger.journal import Journal
from bulkroute.ledger.notes import Attempt
from bulkroute.model import FailureKind, Ruling, Status, Verdict
from bulkroute.rate.backoff import full_jitter_s
from bulkroute.rate.outage import Outage
from bulkroute.rate.signs import Sign
from bulkroute.rate.throttle import Call
from bulkroute.rate.tries import SHAKY_WAIT_S, Fate, Tries
from bulkroute.run.admission import Admission, Gate, GateClosed

Later = Coroutine[None, None, None]
"""What is left to do for a row whose first try was not the last."""


class RowInWork(Tries):
    """A row on its way to its outcome, the last call of it, and what ends its rest before its time."""

    last: Attempt | None = None
    refusal: Refusal | None = None
    """The first of its calls that was refused for its token."""
    throttled = 0
    """How often in a row it was refused without being told for how long."""
    roused: asyncio.Future[None] | None = None

    def __init__(self, queued: QueuedRow) -> None:
        self.row = queued.number
        self.queued = queued


class Delivery:
    """Brings rows to their outcome through the gate."""

    def __init__(self, service: Service, gate: Gate, journal: Journal, feedback: Feedback, outage: Outage) -> None:
        self._client, self._tokens = service.client, service.tokens
        self._settings = service.settings
        self._clock = service.pacer.clock
        self._gate = gate
        self._journal = journal
        self._feedback = feedback
        self._outage = outage
        self._rows: dict[int, RowInWork] = {}
        self._withheld: dict[RowInWork, None] = {}
        self._loop = asyncio.get_running_loop()
        self.on_down: Callable[[], None] = _nothing
        """Called when a call has ended while the service is down, or may be."""
        self.in_backoff = 0
        """Rows that wait for their next try."""
        self._reached = False
        self._success: Reply | NoReply | None = None
        self._success_verdict = Verdict(Ruling.DONE, None, None, None, None)

    def begin(self, queued: QueuedRow) -> RowInWork:
        """Take a row in, to be delivered."""
        row = self._rows[queued.number] = RowInWork(queued)
        self._outage.begin()
        return row

    async def deliver(self, row: RowInWork) -> Later | None:
        """Make the first try of a row; return the later ones, if any are to follow.

        Both raise GateClosed, CredentialsRefused, ProxyRefused, ServiceUnreachable and StoppedEarly; the row is
        pending then.
        """
        later = None
        try:
            if await self._try(row):
                later = self._try_again(row)
        finally:
            if later is None:
                self._end(row)
        return later

    async def _try_again(self, row: RowInWork) -> None:
        try:
            while True:
                await self._rest(row)
                if row.fate is Fate.FAILED and row.last is not None:
                    self._journal.failed(row.last._replace(status=Status.FAILED, error=row.last.verdict.kind))
                    return
                if not await self._try(row):
                    return
        finally:
            self._end(row)

    def _end(self, row: RowInWork) -> None:
        del self._rows[row.row]
        if self._outage.end(row, self._clock()):
            self.on_down()

    def more_rows(self) -> None:
        """Take note that there are rows to begin."""
        self._outage.more_rows = True

    def no_more_rows(self) -> None:
        """Take note that all rows were begun."""
        self._outage.more_rows = False
        self._outage.look(self._clock())
        if self._outage.is_down:
            self.on_down()

    async def _rest(self, row: RowInWork) -> None:
        """Wait until the row is to be tried again, as a probe even before its time, or has failed after all."""
        settings = self._settings
        self.in_backoff += 1
        row.roused = self._loop.create_future()
        try:
            if row.fate is Fate.WITHHELD:
                self._withheld[row] = None
                await self._gate.rest(None, row.roused)
                return
            number = max(2, (row.throttled or row.used) + 1)
            wait_s = full_jitter_s(number, settings.backoff_s, settings.backoff_cap_s)
            await self._gate.rest(max(wait_s, SHAKY_WAIT_S if row.fate is Fate.UNCOUNTED else 0.0), row.roused)
        finally:
            self.in_backoff -= 1
            self._withheld.pop(row, None)
            row.roused = None

    def bring(self, number: int | None) -> RowInWork | None:
        """Return this row, or any other one, on its way to the gate; None if all that are in work are in flight."""
        can_go = {row: self._rows[row] for row in self._gate.waiting() if row in self._rows}
        can_go |= {number: row for number, row in self._rows.items() if row.roused is not None}
        if not can_go:
            return None
        row = can_go[number] if number in can_go else random.choice(list(can_go.values()))
        _rouse(row)
        return row

    def has(self, number: int) -> bool:
        """Tell whether this row is in work."""
        return number in self._rows

    def rouse_decided(self) -> None:
        """Let the rows that were withheld go on, or fail, in their order, if their fate is known now."""
        for row in self._withheld:
            if row.fate is not Fate.WITHHELD:
                _rouse(row)

    async def _try(self, row: RowInWork) -> bool:
        """Make one try. A call whose token was refused, or that was told for how long to wait, is made again at once.

        Return whether another try may follow. Raises GateClosed also for a call that came too late to leave.
        """
        queued = row.queued
        while True:
            admission = await self._gate.enter(queued.number)
            call = self._feedback.started()
            try:
                answer = await self._client.modify(queued.row, admission.token, admission.depart)
            except GateClosed:
                self._journal.withdraw([queued.number])
                raise
            except BaseException:
                self._feedback.lost(call)
                raise
            finally:
                self._gate.leave()
            may_follow = self._take(row, admission, call, answer)
            if may_follow is not None:
                return may_follow

    def _take(self, row: RowInWork, admission: Admission, call: Call, answer: Reply | NoReply) -> bool | None:
        """Take the end of a call; return whether another try may follow, None where this one is to be made again."""
        now_s, started_s = self._clock(), admission.slot.at_s
        started_at = time.time() - (now_s - started_s)
        latency_ms = (now_s - started_s) * 1000
        number, verdict = row.used + 1, self._judge(answer)
        if verdict.ruling is Ruling.DONE:  # as nearly all are: what is asked here is asked for every row
            self._outage.answered(row, Sign.SUCCESS, started_s, now_s)
            self._reached = True
            row.last = Attempt(row.queued, number, started_at, latency_ms, verdict, Status.SUCCEEDED, None)
        else:
            verdict = self._weigh_refusal(row, admission, call, verdict)
            fate = self._outage.answered(row, sign_of(verdict), started_s, now_s, _words(verdict))
            self._reached = self._reached or isinstance(answer, Reply) or answer.sent
            status, error = _follows(verdict, fate, reached=self._reached)
            uses_try = verdict.ruling is not Ruling.AGAIN or row.used >= number
            row.last = Attempt(row.queued, number, started_at, latency_ms, verdict, status, error, uses_try)
            if fate is Fate.FAILED and not self._reached:
                self._journal.answered(row.last)
                raise ServiceUnreachable(
                    f"the service cannot be reached: {verdict.description}", hint="check --base-url and the network"
                )
        if self._outage.is_down:
            self.on_down()
        self._journal.answered(row.last)
        if not self._feedback.take(verdict, admission.token, call):
            row.throttled = 0
            return row.last.status is Status.PENDING
        if verdict.ruling is Ruling.THROTTLED and verdict.retry_after_s is None:
            row.throttled += 1  # everybody else goes on
            return True
        return None

    def _weigh_refusal(self, row: RowInWork, admission: Admission, call: Call, verdict: Verdict) -> Verdict:
        """Return the verdict; that the row is at fault if its token was refused and others get in with it."""
        if verdict.ruling is not Ruling.REFUSED:
            return verdict
        is_alone = self._tokens.is_refused_alone(row.refusal, admission.token)
        row.refusal = row.refusal or Refusal(admission.token, call.started_s)
        return verdict._replace(ruling=Ruling.FAILED, kind=FailureKind.FORBIDDEN) if is_alone else verdict

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


def _nothing() -> None:
    """Stand in for `on_down`."""


def _rouse(row: RowInWork) -> None:
    if row.roused is not None and not row.roused.done():
        row.roused.set_result(None)


def _words(verdict: Verdict) -> str:
    return verdict.words if verdict.ruling is Ruling.AGAIN else ""


def _follows(verdict: Verdict, fate: Fate, *, reached: bool) -> tuple[Status, FailureKind | None]:
    """Return where the verdict on a call that did not succeed leaves its row: pending if no call ever `reached` anybody."""
    has_failed = verdict.ruling is Ruling.FAILED or (verdict.ruling is Ruling.AGAIN and fate is Fate.FAILED)
    if has_failed and (reached or fate is not Fate.FAILED):
        return Status.FAILED, verdict.kind
    return Status.PENDING, None
