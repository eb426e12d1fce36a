"""The operator's commands and pings around one run: what is asked before it, and who hears of what happens.

    async with Hooks(settings, tokens.clean, ledger, on_notice=..., keep=...) as hooks:
        ...                         # hold the ledger
        await hooks.before_run()    # before anything is read or written; raises for a no
        ...                         # the run, whose events go to `hooks.on_event`

Whatever ends the block is told, unless nothing was done at all (exit code 75). But for `before_run` nothing here holds
the run up or changes how it ends: it runs beside, and at the end at most `LAST_S` are waited for all of it together.
"""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bulkroute.cec.clean_text import CleanText
from bulkroute.errors import BulkrouteError, ExitCode, LedgerBusy, LedgerError, NotNow, StopKind, StoppedEarly
from bulkroute.events import Event, RunEnded, RunStarted, Stopping, WaitBegan, WaitEnded
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.remarks import Remark, RemarkKind
from bulkroute.ledger.status import ended_by, read_status
from bulkroute.model import iso
from bulkroute.progress import Summary
from bulkroute.run.hook_process import TIMEOUT_S, ShellEnd, run_shell
from bulkroute.run.pings import Pings
from bulkroute.settings import Settings

LAST_S = 30.0
"""How long a run that has ended waits for hooks and pings, all of them together."""

IN_ORDER_S = 10.0
"""How long the hook of an event waits for that of the event before it, so that whoever is told hears them in order."""

WAITING_AFTER_S = 60.0
"""A wait that lasts longer is told."""

KILLED_WITHIN_S = 1.0
"""How long it may take until a command whose time is up is known to be gone."""

SAID_AFTER_S = 2.0
"""How long hooks are waited for in silence."""

IN_VARIABLES = ("event", "tenant", "note", "reason")
"""What of it a command is told in variables too, such as BULKROUTE_EVENT."""

NOT_NOW = 75
"""What `--before-run` exits with where this is no moment for a run, and nothing to worry about."""


