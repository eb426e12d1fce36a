"""Writes what happens to rows, safely and in groups.

Everything noted in one turn of the event loop, and in the next, goes to disk in one commit: with `synchronous=FULL`
a commit is a sync of the disk, and 64 rows cost no more than one. What was committed survives kill -9 and power loss.
One commit at a time: what is noted while one is under way in `commit_thread` goes with the next.

Where the ledger has a copy in a database, each commit counts once both have it.
"""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bulkroute.errors import LedgerError
from bulkroute.ledger import copied, replay
from bulkroute.ledger.commit_thread import CommitThread
from bulkroute.ledger.copied import LedgerCopy
from bulkroute.ledger.file import roll_back
from bulkroute.ledger.gates import GateNote
from bulkroute.ledger.guard import ledger_errors
from bulkroute.ledger.notes import Attempt, Notes, Pace, Wait, write
from bulkroute.ledger.remarks import Remark
from bulkroute.ledger.waves import WaveNote
from bulkroute.model import PaceCause

RECORD = "record what was done"


class Journal:
    """Group commit for one run. A write that fails breaks the journal: nothing more is sent after that."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        run: int,
        announce: Callable[[list[Attempt], list[Attempt]], None],
        copy: LedgerCopy | None = None,
    ) -> None:
        """Take the run's own connection; `announce` gets what was just committed: `answered`, and then `failed`.

        `copy` gets each commit too. Raises sqlite3.Error where it cannot be noted.
        """
        self._announce = announce
        self.copy = copy
        if copy is not None:
            copied.note(connection, copy.mark)
        self._broken: LedgerError | None = None
        self._connection = connection
        self._thread = CommitThread(connection)
        self._is_under_way = False
        """Whether a commit is in the thread."""
        self._path = path
        self._run = run
        self._notes = Notes()
        self._committed: asyncio.Future[None] | None = None
        self._file = path.stat()

    def sent(self, rows: list[int]) -> asyncio.Future[None]:
        """Note that these rows' calls are about to leave; the future ends when that is on disk.

        It raises LedgerError where the disk refused; then the calls must not leave.
        """
        self._notes.sent.extend((row,) for row in rows)
        return self._commit_soon()

    def withdraw(self, rows: list[int]) -> asyncio.Future[None]:
        """Note that the calls of these rows, noted as sent, never left."""
        self._notes.withdrawn.extend((row,) for row in rows)
        return self._commit_soon()

    def answered(self, attempt: Attempt) -> asyncio.Future[None]:
        """Note how a call ended; the future ends when that is on disk."""
        self._notes.attempts.append(attempt)
        return self._commit_soon()

    def failed(self, attempt: Attempt) -> asyncio.Future[None]:
        """Note that a pending row has failed after all, by the last of its calls, which is noted already."""
        self._notes.failed.append(attempt)
        return self._commit_soon()

    def give_back(self, tries: Mapping[int, int]) -> None:
        """Note that so many of each row's tries, by its key, used up none."""
        self._notes.given_back.extend((count, row) for row, count in tries.items())
        self._commit_soon()

    def waiting(self, reason: str) -> Wait:
        """Note that from now on no call can start; give the wait to `waited` when it is over."""
        wait = Wait(reason)
        self._notes.waits.append(wait)
        self._commit_soon()
        return wait

    def waited(self, wait: Wait) -> None:
        """Note that a wait is over, which has ended."""
        self._notes.waits.append(wait)
        self._commit_soon()

    def paced(self, pace: Pace, cause: PaceCause, reason: str) -> None:
        """Note at which pace calls go from now on, and why."""
        self._notes.paces.append((time.time(), pace, cause, reason))
        self._commit_soon()

    def said(self, remarks: Iterable[Remark]) -> None:
        """Note what was said of the run."""
        self._notes.remarks.extend(remarks)
        self._commit_soon()

    def moved_on(self, note: WaveNote) -> asyncio.Future[None]:
        """Note how far a wave is."""
        self._notes.waves.append(note)
        return self._commit_soon()

    def gate_said(self, note: GateNote) -> None:
        """Note what a gate has answered."""
        self._notes.gates.append(note)
        self._commit_soon()

    async def flush(self) -> None:
        """Wait until everything noted is on disk. Raises LedgerError where anything was not."""
        await asyncio.shield(self._commit_soon())  # others wait for the same commit

    async def begin(self) -> None:
        """Let the copy be whole, if there is one, before the first call. Raises LedgerError."""
        if self.copy is not None:
            await self.copy.begin(self.save_as)

    async def save_as(self, path: Path) -> int:
        """Copy the ledger with all that was noted into a new file; return the number of its last commit.

        No commit comes between that and the caller's next await. Raises LedgerError.
        """
        while self._committed is not None or self._is_under_way:
            await self.flush()
        self._is_under_way = True
        try:
            with ledger_errors(self._path, "copy the ledger"):
                return await asyncio.to_thread(copied.save_as, self._connection, path)
        finally:
            self._go_on()

    def _commit_soon(self) -> asyncio.Future[None]:
        if self._committed is None:
            self._committed = asyncio.get_running_loop().create_future()
            self._schedule()
        return self._committed

    def _schedule(self) -> None:
        # A turn later than the next: the answers that have come in by then go with it, a quarter fewer commits.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self.commit)

    def commit(self) -> None:
        """Write now what was noted, if anything is left to write; where a commit is under way, once that has ended."""
        committed = self._committed
        if committed is None or self._is_under_way:
            return
        self._committed = None
        self._notes, notes = Notes(), self._notes
        notes.at = time.time()
        try:
            if self._broken:
                raise self._broken
            with ledger_errors(self._path, RECORD):
                self._check_place()
                job = self._write(notes)
        except LedgerError as error:
            self._break(committed, error)
            return
        if job is None:
            self._tell(committed, notes)
        else:
            self._is_under_way = True
            job.add_done_callback(partial(self._end, committed, notes))

    def _end(self, committed: asyncio.Future[None], notes: Notes, job: asyncio.Future[Any]) -> None:
        """Take the end of a commit in the thread, or of it and of the copy's."""
        try:
            with ledger_errors(self._path, RECORD):
                for outcome in job.result() or ():
                    if isinstance(outcome, BaseException):
                        raise outcome
        except LedgerError as error:
            self._break(committed, error)
        else:
            self._tell(committed, notes)
        self._go_on()

    def _go_on(self) -> None:
        """Let what was noted meanwhile go with the next commit."""
        self._is_under_way = False
        if self._committed is not None:
            self._schedule()

    def _break(self, committed: asyncio.Future[None], error: LedgerError) -> None:
        self._broken = error
        if not committed.cancelled():
            committed.set_exception(error)
            committed.exception()  # whoever noted an answer need not wait for it; the next SENT raises again

    def _tell(self, committed: asyncio.Future[None], notes: Notes) -> None:
        if not committed.cancelled():
            committed.set_result(None)
        self._announce(notes.attempts, notes.failed)

    def _write(self, notes: Notes) -> asyncio.Future[Any] | None:
        """Write what was noted and commit it; return what `CommitThread.commit` does, with what becomes of the copy if there is one."""
        record = replay.encode(self._run, notes) if self.copy else b""
        number = 0
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            write(self._connection, self._path, self._run, notes)
            if self.copy:
                number = copied.count_up(self._connection)
        except BaseException:
            roll_back(self._connection)
            raise
        if not self.copy:
            return self._thread.commit()
        # On its way before the disk is waited for: the two take place at once.
        added = self.copy.add(number, record)
        job = self._thread.commit()
        return asyncio.gather(*filter(None, (added, job)), return_exceptions=True)

    def _check_place(self) -> None:
        """Refuse to write on into a file that has been removed or replaced: nobody would ever read it."""
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self._path.stat(), self._file):
                return
        raise LedgerError(
            "the ledger was removed or replaced while the run was going on",
            where=str(self._path),
            hint="put it back, or run the same command again: rows it no longer tells of are sent again",
        )
