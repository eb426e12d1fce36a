"""A tenant that this process alone works on, as long as the session stands; and the copy of its ledger.

The copy is the file as a run began it, and a record of each commit since. Whoever takes the tenant over makes the file
anew from them and goes on as after kill -9. Nothing is sent before the copy is whole.
"""

import asyncio
import os
import socket
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bulkroute.errors import LedgerBusy, LedgerError, StopKind
from bulkroute.ledger import fetched
from bulkroute.ledger.copied import LEAVES_WITHIN_S, CopyMark, LedgerCopy
from bulkroute.ledger.temp_db import scratch_folder
from bulkroute.postgres import stored
from bulkroute.postgres.connect import Connection
from bulkroute.postgres.session import Session
from bulkroute.postgres.stored import PART_BYTES, Held

LEFT_TO_OTHERS_S = 5.0
"""So long a tenant that was handed over is left to who stood by for it."""

TRIES, TRY_EVERY_S = 20, 0.1
"""How long a ledger is waited for that another command holds: one that keeps what it found, say."""


class Claim:
    """The right to work on a tenant; made by `Database.claim`."""

    def __init__(self, session: Session, database: str, tenant: int, name: str, service: str) -> None:
        self.tenant = tenant
        self.name = name
        self.service = service
        self.state: Mapping[str, Any] | None = None
        """How far it is, for other hosts: written within a second, as JSON."""
        self.on_word: Callable[[str, str | None], Awaitable[Mapping[str, Any]]] | None = None
        """Takes a verb and its value, said to the tenant's run from any host, and returns the answer; as `control.ask` does."""
        self._session = session
        self._database = database
        self._held: Held | None = None
        self._base_number: int | None = None
        """How many commits the copy holds; None until the run's own is made, and nothing is sent before."""
        self._is_whole = False
        self._broken: LedgerError | None = None
        """Why that copy was not made: nothing can follow it."""
        self._backlog: deque[tuple[int, bytes, asyncio.Future[None]]] = deque()
        self.is_given_back = False
        self.is_wanted = False
        """Whether another process stands by for the tenant; it is looked for every second."""
        self.left_to_others_until_s = 0.0
        """On the loop's clock: so long this process claims it no more."""

    @property
    def epoch(self) -> int:
        """How often a process has taken the tenant over, this time included; 0 before `bring_up`."""
        return self._held.epoch if self._held else 0

    @property
    def copy(self) -> LedgerCopy:
        """The copy of the ledger that `bring_up` was called for: for the engine."""
        return LedgerCopy(self._mark, self._add, self._begin)

    @property
    def _mark(self) -> CopyMark:
        return CopyMark(self._database, self.tenant, self.epoch, self._held.number if self._held else 0)

    async def bring_up(self, ledger: Path) -> str | None:
        """Take the tenant over, and make the ledger anew if its copy is further; return what to tell people of it.

        Raises LedgerBusy, and LedgerError (a ledger of another copy too).
        """
        mine = await asyncio.to_thread(fetched.mark_of, ledger)
        if mine is not None and (mine.database, mine.tenant) != (self._database, self.tenant):
            raise LedgerError(
                "this ledger has its copy in another database, or of another tenant",
                where=str(ledger),
                hint="name the database as before, or end that copy with `bulkroute fleet detach`",
            )
        known = mine.epoch if mine else 0
        about = (self.tenant, self.name, self.service, socket.gethostname(), os.getpid(), known)
        held = self._held = await self._session.run(lambda connection: stored.take_over(connection, *about))
        tells = []
        if held.was_left:
            tells.append(f"taken over from {held.host}, where it had not ended")
        # What the one before us had noted as sent may still leave, but not after this.
        all_gone = asyncio.create_task(asyncio.sleep(LEAVES_WITHIN_S if held.was_left else 0))
        is_further = held.base is not None and (mine is None or (held.base_epoch, held.number) > mine.place)
        aside = await self._fetch(ledger, held, held.base) if held.base is not None and is_further else None
        await all_gone
        if is_further:
            kept = f"; the older one is kept as {aside.name}" if aside else ""
            tells.append(f"the ledger is made anew from its copy{kept}")
        return "; ".join(tells) or None

    async def _fetch(self, ledger: Path, held: Held, base: int) -> Path | None:
        with scratch_folder("fetch the ledger's copy") as folder:
            path = folder / "base.db"
            with path.open("wb") as file:
                number = 0
                while data := await self._session.run(
                    partial(stored.part, tenant=self.tenant, base=base, number=number)
                ):
                    await asyncio.to_thread(file.write, data)
                    number += 1
            records: list[bytes] = []
            last = held.base_number
            while found := await self._session.run(partial(stored.records, tenant=self.tenant, after=last)):
                if found[0][0] != last + 1 or found[-1][0] != last + len(found):
                    raise LedgerError(
                        "the ledger's copy has a gap", where=self._session.place, hint="tell us, and keep it"
                    )
                last = found[-1][0]
                records += [record for _, record in found]
            return await asyncio.to_thread(fetched.put_in_place, ledger, path, records)

    async def _begin(self, save_as: Callable[[Path], Awaitable[int]]) -> None:
        """Copy the ledger as a run begins it: when the run is recorded, before its first call. Raises LedgerError."""
        self._base_number, self._is_whole, self._broken = None, False, None
        with scratch_folder("copy the ledger") as folder:
            path = folder / "base.db"
            number = self._base_number = await save_as(path)
            broken: LedgerError | None = LedgerError(
                "the copy was broken off", where=self.name, hint="the same command goes on", stop=StopKind.COPY
            )
            try:
                await self._upload(path, number)
                broken = None
            except LedgerError as error:
                broken = error
                raise
            finally:
                self._is_whole, self._broken = broken is None, broken
                self._catch_up(broken)

    async def end(self, ledger: Path, exit_code: int | None, state: Mapping[str, Any] | None = None) -> None:
        """Copy the ledger as its run has left it, note how that ended, and give the tenant back. Raises LedgerError."""
        if self._held is not None:
            if await asyncio.to_thread(fetched.mark_of, ledger) is not None:
                with scratch_folder("copy the ledger") as folder:
                    path = folder / "base.db"
                    if (number := await self._save(ledger, path)) is not None:
                        await self._upload(path, number)
            given = (self.tenant, self.epoch, exit_code, state)
            await self._session.run(lambda connection: stored.end(connection, *given))
        await self.give_back()

    async def _save(self, ledger: Path, path: Path) -> int | None:
        """Return the number of a saved ledger; None if somebody else holds it all the time: it lacks its run's end then."""
        for _ in range(TRIES):
            try:
                return await asyncio.to_thread(fetched.save_as, ledger, path, self._mark)
            except LedgerBusy:
                await asyncio.sleep(TRY_EVERY_S)
        return None

    async def detach(self, ledger: Path) -> None:
        """Make the ledger here, brought up before, an ordinary one, remove its copy and give the tenant back. Raises LedgerError."""
        await asyncio.to_thread(fetched.forget, ledger)
        await self._session.run(partial(stored.delete, tenant=self.tenant, epoch=self.epoch))
        await self.give_back()

    async def give_back(self) -> None:
        """Let another process work on the tenant. Raises LedgerError."""
        if not self.is_given_back:
            self.is_given_back = True
            await self._session.run(partial(stored.unlock, tenant=self.tenant))

    async def hand_over(self) -> None:
        """Let the process that stands by work on the tenant, which this one does not claim again for a while. Raises LedgerError."""
        self.left_to_others_until_s = asyncio.get_running_loop().time() + LEFT_TO_OTHERS_S
        await self.give_back()

    async def _upload(self, path: Path, number: int) -> None:
        base = await self._session.run(stored.new_base)
        about = (self.tenant, self.epoch, base)
        for part, data in enumerate(_parts(path)):
            packed = await asyncio.to_thread(zlib.compress, data, 1)
            await self._session.run(partial(_add_part, about, part, packed))
        await self._session.run(lambda connection: stored.use_base(connection, *about, number))
        # Bit by bit: commits of other tenants wait meanwhile.
        while await self._session.run(lambda connection: stored.forget(connection, self.tenant, base, number)):
            pass

    def _add(self, number: int, record: bytes) -> asyncio.Future[None]:
        """Keep a commit; what comes before the run's copy is made is part of it, and what comes meanwhile follows it."""
        if self._is_whole:
            return self._session.add(self.tenant, self.epoch, number, record)
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._broken is not None:
            kept.set_exception(self._broken)
        elif self._base_number is None:
            kept.set_result(None)
        else:
            self._backlog.append((number, record, kept))
        return kept

    def _catch_up(self, error: LedgerError | None) -> None:
        while self._backlog:
            number, record, kept = self._backlog.popleft()
            if error is not None:
                kept.set_exception(error)
                continue
            added = self._session.add(self.tenant, self.epoch, number, record)
            added.add_done_callback(partial(_follow, kept))


def _follow(kept: asyncio.Future[None], added: asyncio.Future[None]) -> None:
    if kept.cancelled():
        return
    error = added.exception()
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)


def _add_part(about: tuple[int, int, int], part: int, packed: bytes, connection: Connection) -> None:
    stored.add_part(connection, *about, part, packed)


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(PART_BYTES):
            yield data
