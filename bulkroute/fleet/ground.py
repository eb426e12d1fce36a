"""What a tenant is worked on with: a rate that it shares, a copy of its ledger, and who else may work on it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from bulkroute.engine import Engine
from bulkroute.errors import LedgerBusy
from bulkroute.fleet.tenants import FleetTenant
from bulkroute.ledger.copied import LedgerCopy
from bulkroute.rate.limit import Limit
from bulkroute.rate.pacer import Pacer


class EndedElsewhere(LedgerBusy):
    """Another process has brought the tenant to its end, which stands: nothing is left to do about it here."""


class Others(NamedTuple):
    """What is known of other processes of this machine that work on the same fleet."""

    is_taken: Callable[[FleetTenant], bool]
    """Whether one of them works on a tenant."""
    has_ended: Callable[[FleetTenant], bool]
    """Whether one of them has brought it to its end; known before the tenant is free."""


def unwatched(_engine: Engine) -> AbstractAsyncContextManager[None]:
    """Let an engine work."""
    return contextlib.nullcontext()


class Footing(NamedTuple):
    """What the engine of a tenant is given."""

    limit: Limit | None = None
    """The rate that it shares with others."""
    copy: LedgerCopy | None = None
    """Where its ledger goes to as well."""
    watch: Callable[[Engine], AbstractAsyncContextManager[None]] = unwatched
    """Watches the engine at work, for the block. Raises LedgerBusy where another host is to go on."""


class Ground(Protocol):
    """Where a fleet is worked on."""

    is_shared: bool
    """Whether other processes work on the same tenants."""

    def enter(self, tenant: FleetTenant) -> AbstractAsyncContextManager[Footing]:
        """Give what a tenant is worked on with, for the block.

        Raises LedgerBusy where another process works on it, EndedElsewhere where one has ended it.
        """

    def is_taken(self, tenant: FleetTenant) -> bool:
        """Tell whether another process works on a tenant, as far as is known: if not, it may be tried."""


class Here:
    """One machine: limits are shared within the process, and the lock of a ledger tells who works on it."""

    def __init__(self, limits: Mapping[str, float], others: Others | None = None) -> None:
        """`others` where other processes of this machine work on the same tenants. To be made within the event loop."""
        self._limits = {name: Pacer(rate_per_s) for name, rate_per_s in limits.items()}
        self._others = others
        self.is_shared = others is not None

    @contextlib.asynccontextmanager
    async def enter(self, tenant: FleetTenant) -> AsyncIterator[Footing]:
        """Give the limit; the engine takes the ledger's lock."""
        if self.is_taken(tenant):
            raise LedgerBusy("another process works on it", where=tenant.name, hint="this one stands by")
        if self._others is not None and self._others.has_ended(tenant):
            raise EndedElsewhere("another process has brought it to its end", where=tenant.name)
        yield Footing(self._limits[tenant.limit] if tenant.limit else None)

    def is_taken(self, tenant: FleetTenant) -> bool:
        """As of `Ground`."""
        return self._others is not None and self._others.is_taken(tenant)
