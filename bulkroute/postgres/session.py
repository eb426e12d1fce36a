"""One session of the database for a whole process, in a thread of its own: so it goes on while an event loop is busy.

All records that wait go in one statement, in the order in which they came. Every second the session says that it is
there. Once anything about it is doubtful it is lost, for good: every record and every job fails then, and whoever needs
it opens another one. It never tries again by itself, since a lock that is gone may be somebody else's.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import psycopg

from bulkroute.errors import BulkrouteError, LedgerError, StopKind
from bulkroute.postgres.connect import CONNECT_S, STATEMENT_S, Connection, connect, pid, place_of, words

T = TypeVar("T")

BEAT_S = 1.0
"""How often the session says that it is there."""

HUNG_S = STATEMENT_S + 1.0
"""A statement that takes longer than the server allows: the way there is cut, or the server stands still."""

_APPEND = (
    "WITH given AS (SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::bytea[])"
    " AS given (tenant, epoch, number, record)),"
    " kept AS (INSERT INTO bulkroute.journal_commit (tenant, epoch, number, record)"
    " SELECT given.* FROM given JOIN bulkroute.tenant USING (tenant, epoch) RETURNING 1)"
    " SELECT count(*), pg_backend_pid() FROM kept"
)
"""Keeps records of tenants whose epoch is still theirs. The lock of this very session is why no other can come between.

What it is given goes as bytes, which takes half of the time that texts take.
"""


class Record(NamedTuple):
    """A commit of a ledger, and who waits for it."""

    tenant: int
    epoch: int
    number: int
    record: bytes
    kept: asyncio.Future[None]


class Session:
    """The thread and its connection. `open` it within an event loop, and `close` it."""

    def __init__(self, url: str, beat: Callable[[Connection], None]) -> None:
        """`beat` is called in the thread every second, to say what there is to say. Raises UsageError."""
        self.place = place_of(url)
        self._url = url
        self._beat = beat
        self._loop = asyncio.get_running_loop()
        self._stirred = threading.Condition()
        self._records: list[Record] = []
        self._jobs: deque[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = deque()
        self._closing = False
        self._busy_since_s: float | None = None
        self._connection: Connection | None = None
        self._pid = 0
        self.lost: LedgerError | None = None
        """Why it is lost; None as long as it is not."""
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name="postgres", daemon=True)

    async def open(self) -> None:
        """Connect. Raises UsageError, StoppedEarly."""
        self._thread.start()
        await self.opened

    def add(self, tenant: int, epoch: int, number: int, record: bytes) -> asyncio.Future[None]:
        """Keep a record; the future ends once the database has it, or raises LedgerError."""
        kept: asyncio.Future[None] = self._loop.create_future()
        with self._stirred:
            if self.lost is None:
                self._records.append(Record(tenant, epoch, number, record, kept))
                self._stirred.notify()
                return kept
        _fail(self.lost, [kept])
        return kept

    def run(self, work: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Do work over the connection, in the thread; raises LedgerError."""
        done: asyncio.Future[T] = self._loop.create_future()
        with self._stirred:
            if self.lost is None:
                self._jobs.append((work, done))
                self._stirred.notify()
                return done
        _fail(self.lost, [done])
        return done

    def lose(self, why: str) -> None:
        """End it: it is not to be relied on. What waits fails."""
        with self._stirred:
            if self.lost is not None:
                return
            self.lost = LedgerError(
                f"the ledger's copy is out of reach: {why}",
                where=self.place,
                hint="nothing more is sent; the same command goes on once PostgreSQL can be used",
                stop=StopKind.COPY,
            )
            waiting = [record.kept for record in self._records] + [done for _, done in self._jobs]
            self._records, self._jobs = [], deque()
            self._stirred.notify()
        self._in_loop(_fail, self.lost, waiting)
        self._cut()

    async def watch(self) -> None:
        """Lose it where a statement never ends. Runs until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S / 2)
            since_s = self._busy_since_s
            if since_s is not None and time.monotonic() - since_s > HUNG_S:
                self.lose("PostgreSQL does not answer")

    async def close(self) -> None:
        """End the session, and with it all that it holds; what was given before is done first."""
        with self._stirred:
            self._closing = True
            self._stirred.notify()
        if self._thread.ident is None:
            return
        deadline_s = time.monotonic() + CONNECT_S + HUNG_S
        while self._thread.is_alive() and time.monotonic() < deadline_s:
            await asyncio.to_thread(self._thread.join, 0.5)
        self.lose("it was closed here")

    def _work(self) -> None:
        try:
            self._connection = connect(self._url)
            self._pid = pid(self._connection)
        except BulkrouteError as error:
            self._closing = True
            self._in_loop(_fail, error, [self.opened])
            return
        except psycopg.Error as error:
            self._in_loop(
                _fail,
                LedgerError(words(error), where=self.place, hint="the same command goes on", stop=StopKind.COPY),
                [self.opened],
            )
            return
        self._in_loop(_end, [self.opened], None)
        try:
            with contextlib.closing(self._connection):
                self._serve(self._connection)
        finally:
            self.lose("its session has ended")

    def _serve(self, connection: Connection) -> None:
        beat_at_s = time.monotonic()
        while self.lost is None:
            with self._stirred:
                while not (self._records or self._jobs or self._closing or self.lost):
                    if (left_s := beat_at_s - time.monotonic()) <= 0:
                        break
                    self._stirred.wait(left_s)
                records, self._records = self._records, []
                job = self._jobs.popleft() if self._jobs else None
                if self._closing and not records and job is None:
                    return
            self._busy_since_s = time.monotonic()
            try:
                if records:
                    self._append(connection, records)
                if job is not None:
                    self._do(connection, *job)
                if time.monotonic() >= beat_at_s:
                    self._beat(connection)
                    beat_at_s = time.monotonic() + BEAT_S
            except psycopg.Error as error:
                self.lose(words(error))
                self._in_loop(_fail, self.lost, [record.kept for record in records] + ([job[1]] if job else []))
            self._busy_since_s = None

    def _append(self, connection: Connection, records: list[Record]) -> None:
        *columns, waiting = zip(*records, strict=True)
        kept, by = connection.execute(_APPEND, [list(column) for column in columns]).fetchone() or (0, 0)
        if kept != len(records):
            raise psycopg.OperationalError("another host has taken a tenant over")
        if by != self._pid:
            raise psycopg.OperationalError("a pooler gave its statement to another session")
        self._in_loop(_end, list(waiting), None)

    def _do(self, connection: Connection, work: Callable[[Connection], Any], done: asyncio.Future[Any]) -> None:
        try:
            result = work(connection)
        except BulkrouteError as error:
            self._in_loop(_fail, error, [done])
        except psycopg.Error:
            raise  # whatever it is: the session is lost by it
        except BaseException as error:
            self._in_loop(_fail, error, [done])
            raise
        else:
            self._in_loop(_end, [done], result)

    def _in_loop(self, act: Callable[..., None], *given: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(partial(act, *given))

    def _cut(self) -> None:
        """Let a statement that is under way fail at once."""
        if self._connection is None or self._connection.closed:
            return
        with (
            contextlib.suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(self._connection.fileno())) as way,
        ):
            way.shutdown(socket.SHUT_RDWR)


def _end(waiting: list[asyncio.Future[Any]], result: object) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(result)


def _fail(error: BaseException | None, waiting: list[asyncio.Future[Any]]) -> None:
    for each in waiting:
        if error is not None and not each.done():
            each.set_exception(error)
            each.exception()  # whoever does not wait need not know
