"""The gates between two waves: a command, a time, a person. The next wave begins once each of those given has said go.

Nothing is sent while they are asked. What each has answered is kept in the ledger, so that a run that goes on asks only
those that have not said go. One that says no decides, whatever the others say; silence until `--gate-timeout` is a no.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bulkroute.cec.clean_text import CleanText
from bulkroute.ledger.export import write_sheet
from bulkroute.ledger.gates import Gate, GateAnswer, GateKind, GateNote
from bulkroute.ledger.journal import Journal
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.paths import quoted
from bulkroute.ledger.status import read_status
from bulkroute.ledger.temp_db import scratch_folder, temp_errors
from bulkroute.ledger.writer import BatchWriter
from bulkroute.model import printable
from bulkroute.progress import Summary
from bulkroute.run.hook_process import ShellEnd, run_shell
from bulkroute.run.pauses import Pauses
from bulkroute.settings import Settings

GATE = "gate"
"""The key of the pause while gates are asked."""

NOT_YET = 75
"""What `--gate-command` exits with to be asked again."""

ONE_ANSWER_WITHIN_S = 600.0
"""How long `--gate-command` may take for one answer where there is no `--gate-timeout`."""

LONGEST_REASON = 200


class Between(NamedTuple):
    """Where the gates stand."""

    wave: int
    """The wave that has ended."""
    words: str
    """It in words, `wave 2 of 4`."""
    waves: int
    """How many there are."""
    since: float
    """Since when they are asked, in seconds since the epoch; an earlier run may have begun."""


class NoGo(Exception):
    """A gate has said no; the text is the reason."""


class Gates:
    """Asks the gates of one run, after one wave at a time."""

    def __init__(
        self, settings: Settings, batch: BatchWriter, journal: Journal, pauses: Pauses, clean: CleanText
    ) -> None:
        """`clean` knows the secrets that no command may see."""
        self._settings = settings
        self._batch = batch
        self._journal = journal
        self._pauses = pauses
        self._clean = clean
        self._loop = asyncio.get_running_loop()
        self._decided: asyncio.Future[str] | None = None
        """What a person says, while gates are asked: the words of a go. A no is NoGo."""
        self._answers: dict[GateKind, str] = {}
        """What those that have not said go have said last."""
        self.given = [kind for kind in GateKind if f"--gate-{kind}" in settings.gates]
        """Those that must say go."""

    async def ask(self, between: Between, kept: Mapping[GateKind, Gate]) -> str | None:
        """Ask those that have not said go yet; return None once all have, or why there is no go. Raises LedgerError."""
        asked = [kind for kind in self.given if kind not in kept or kept[kind].answer is not GateAnswer.GO]
        if not asked:
            return None
        self._answers = dict.fromkeys(asked, "")
        self._decided = self._loop.create_future()
        for kind in asked:
            self._note(between, kind, GateAnswer.WAITING)
        timeout_s = self._settings.gate_timeout_s
        ends_s = None if timeout_s is None else self._loop.time() + timeout_s
        self._pauses.begin_waiting(GATE, self._reason(between), give_up_s=ends_s)
        reason: str | None = None
        try:
            async with asyncio.timeout_at(ends_s):
                await self._all_say_go(between, asked, ends_s)
        except NoGo as no:
            reason = str(no)
        except TimeoutError:
            reason = f"no go within --gate-timeout ({timeout_s:g} s), still waiting for {self._waited_for()}"
        finally:
            _forget(self._decided)
            self._decided = None
            self._pauses.end(GATE, f"{between.words}: {'go' if reason is None else 'no go'}")
        return reason

    def go(self) -> None:
        """Take a person's go. Raises ValueError if none is waited for."""
        if self._decided is None or self._decided.done() or GateKind.HOLD not in self._answers:
            raise ValueError("no wave is held for a go now")
        self._decided.set_result("")
        self._pauses.reword(GATE, "go, says the operator")  # seen at once by whoever looks; it is kept a moment later

    def no_go(self, reason: str) -> None:
        """Take a person's no, whichever gates are asked. Raises ValueError if none is."""
        if self._decided is None or self._decided.done():
            raise ValueError("no gate is asked now; `stop` ends the run")
        self._decided.set_exception(NoGo(printable(reason, LONGEST_REASON) or "said by the operator"))

    async def _all_say_go(self, between: Between, asked: list[GateKind], ends_s: float | None) -> None:
        """Wait until all have said go; raises NoGo as soon as one, or a person, says no, and ends the others."""
        decided = self._decided
        assert decided is not None  # noqa: S101 -- `ask` has just made it
        work = {
            GateKind.COMMAND: lambda: self._command(between, ends_s),
            GateKind.WAIT: lambda: self._wait(between),
            GateKind.HOLD: lambda: _result_of(decided),
        }
        tasks = {asyncio.create_task(work[kind](), name=f"gate: {kind}"): kind for kind in asked}
        try:
            while left := {task for task in tasks if not task.done()}:
                person = () if decided.done() else (decided,)
                await asyncio.wait((*left, *person), return_when=asyncio.FIRST_COMPLETED)
                if decided.done() and decided.exception():
                    self._take(between, GateKind.HOLD, decided)
                for task in left:
                    if task.done():
                        self._take(between, tasks[task], task)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, between: Between, kind: GateKind, answered: "asyncio.Future[str]") -> None:
        """Take the answer of a gate. Raises NoGo."""
        try:
            words = answered.result()
        except NoGo as no:
            self._note(between, kind, GateAnswer.NO_GO, str(no))
            raise
        self._note(between, kind, GateAnswer.GO, words)

    def _note(self, between: Between, kind: GateKind, answer: GateAnswer, words: str = "") -> None:
        """Keep an answer, and say what is still waited for."""
        self._journal.gate_said(GateNote(between.wave, kind, answer, words))
        if answer is GateAnswer.GO:
            self._answers.pop(kind, None)
        elif answer is GateAnswer.NOT_YET:
            self._answers[kind] = f"not yet{f': {_last_line(words)}' if words else ''}"
        self._pauses.reword(GATE, self._reason(between))

    def _reason(self, between: Between) -> str:
        return f"after {between.words}: waiting for {self._waited_for()}"

    def _waited_for(self) -> str:
        """Return which gates have not said go, and what they said last."""
        names = {
            GateKind.COMMAND: "--gate-command",
            GateKind.WAIT: "--gate-wait",
            GateKind.HOLD: f"`bulkroute ctl {quoted(self._batch.path)} go` or no-go",
        }
        return (
            ", ".join(f"{names[kind]}{f' ({said})' if said else ''}" for kind, said in self._answers.items())
            or "nothing"
        )

    async def _wait(self, between: Between) -> str:
        """Wait until the time since the wave has passed, whatever part of it passed in an earlier run."""
        wait_s = self._settings.gate_wait_s or 0.0
        await asyncio.sleep(max(0.0, wait_s - max(0.0, time.time() - between.since)))
        return f"{wait_s:g} s are over"

    async def _command(self, between: Between, ends_s: float | None) -> str:
        """Ask the command until it says go or no; return the last lines of its go. Raises NoGo."""
        while True:
            left_s = ONE_ANSWER_WITHIN_S if ends_s is None else ends_s - self._loop.time()
            end = await self._ask_command(between, left_s)
            if end.exit_code == 0:
                return end.output
            said = f"{end.words}: {end.output}" if end.output else end.words
            if end.exit_code != NOT_YET:
                raise NoGo(f"--gate-command: {said}")
            self._note(between, GateKind.COMMAND, GateAnswer.NOT_YET, end.output)
            await asyncio.sleep(self._settings.gate_interval_s)

    async def _ask_command(self, between: Between, timeout_s: float) -> ShellEnd:
        """Run the command once. It is told how the batch stands, and gets no secret."""
        with scratch_folder("keep the numbers to dial") as folder:
            sheet = folder / "test-calls.csv"
            summary = await asyncio.to_thread(self._tell, sheet, between.wave)
            told = {
                "WAVE": between.wave,
                "WAVES": between.waves,
                "LEDGER": self._batch.path.resolve(),
                "DONE": summary.done,
                "FAILED": summary.failed + summary.refused,
                "TEST_CALLS": sheet,
            }
            variables = {f"BULKROUTE_{name}": str(value) for name, value in told.items()}
            return await run_shell(
                self._settings.gate_command or "",
                clean=self._clean,
                stdin=summary.to_json().encode() + b"\n",
                variables=variables,
                timeout_s=max(0.1, timeout_s),
            )

    def _tell(self, sheet: Path, wave: int) -> Summary:
        """Write the numbers to dial, and return how the batch stands; a walk through its rows each, so not on the loop."""
        doing = temp_errors("keep the numbers to dial", str(sheet))
        with Ledger(self._batch.path).read() as reader:
            batch = reader.require_batch(self._batch.number)
            with doing, open(sheet, "x", encoding="utf-8", newline="", opener=_private) as file:
                write_sheet(batch.call_sheet(wave), file)
            return read_status(reader, batch.number).summary


def _private(path: str, flags: int) -> int:
    """Open a file that is its owner's alone."""
    return os.open(path, flags, 0o600)


async def _result_of(decided: "asyncio.Future[str]") -> str:
    """Wait for what a person says, which others wait for too."""
    return await asyncio.shield(decided)


def _forget(decided: "asyncio.Future[str]") -> None:
    """Let go of what a person said, or did not."""
    if not decided.cancel() and not decided.cancelled():
        decided.exception()


def _last_line(words: str) -> str:
    return words.rpartition("\n")[2]
