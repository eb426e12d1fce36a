"""The tenants of a fleet, ready to be worked on, and what must not be between two of them."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import ManifestError, UsageError
from bulkroute.ledger.intake import written
from bulkroute.manifest import Faults
from bulkroute.manifest.faults import FAULTS_KEPT
from bulkroute.run.approval import require_approved, require_runnable
from bulkroute.settings import Settings

LEAST_NAMED = 3
"""Faults of a manifest that are shown, however many manifests have some."""


class FleetTenant(NamedTuple):
    """Whose routes they are, and all that its run needs."""

    name: str
    line: int
    """Where the fleet file names it."""
    settings: Settings
    manifest: Path
    format: str | None
    """Of the manifest, where its name does not say."""
    ledger: Path
    limit: str | None
    """The rate that it shares with others, by its name."""


class Fleet(NamedTuple):
    """A fleet file without a fault."""

    path: Path
    tenants: Sequence[FleetTenant]
    """In the order in which they are worked on."""
    limits: Mapping[str, float]
    """Shared rates in calls per second, by their names."""


def require_apart(tenants: Iterable[FleetTenant], faults: Faults) -> None:
    """Add a fault for two tenants with one ledger, and for two at one service with one key that share no limit."""
    ledgers: dict[str, FleetTenant] = {}
    callers: dict[tuple[str, str | None], FleetTenant] = {}
    for tenant in tenants:
        first = ledgers.setdefault(os.path.realpath(tenant.ledger), tenant)
        if first is not tenant:
            what = f"{tenant.name} and {first.name} have one ledger, {tenant.ledger}"
            faults.add(tenant.line, f"{what}; name another with `ledger`")
        app_key = tenant.settings.credentials.app_key
        first = callers.setdefault((tenant.settings.service_name, app_key), tenant)
        if first is tenant or (tenant.limit is not None and tenant.limit == first.limit):
            continue
        if app_key is None:
            both = f"{first.name} and {tenant.name} go to one service with tokens, which do not tell whose they are"
            faults.notice(f"{both}; if they share a limit there, give both one `limit`")
        else:
            both = f"{tenant.name} and {first.name} have one service and one app key, so their rates add up"
            faults.add(tenant.line, f"{both}; name a shared rate under `limits`, and give both that `limit`")


def check_manifests(fleet: Fleet, on_notice: Callable[[FleetTenant, str], None]) -> dict[str, int]:
    """Return how many rows each tenant's manifest has. Raises ManifestError with the faults of all of them."""
    rows: dict[str, int] = {}
    kept: list[str] = []
    total = 0
    each = max(LEAST_NAMED, FAULTS_KEPT // len(fleet.tenants))
    for tenant in fleet.tenants:
        try:
            count = _check(tenant, partial(on_notice, tenant))
        except UsageError as error:
            total += 1
            kept.append(f"{tenant.name}: {error}")
            continue
        except ManifestError as error:
            total += error.total
            kept += [f"{tenant.name}: {fault}" for fault in error.faults[:each]]
            if error.total > each:
                kept.append(f"{tenant.name}: {error.total - each:,} more; `bulkroute check` shows them")
            continue
        rows[tenant.name] = count
        if tenant.settings.expect not in (None, count):
            total += 1
            kept.append(
                f"{tenant.name}: {tenant.manifest}: {count:,} rows, and `expect` says {tenant.settings.expect:,}"
            )
    if total:
        raise ManifestError(str(fleet.path), kept, total)
    return rows


def _check(tenant: FleetTenant, on_notice: Callable[[str], None]) -> int:
    """Return how many rows a manifest has. Raises ManifestError, and UsageError for a plan that may not be run.

    A plan that was begun, and is too old by now, keeps no other tenant from being sent: its own run refuses it.
    """
    require_runnable(tenant.manifest, tenant.format, tenant.settings)
    with written(tenant.manifest, tenant.format, on_notice) as found:
        if not tenant.ledger.exists():
            require_approved(found, tenant.settings, on_notice)
        return found.rows.count
