"""A fleet on several hosts, by way of PostgreSQL: who has a tenant there works on it, and the others stand by.

Promises that nothing is sent of a tenant whose claim is lost. While the database is out of reach, tenants stand by; whoever
is stopped by a signal leaves its tenants to the others.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from bulkroute.engine import Engine
from bulkroute.errors import BulkrouteError, LedgerBusy, StopKind, UsageError
from bulkroute.fleet.ground import EndedElsewhere, Footing
from bulkroute.fleet.handover import hand_over_if_silent
from bulkroute.fleet.tenants import FleetTenant
from bulkroute.ledger.batches import Tenant
from bulkroute.postgres.claim import Claim
from bulkroute.postgres.connect import place_of
from bulkroute.postgres.database import Database, tenant_number
from bulkroute.postgres.stored import Seen
from bulkroute.run import control

LOOK_EVERY_S = 1.0
"""How often it is looked how tenants on other hosts are, and at most how often it is tried to reach the database again."""

LEFT_TO_OTHERS = frozenset({StopKind.SIGNAL, StopKind.COPY, StopKind.BUSY})
"""Why a tenant ended that whoever stands by goes on with."""


class Told(NamedTuple):
    """What hosts tell of their tenants, to be shown and to be kept in the database."""

    state_of: Callable[[str], Mapping[str, Any]]
    """Returns how far a tenant is, as plain values; `summary` is that of its run once that has ended."""
    on_notice: Callable[[str, str], None]
    """Takes a tenant, and what people should know of it."""
    on_end: Callable[[str, Seen], None] | None
    """Takes a tenant that another process has brought to its end, which stands then; None: it is gone on with."""


class LeftToAnother(LedgerBusy):
    """The service is silent towards this host, and another one stands by."""


@contextlib.asynccontextmanager
async def _watched(claim: Claim, engine: Engine) -> AsyncIterator[None]:
    """Let an engine work until its service is silent towards this host, and another one stands by. Raises LeftToAnother."""
    watching = asyncio.create_task(hand_over_if_silent(engine, claim), name="hand over")
    try:
        yield
        if watching.done():
            raise LeftToAnother("the service is silent towards this host, and another one stands by", where=claim.name)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


class Hosts:
    """The database as the ground of a fleet. Use as an async context manager, within one event loop."""

    is_shared = True

    def __init__(self, url: str, tenants: Iterable[FleetTenant], limits: Mapping[str, float], told: Told) -> None:
        """Take a database's address. Raises UsageError for what is none, and for two tenants that are one there."""
        place_of(url)
        self._url = url
        self._limits = limits
        self._numbers = _numbered(tenants)
        self._told = told
        self._claims: dict[str, Claim] = {}
        self._seen: dict[int, Seen] = {}
        """How tenants were when it was last looked; empty while the database is out of reach."""
        self._ended_at: dict[str, float | None] = {}
        """When each tenant had ended as this process began, or as its end was told of."""
        self._over: set[str] = set()
        """Those whose end was told of."""
        self._database: Database | None = None
        self._opening = asyncio.Lock()
        self._failed: tuple[float, BulkrouteError] | None = None
        """When the database could not be reached last, and why."""
        self._exits = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Hosts":
        """Connect. Raises UsageError (a pooler, say), and StoppedEarly where the database cannot be reached."""
        await self._open()
        for name, number in self._numbers.items():
            self._ended_at[name] = self._seen[number].ended_at if number in self._seen else None
        self._looking = asyncio.create_task(self._look_again(), name="hosts")
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Give all tenants back."""
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)
        await self._exits.aclose()

    async def _open(self) -> Database:
        """Return a database that answers, a new one where the last one is lost. Raises UsageError, StoppedEarly."""
        async with self._opening:
            if self._database is not None and self._database.lost is None:
                return self._database
            now_s = asyncio.get_running_loop().time()
            if self._failed is not None and now_s - self._failed[0] < LOOK_EVERY_S:
                raise self._failed[1]
            await self._exits.aclose()
            self._database = None
            try:
                database = await self._exits.enter_async_context(Database(self._url))
                self._seen = await database.overview(list(self._numbers.values()))
            except BulkrouteError as error:
                self._failed = asyncio.get_running_loop().time(), error
                self._seen = {}  # who had a tenant then says nothing of now
                raise
            self._database = database
            return database

    @contextlib.asynccontextmanager
    async def enter(self, tenant: FleetTenant) -> AsyncIterator[Footing]:
        """Take a tenant over, and give what its engine needs; in the end the copy is renewed, and the tenant given back."""
        database = await self._open()
        claim = await database.claim(Tenant.of(tenant.settings), tenant.name)
        if claim is None:
            raise LedgerBusy("another process works on it", where=tenant.name, hint="this one stands by")
        number = self._numbers[tenant.name]
        self._note_end(tenant.name, (await database.overview([number])).get(number))
        if tenant.name in self._over:
            await claim.give_back()
            raise EndedElsewhere("another process has brought it to its end", where=tenant.name)
        error = None
        try:
            if told := await claim.bring_up(tenant.ledger):
                self._told.on_notice(tenant.name, told)
            claim.on_word = partial(control.ask, tenant.ledger)
            self._claims[tenant.name] = claim
            limit = await database.limit(tenant.limit, self._limits[tenant.limit]) if tenant.limit else None
            yield Footing(limit, claim.copy, partial(_watched, claim))
        except BulkrouteError as raised:
            error = raised
            raise
        finally:
            self._claims.pop(tenant.name, None)
            if database.lost is None:
                await self._give_back(claim, tenant, error)

    async def _give_back(self, claim: Claim, tenant: FleetTenant, error: BulkrouteError | None) -> None:
        """Renew the copy and give the tenant back, with how it ended; nothing is told of one that was cancelled."""
        state = self._told.state_of(tenant.name)
        summary = state.get("summary") or {}
        code = error.exit_code if error else summary.get("exit_code")
        stop = error.stop if error else summary.get("stop")
        with contextlib.suppress(BulkrouteError):  # it is lost by now, and the tenant free anyway
            if isinstance(error, LeftToAnother):
                await claim.hand_over()
            elif code is None:
                await claim.give_back()
            else:
                await claim.end(tenant.ledger, code, {**state, "stop": stop, "stopped": str(error) if error else None})

    def is_taken(self, tenant: FleetTenant) -> bool:
        """Tell whether a process worked on a tenant when it was last looked; False while the database is out of reach."""
        seen = self._seen.get(self._numbers[tenant.name])
        return seen is not None and seen.is_held

    async def _look_again(self) -> None:
        """Look how tenants are on other hosts, and tell others how those here are; until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for name, claim in self._claims.items():
                claim.state = self._told.state_of(name)
            with contextlib.suppress(BulkrouteError):  # out of reach; whoever needs it says so
                self._seen = await (await self._open()).overview(list(self._numbers.values()))
            for name, number in self._numbers.items():
                seen = self._seen.get(number)
                if seen is not None and not seen.is_held:
                    self._note_end(name, seen)

    def _note_end(self, name: str, seen: Seen | None) -> None:
        """Tell of a tenant's end, if there is one since this process began that is not left to others."""
        if self._told.on_end is None or seen is None or seen.ended_at in (None, self._ended_at[name]):
            return
        self._ended_at[name] = seen.ended_at
        if (seen.state or {}).get("stop") not in LEFT_TO_OTHERS:
            self._over.add(name)
            self._told.on_end(name, seen)


def _numbered(tenants: Iterable[FleetTenant]) -> dict[str, int]:
    """Return what stands for each tenant in the database. Raises UsageError where two are one there."""
    found: dict[int, str] = {}
    for tenant in tenants:
        first = found.setdefault(tenant_number(Tenant.of(tenant.settings), tenant.name), tenant.name)
        if first != tenant.name:
            raise UsageError(
                f"{first} and {tenant.name} have one service and one app key, so they are one tenant in the database",
                hint="put their rows into one manifest, or leave --on out",
            )
    return {name: number for number, name in found.items()}
