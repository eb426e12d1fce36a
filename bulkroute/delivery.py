"""One row -> its outcome. Retry happens outside the slot, so that a row in backoff holds none.

    deliver ── first try, bare ───────────────> attempt: gate.enter -> client.modify -> judge -> journal
       └────── later tries, by tenacity ──────>

The gate is the only way to the service: N calls in flight, SENT on disk, then a slot in time, then the call.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt
from tenacity.wait import wait_random_exponential

from bulkroute.client import Client
from bulkroute.errors import LedgerError, ServiceUnreachable
from bulkroute.ledger.batch import Work
from bulkroute.ledger.journal import Attempt, Journal
from bulkroute.model import FailureKind, Status
from bulkroute.pacing import Pacer
from bulkroute.retry import NoReply, Reply, Ruling, Verdict, judge
from bulkroute.throttle import Throttle
from bulkroute.token import TokenSource

T = TypeVar("T")

LEAD_S = 0.02
"""How far ahead of their slot in time calls are noted as SENT: a commit then serves all calls of the next 20 ms."""

HOLD_LOOK_S = 0.25
"""How often the gate looks whether a hold has been released."""


class GateClosed(Exception):
    """The run starts no more calls; the row stays pending."""


class Entry(NamedTuple):
    """A row that waits at the gate: `admit` is called with the token once its call may start, or else `refuse`."""

    row: int
    admit: Callable[[str], None]
    refuse: Callable[[], None]


class Gate:
    """Lets calls out: at most `slots` in flight, each on disk as SENT before it starts, each at its slot in time.

    Two loops with a queue in between. `stage` notes the next calls as SENT, just ahead of their time. `start` lets
    each go at its slot, so that a slow disk may delay calls but never bunches them up past the rate.
    """

    def __init__(self, slots: int, pacer: Pacer, journal: Journal, tokens: TokenSource) -> None:
        self.slots = slots
        self.in_flight = 0
        self._pacer = pacer
        self._journal = journal
        self._tokens = tokens
        self._held: float | None = None
        """How long no call may start, in seconds; None where they may."""
        self._waiting: deque[Entry] = deque()
        self._staged: deque[Entry] = deque()
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left = asyncio.Event()
        """Set each time a call ended; whoever waits for room clears it."""
        self._stage_stirred = asyncio.Event()
        self._start_stirred = asyncio.Event()

    @property
    def room(self) -> int:
        """How many more rows may come to the gate before somebody has to queue for a slot."""
        return self.slots - self.in_flight - len(self._staged) - len(self._waiting)

    def offer(self, row: int, admit: Callable[[str], None], refuse: Callable[[], None]) -> None:
        """Queue a row: `admit` gets the token to send once its call may start; `refuse` is called if the gate closes."""
        if self._closed.done():
            refuse()
            return
        self._waiting.append(Entry(row, admit, refuse))
        self._stage_stirred.set()

    async def enter(self, row: int) -> str:
        """Wait until the call of this row may start, and return the token to send. Raises GateClosed."""
        admitted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.offer(row, admitted.set_result, lambda: admitted.set_exception(GateClosed()))
        return await admitted

    def resize(self, slots: int) -> None:
        """Let so many calls be in flight from now on; what is in flight beyond that ends in its own time."""
        self.slots = slots
        self.left.set()
        self._stage_stirred.set()
        self._start_stirred.set()

    def leave(self) -> None:
        """Give the slot back: the call was answered or given up."""
        self.in_flight -= 1
        self.left.set()
        self._stage_stirred.set()
        self._start_stirred.set()

    def close(self) -> None:
        """Start no more calls. Those noted as SENT that have not started are withdrawn."""
        self._closed.set_result(None)
        self._withdraw(self._staged)
        self._refuse((*self._waiting, *self._staged))
        self._waiting.clear()
        self._staged.clear()

    async def rest(self, wait_s: float) -> None:
        """Wait outside the gate, for a backoff. Raises GateClosed as soon as the gate closes."""
        await asyncio.wait((self._closed,), timeout=wait_s)
        if self._closed.done():
            raise GateClosed

    async def while_open(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work outside the gate, such as reading. It is cut off, and GateClosed raised, as soon as the gate closes."""
        task = asyncio.create_task(work)
        try:
            await asyncio.wait((task, self._closed), return_when=asyncio.FIRST_COMPLETED)
            if self._closed.done():
                raise GateClosed
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _withdraw(self, entries: Iterable[Entry]) -> None:
        if rows := [entry.row for entry in entries]:
            self._journal.withdraw(rows)

    def _refuse(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            entry.refuse()

    def _stageable(self) -> int:
        """Return how many waiting calls to note as SENT now."""
        room = min(len(self._waiting), self.slots - self.in_flight - len(self._staged))
        if self._held is not None:
            return 0
        due = max(1, self._pacer.due_within(LEAD_S))
        # Half of them at least at a time, so that one commit serves several calls.
        return min(room, due - len(self._staged)) if len(self._staged) <= due // 2 else 0

    async def stage(self) -> None:
        """Keep the next calls noted as SENT. Runs until cancelled. Raises LedgerError."""
        while True:
            # Nothing is noted as SENT while nothing may start: it would look like a call in the air.
            self._held = self._pacer.held_s()
            count = self._stageable()
            if count <= 0:
                self._stage_stirred.clear()
                await self._wait_for_work()
                continue
            entries = [self._waiting.popleft() for _ in range(count)]
            try:
                await self._journal.sent([entry.row for entry in entries])
            except LedgerError:
                self._refuse(entries)
                raise
            if self._closed.done():
                self._withdraw(entries)
                self._refuse(entries)
                return
            self._staged.extend(entries)
            self._start_stirred.set()

    async def _wait_for_work(self) -> None:
        """Wait until something changed that staging may wait for: a row, a slot, or the end of a hold."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if self._held is None else min(self._held, HOLD_LOOK_S)):
                await self._stage_stirred.wait()

    async def start(self) -> None:
        """Let the staged calls go, each at its time. Runs until cancelled. Raises what TokenSource.get raises."""
        while True:
            # After a refused token a single call goes ahead, to see whether the new one is any better.
            if not self._staged or (self.in_flight and not self._tokens.proven):
                self._start_stirred.clear()
                await self._start_stirred.wait()
                continue
            token = await self._tokens.get()
            if not self._pacer.try_start():
                await self._pacer.start()
                if not self._staged or not self._tokens.good(token):
                    continue
            entry = self._staged.popleft()
            self.in_flight += 1
            entry.admit(token)
            if self._waiting:
                self._stage_stirred.set()


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
        clock: Callable[[], float],
        max_attempts: int,
        wait: wait_random_exponential,
        stop: Callable[[str], None],
    ) -> None:
        """`clock` is the pacer's; `stop` ends the run for the reason it is given."""
        self._gate = gate
        self._client = client
        self._tokens = tokens
        self._journal = journal
        self._throttle = throttle
        self._clock = clock
        self._max_attempts = max_attempts
        self._wait = wait
        self._stop = stop
        self._reached = False
        self._success: Reply | NoReply | None = None
        self._success_verdict = Verdict(Ruling.DONE, None, None, None, None)

    async def deliver(self, work: Work, token: str) -> None:
        """Try a row that the gate has admitted until it has an outcome, and note each call in the journal.

        Raises GateClosed, CredentialsRefused and ServiceUnreachable; the row is pending then.
        """
        # tenacity halves the throughput where it wraps every call, so a row meets it only once its first try failed.
        first = await self._try(work, 1, token)
        if first.ruling is not Ruling.AGAIN or self._max_attempts == 1:
            return
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
            sleep=self._gate.rest,
            retry_error_callback=_ignore,  # the last verdict is in the journal already
        )
        await retrying(next_try)

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
            self._journal.answered(
                Attempt(
                    row=work.number,
                    id=work.row.id,
                    tried=work.tried,
                    status=status,
                    error=error,
                    number=number,
                    counted=verdict.ruling not in (Ruling.THROTTLED, Ruling.REFUSED),
                    started_at=started_at,
                    latency_ms=latency_ms,
                    verdict=verdict.kind or verdict.ruling.value,
                    http_status=verdict.http_status,
                    return_code=verdict.return_code,
                    description=verdict.description,
                )
            )
            if unreachable:
                raise ServiceUnreachable(
                    f"the service cannot be reached: {verdict.description}", hint="check --base-url and the network"
                )
            if verdict.ruling is Ruling.REFUSED:
                self._tokens.refused(admitted)
                continue
            self._tokens.accepted(admitted)
            if verdict.ruling is Ruling.THROTTLED:
                if reason := self._throttle.throttled(verdict, started_s):
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
