"""Who works on a fleet, in this process or in several: what the faces and the closing message ask of it."""

from typing import Protocol

from bulkroute.fleet.closing import TenantEnd
from bulkroute.fleet.views import TenantView


class Workforce(Protocol):
    """Works on all tenants of a fleet, once."""

    @property
    def reading(self) -> bool:
        """As of `Walk`."""

    async def go(self) -> None:
        """Work until every tenant has its outcome."""

    def views(self) -> list[TenantView]:
        """Return how far each tenant is, in the fleet's order."""

    def ends(self) -> list[TenantEnd]:
        """Return how each tenant ended, in the fleet's order; after `go`."""

    def refuse_reading(self) -> None:
        """As of `Walk`."""

    def interrupt(self, reason: str) -> bool:
        """As of `Walk`."""
