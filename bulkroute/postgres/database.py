"""The database that several hosts share: who works on which tenant, how far each is, and words from any host to any.

    async with Database("postgresql://db/bulkroute") as database:
        claim = await database.claim(Tenant.of(settings), "acme")   # None: another process works on it
        if claim is not None:
            told = await claim.bring_up(ledger)
            async with Engine(settings, copy=claim.copy) as engine:
                summary = await engine.run("manifest.csv", ledger=ledger)
            await claim.end(ledger, summary.exit_code, summary.fields())

Once the session is `lost`, every claim of it is: nothing more is sent, and whoever wants to go on opens another database.
"""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from bulkroute.errors import BulkrouteError, LedgerError
from bulkroute.ledger.batches import Tenant
from bulkroute.postgres import stored, words
from bulkroute.postgres.claim import Claim
from bulkroute.postgres.connect import Connection
from bulkroute.postgres.session import Session
from bulkroute.postgres.shared_limit import SharedLimit
from bulkroute.postgres.stored import Seen
from bulkroute.postgres.words import Word


def tenant_number(tenant: Tenant, name: str) -> int:
    """Return what stands for a tenant in the database: of its service and key; where a ready token hides that, of its name."""
    told = "\n".join((tenant.service, tenant.app_key or f"named {name}"))
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], signed=True)


def say_nothing(connection: Connection) -> None:
    """Let the server see that the session is there."""
    connection.execute("SELECT 1")


class Database:
    """One session for all tenants of a process. Use as an async context manager, within one event loop."""

    def __init__(self, url: str) -> None:
        """Take postgresql://user@host/database. Raises UsageError where it is none."""
        self._claims: dict[int, Claim] = {}
        self._shown: dict[int, str] = {}
        self._wanting: set[int] = set()
        """Tenants that this process stands by for."""
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._session = Session(url, self._beat)
        self._slots: Session | None = None
        self._limits: dict[str, SharedLimit] = {}
        self._opening = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self.place = self._session.place
        """Where it is, without who uses it."""

    async def __aenter__(self) -> Self:
        """Connect. Raises UsageError (a pooler, a replica, an old server), and StoppedEarly where it cannot be reached."""
        await self._session.open()
        self._identity = await self._session.run(stored.identity)
        self._tasks.append(asyncio.create_task(self._session.watch(), name="postgres: watch"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session: all tenants are free then."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(session.close() for session in (self._session, self._slots) if session is not None))

    @property
    def lost(self) -> LedgerError | None:
        """Why the session is lost; None as long as it is not."""
        return self._session.lost

    async def claim(self, tenant: Tenant, name: str) -> Claim | None:
        """Take a tenant to work on; None if another process does, or this one already. Raises LedgerError.

        Who was given None stands by for it, which the other process can see.
        """
        number = tenant_number(tenant, name)
        earlier = self._claims.get(number)
        if earlier is not None and (not earlier.is_given_back or self._loop.time() < earlier.left_to_others_until_s):
            return None
        claim = self._claims[number] = Claim(self._session, self._identity, number, name, tenant.service)
        is_ours = await self._session.run(partial(stored.lock, tenant=number))
        if is_ours == (number in self._wanting):
            await self._session.run(partial(stored.want, tenant=number, wanted=not is_ours))
            self._wanting ^= {number}
        claim.is_given_back = not is_ours
        return claim if is_ours else None

    async def ask(self, tenant: Tenant, name: str, verb: str, value: str | None = None) -> dict[str, Any]:
        """Ask the run of a tenant, on whatever host, as `control.ask` asks one here. Raises NotRunning, LedgerError."""
        return await words.ask(self._session, tenant_number(tenant, name), name, verb, value)

    async def limit(self, name: str, rate_per_s: float) -> SharedLimit:
        """Return the rate of that name, which all processes share that ask for it. Raises StoppedEarly.

        It has a session of its own, since a slot is good for a moment only: no commit may keep it waiting.
        """
        async with self._opening:
            if self._slots is None or self._slots.lost is not None:
                self._limits.clear()
                self._slots = Session(self._url, say_nothing)
                await self._slots.open()
                self._tasks.append(asyncio.create_task(self._slots.watch(), name="postgres: watch slots"))
        if name not in self._limits:
            self._limits[name] = SharedLimit(self._slots, name, rate_per_s)
        return self._limits[name]

    async def overview(self, tenants: Sequence[int]) -> dict[int, Seen]:
        """Return what any host may see of these tenants, by their `tenant_number`, as far as there is any. Raises LedgerError."""
        found = await self._session.run(lambda connection: list(stored.seen(connection, tenants)))
        return {each.tenant: each for each in found}

    def _beat(self, connection: Connection) -> None:
        """Say how far the tenants are: in the session's thread, every second."""
        claims = [claim for claim in list(self._claims.values()) if claim.epoch and not claim.is_given_back]
        states = {claim: json.dumps(claim.state) for claim in claims if claim.state is not None}
        news = [
            (claim.tenant, claim.epoch, state)
            for claim, state in states.items()
            if self._shown.get(claim.tenant) != state
        ]
        if news:
            stored.show(connection, news)
            self._shown.update({tenant: state for tenant, _, state in news})
        wanted = stored.wanted(connection) if claims else set()
        for claim in claims:
            claim.is_wanted = claim.tenant in wanted
        heard = words.hear(connection, [claim.tenant for claim in claims])
        if heard:
            self._loop.call_soon_threadsafe(self._hear, heard)

    def _hear(self, heard: list[Word]) -> None:
        for word in heard:
            self._tasks = [task for task in self._tasks if not task.done()]
            self._tasks.append(asyncio.create_task(self._obey(word), name=f"postgres: {word.verb}"))

    async def _obey(self, word: Word) -> None:
        """Let the run of a tenant answer. What nobody answers is not answered: who asks is told so in time."""
        claim = self._claims[word.tenant]
        if claim.on_word is None:
            return
        try:
            found = await claim.on_word(word.verb, word.value)
        except BulkrouteError as error:
            found = {"ok": False, "error": error.what}
        with contextlib.suppress(LedgerError):  # the session is lost: whoever has the tenant now has not heard it
            await self._session.run(partial(words.answer, word=word.word, found=found))
