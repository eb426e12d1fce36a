"""Questions to the reading endpoints: each call passes the pacer, and is tried again as any other call is.

Answers are judged by the rules of `answers.judge`: 500 and lost connections again with backoff, 429 without using up a
try, 401 and 403 once more with a renewed token. While the service is down one question at a
time goes out as a probe, and the others wait.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from bulkroute.cec.answers import NoReply, Reply, decode, judge, judge_parsed, parse, sign_of
from bulkroute.cec.service import Feedback, Service
from bulkroute.errors import CredentialsRefused, ReadingRefused, ServiceUnreachable, StoppedEarly
from bulkroute.model import Ruling, Verdict
from bulkroute.rate.backoff import full_jitter_s
from bulkroute.rate.outage import Outage, Read
from bulkroute.rate.throttle import Call
from bulkroute.rate.tries import Fate, Tries

Said = dict[str, Any]

MAY_NOT_READ = "let the app key read called routes, skill queues and IVR flows, or ask the service's operators"
NOT_THE_SERVICE = "check that --base-url is the root of the service, not of a gateway's page or of another interface"
"""What to do where the service does not answer a question as its reference says."""


class _Answered(NamedTuple):
    """What came of a call, its token, and when its first byte left."""

    token: str
    call: Call
    left_s: float
    verdict: Verdict
    said: Said


class Asker:
    """Asks one service's reading endpoints, for whoever shares its pacer and its tokens."""

    def __init__(self, service: Service, feedback: Feedback, outage: Outage) -> None:
        self._service = service
        self._client, self._tokens, self._pacer, self._settings = service
        self._feedback = feedback
        self._outage = outage
        self._numbers = count()
        self._changed = asyncio.Event()
        self._is_reading_once = False

    def sharing(self, feedback: Feedback, outage: Outage) -> "Asker":
        """Return an asker that waits as a run does, and lets the run learn from its answers."""
        return Asker(self._service, feedback, outage)

    @property
    def has_answered(self) -> bool:
        """Whether the service has ever answered a question of ours."""
        return self._outage.is_alive

    def clean(self, text: str) -> str:
        """Return a text of the service fit to be kept and shown: printable, without secrets."""
        return self._tokens.clean(text)

    async def ask(self, endpoint: str, question: Mapping[str, Any]) -> Said:
        """Return the JSON object of a successful answer, without the wrapper that some endpoints put around it.

        Raises CredentialsRefused; ProxyRefused; ServiceUnreachable where no connection came about; ReadingRefused for
        any other refusal; StoppedEarly where throttling went on, or the service was down, for too long.
        """
        tries = Tries(next(self._numbers))
        self._outage.begin()
        try:
            verdict, said = await self._ask(tries, endpoint, question)
        finally:
            self._outage.end(tries, self._pacer.clock())
            self._wake()
        if verdict.ruling is Ruling.DONE:
            return said
        name = endpoint.rpartition("/")[2]
        if verdict.http_status is None:
            raise ServiceUnreachable(
                f"the service cannot be reached: {name}: {verdict.description}", hint="check --base-url and the network"
            )
        raise ReadingRefused(f"{name} is refused: {verdict.words}", hint=MAY_NOT_READ)

    async def _ask(self, tries: Tries, endpoint: str, question: Mapping[str, Any]) -> tuple[Verdict, Said]:
        """Ask until there is an answer, or the tries are used up; throttled and refused calls use up none."""
        verdict, said = Verdict(Ruling.AGAIN, None, None, None, None), Said()
        refusals = 0
        while True:
            await self._wait_for_turn(tries, verdict.words)
            if tries.fate is Fate.FAILED:
                return verdict, said
            answered = await self._call(endpoint, question)
            verdict, said = answered.verdict, answered.said
            fate = self._outage.answered(tries, sign_of(verdict), answered.left_s, self._pacer.clock(), verdict.words)
            self._wake()
            try:
                again = self._feedback.take(verdict, answered.token, answered.call)
            except CredentialsRefused as error:
                name = endpoint.rpartition("/")[2]
                raise CredentialsRefused(f"{error.what} for {name}: {verdict.words}", hint=error.hint) from error
            if again:
                # Retry-After makes everybody wait; without it, only who was refused waits.
                refusals = refusals + 1 if verdict.ruling is Ruling.THROTTLED and verdict.retry_after_s is None else 0
                if refusals:
                    await self._back_off(refusals + 1)
            else:
                if verdict.ruling is not Ruling.AGAIN or fate is Fate.FAILED:
                    return verdict, said
                if fate is not Fate.WITHHELD and not self._outage.is_down:
                    await self._back_off(max(2, tries.used + 1))

    async def _back_off(self, number: int) -> None:
        await asyncio.sleep(full_jitter_s(number, self._settings.backoff_s, self._settings.backoff_cap_s))

    async def _wait_for_turn(self, tries: Tries, words: str) -> None:
        """Wait until this question may be asked again: at once while the service is up, else as the next probe.

        Its fate may be FAILED by then. Raises StoppedEarly.
        """
        outage = self._outage
        while outage.is_down or outage.has_given_up or tries.fate is Fate.WITHHELD:
            if outage.has_given_up:
                raise StoppedEarly.given_up("service", self._settings.max_outage_wait_s, words)
            if outage.wants_read and not self._is_reading_once:
                await self._read_once()
                continue
            due_s, now_s = outage.probe_due_s, self._pacer.clock()
            if due_s is not None and due_s <= now_s:
                outage.probe(tries)
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due_s is None else due_s - now_s):
                    await self._changed.wait()

    async def _read_once(self) -> None:
        self._is_reading_once = True
        try:
            self._outage.read(await self.try_once(), self._pacer.clock())
        finally:
            self._is_reading_once = False
            self._wake()

    async def try_once(self) -> Read:
        """Read one called route, once, to see whether the service answers at all. Raises what getting a token raises."""
        answered = await self._call("calledRoute/queryCalledRoute", {"limit": 1, "offset": 0})
        verdict = answered.verdict
        if verdict.ruling is Ruling.THROTTLED:
            self._feedback.take(verdict, answered.token, answered.call)
            return Read.FAILS
        self._feedback.lost(answered.call)
        if verdict.ruling is Ruling.DONE:
            return Read.WORKS
        not_allowed = verdict.ruling is Ruling.REFUSED or verdict.http_status in (200, 404)
        return Read.NOT_ALLOWED if not_allowed else Read.FAILS

    def probe_at_once(self) -> None:
        """While the service is down, ask the next question at once, for an operator."""
        self._outage.probe_at_once()
        self._wake()

    def _wake(self) -> None:
        """Let those who wait for their turn look again."""
        self._changed.set()
        self._changed.clear()

    async def _call(self, endpoint: str, question: Mapping[str, Any]) -> "_Answered":
        """Make one call; return what came of it."""
        while True:
            token = await self._tokens.get()
            slot = await self._pacer.start()
            if self._tokens.good(token):
                break
            slot.give_back()
        call = self._feedback.started()
        try:
            answer = await self._client.ask(endpoint, question, token, partial(slot.depart, self._pacer.start))
        except BaseException:
            self._feedback.lost(call)
            raise
        return _Answered(token, call, slot.at_s, *self._judge(answer))

    def _judge(self, answer: Reply | NoReply) -> tuple[Verdict, Said]:
        if isinstance(answer, NoReply):
            return judge(answer, clean=self._tokens.clean), {}
        said = self._tokens.clean.fields(parse(answer) or {}, decode(answer))
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