class Hooks:
    """Tells of one run, from before its ledger is held until after its end."""

    def __init__(
        self,
        settings: Settings,
        clean: CleanText,
        ledger: Path,
        *,
        on_notice: Callable[[str], None],
        keep: Callable[[Remark], None],
    ) -> None:
        """`keep` gets what is to be kept in the ledger while the run goes on; what comes later is written here."""
        self._settings = settings
        self._clean = clean
        self._ledger = ledger
        self._on_notice = on_notice
        self._keep = keep
        self._pings = Pings(settings.ping_url, settings.ping_ok) if settings.ping_url else None
        self._is_heard = bool(settings.on_event or self._pings)
        self._clock = asyncio.get_running_loop().time
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_event: asyncio.Task[None] | None = None
        self._start_ping: asyncio.Task[None] | None = None
        self._waits: dict[str, asyncio.TimerHandle] = {}
        self._failures_told: set[str] = set()
        self._batch: int | None = None
        self._run: int | None = None
        self._has_ended = False
        self._is_finishing = False
        self._is_cut_short = False
        self._end_at_s = math.inf
        """When the last of them has to be over, on the loop's clock."""
        self._late: list[Remark] = []
        """What is kept of hooks that ended after the run."""

    async def __aenter__(self) -> Self:
        """Begin; nobody is told yet."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Tell of an end that no event told of, and wait for whatever is under way."""
        self._is_finishing = True
        try:
            if error is not None and not self._has_ended and self._is_heard:
                await self._end_by(error)
            await self._finish()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._keep_late()

    async def before_run(self) -> None:
        """Ask `--before-run`; raises NotNow, or StoppedEarly for a no. Then the monitor hears of the start."""
        if command := self._settings.before_run:
            end = await self._call(command, "before_run", None, await self._status(), TIMEOUT_S)
            said = f"{end.words}: {end.last_line}" if end.last_line else end.words
            if end.exit_code == NOT_NOW:
                raise NotNow(f"not now, says --before-run ({said})", hint="nothing was done, try again later")
            if end.exit_code != 0:
                raise StoppedEarly(
                    f"nothing was sent: --before-run did not say go ({said})",
                    hint="the same command asks it again",
                    stop=StopKind.BEFORE_RUN,
                )
            self._record("--before-run", end)
        if self._pings:
            self._start_ping = self._spawn(self._ping(self._pings.start))

    def on_event(self, event: Event) -> None:
        """Tell whoever is to hear of an event of the run. Returns at once."""
        if self._has_ended or not self._is_heard:
            return
        match event:
            case RunStarted():
                self._batch, self._run = event.batch, event.run
                self._tell("started")
            case WaitBegan(cause="gate"):
                self._tell("gate", event.reason)
            case WaitBegan():
                self._end_wait(event.cause)
                wait_s = max(0.0, event.since + WAITING_AFTER_S - time.time())
                loop = asyncio.get_running_loop()
                self._waits[event.cause] = loop.call_later(wait_s, self._tell, "waiting", event.reason)
            case WaitEnded():
                self._end_wait(event.cause)
            case Stopping():
                self._tell("stopped", event.reason)
            case RunEnded():
                self._end(event.summary)

    def cut_short(self) -> bool:
        """Wait no longer for what goes on after the end; return whether it has come to that."""
        if self._is_finishing and not self._is_cut_short:
            self._is_cut_short = True
            for task in self._tasks:
                task.cancel()
            self._on_notice("hooks and pings that were under way are cut off")
        return self._is_finishing

    def _end_wait(self, cause: str) -> None:
        if timer := self._waits.pop(cause, None):
            timer.cancel()

    async def _end_by(self, error: BaseException) -> None:
        """Tell of the end that an error is; not if nothing was done, as another run holds the ledger or this is no moment."""
        if not isinstance(error, BulkrouteError):
            cancelled = StoppedEarly("interrupted", hint="the same command goes on")
            bug = BulkrouteError(f"a bug in bulkroute ({type(error).__name__})")
            error = cancelled if isinstance(error, asyncio.CancelledError) else bug
        if error.exit_code is not ExitCode.BUSY:
            labels = {"tenant": self._settings.tenant, "note": self._settings.note}
            self._end(await asyncio.to_thread(ended_by, error, self._ledger, **labels))

    def _end(self, summary: Summary) -> None:
        self._has_ended = True
        self._end_at_s = self._clock() + LAST_S
        for cause in list(self._waits):
            self._end_wait(cause)
        self._tell("ended", summary.stopped, summary)
        if self._pings:
            if self._start_ping:
                self._start_ping.cancel()  # if it came later than the end, the monitor would wait for another one
            end = partial(self._pings.end, summary.exit_code or 0, summary.to_json().encode())
            self._spawn(self._ping(end))

    async def _finish(self) -> None:
        """Wait for all that is under way, at most until `_end_at_s`."""
        if not self._tasks:
            return
        _done, going_on = await asyncio.wait(self._tasks, timeout=SAID_AFTER_S)
        if going_on:
            left_s = max(0.0, self._end_at_s - self._clock())
            self._on_notice(f"waiting up to {left_s:.0f} s for hooks and pings to end")
            await asyncio.wait(going_on, timeout=left_s + KILLED_WITHIN_S)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name="hook")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._is_cut_short:
            task.cancel()
        return task

    def _tell(self, event: str, reason: str | None = None, summary: Summary | None = None) -> None:
        if command := self._settings.on_event:
            self._last_event = self._spawn(self._hear(command, event, reason, summary, self._last_event))

    async def _hear(
        self,
        command: str,
        event: str,
        reason: str | None,
        summary: Summary | None,
        previous: "asyncio.Task[None] | None",
    ) -> None:
        """Call `--on-event`, once it has heard of the event before."""
        at = iso(time.time())
        status = summary.fields() if summary else await self._status()
        if previous is not None:
            await asyncio.wait({previous}, timeout=IN_ORDER_S)
        timeout_s = min(TIMEOUT_S, max(0.0, self._end_at_s - self._clock()))
        end = await self._call(command, event, reason, status, timeout_s, at)
        self._record("--on-event", end, f"--on-event ({event})")

    async def _call(
        self,
        command: str,
        event: str,
        reason: str | None,
        status: dict[str, Any] | None,
        timeout_s: float,
        at: str | None = None,
    ) -> ShellEnd:
        settings = self._settings
        told = {
            "event": event,
            "at": at or iso(time.time()),
            "ledger": str(self._ledger),
            "tenant": settings.tenant or None,
            "note": settings.note or None,
            "reason": reason,
            "status": status,
        }
        # Without the ledger: a run that is started in here would take it for its own --ledger.
        variables = {f"BULKROUTE_{name.upper()}": str(told[name] or "") for name in IN_VARIABLES}
        stdin = json.dumps(told, ensure_ascii=False).encode() + b"\n"
        return await run_shell(command, clean=self._clean, stdin=stdin, variables=variables, timeout_s=timeout_s)

    async def _status(self) -> dict[str, Any] | None:
        """Return what `status --json` shows now; None if there is nothing to show yet."""

        def read() -> dict[str, Any] | None:
            with contextlib.suppress(LedgerError), Ledger(self._ledger).read() as reader:
                return read_status(reader, self._batch).summary.fields()
            return None

        return await asyncio.to_thread(read)

    async def _ping(self, ping: Callable[[], Awaitable[str]]) -> None:
        if trouble := await ping():
            self._say("--ping-url", f"a ping failed: {trouble}")
            self._remark(f"--ping-url: a ping failed: {trouble}", is_good=False)

    def _record(self, flag: str, end: ShellEnd, what: str = "") -> None:
        """Keep what a command said; tell that it failed."""
        is_good = end.exit_code == 0
        if not is_good:
            self._say(flag, f"{end.words}: {end.last_line}" if end.last_line else end.words)
        if end.output or not is_good:
            self._remark(": ".join(filter(None, (what or flag, end.words, end.output))), is_good=is_good)

    def _say(self, flag: str, what: str) -> None:
        """Tell once that a hook, or the monitor, does not work; further failures are in the ledger alone."""
        if flag not in self._failures_told:
            self._failures_told.add(flag)
            self._on_notice(f"{flag} failed, which changes nothing of the run ({what})")

    def _remark(self, text: str, *, is_good: bool) -> None:
        remark = Remark.now(RemarkKind.HOOK, text, is_good=is_good)
        if self._has_ended:
            self._late.append(remark)
        else:
            self._keep(remark)

    def _keep_late(self) -> None:
        """Keep what came after the run's end, which let go of the ledger; not if another run holds it by now."""
        if not self._late or self._run is None:
            return
        held = Ledger(self._ledger).hold()
        with contextlib.suppress(LedgerBusy, LedgerError), held as ledger, ledger.write() as writer:
            writer.keep_remarks(self._run, self._late)
