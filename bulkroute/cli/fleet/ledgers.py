"""Which ledgers a fleet has, for commands that look at it or steer it: they need no credentials and no manifest."""

from pathlib import Path

from bulkroute.errors import UsageError
from bulkroute.fleet.fleet_file import Entry, read_fleet
from bulkroute.fleet.standing import TenantLedger
from bulkroute.ledger.intake import default_ledger
from bulkroute.manifest import Faults


def ledgers_of(path: Path) -> list[TenantLedger]:
    """Return the tenants of a fleet file and where each is recorded. Raises ManifestError.

    Of what a tenant is given only that is looked at: a fleet that runs must be seen although its file was edited since.
    """
    faults = Faults(str(path))
    entries = read_fleet(path, faults).tenants
    found = [
        TenantLedger(entry.name, path.parent / ledger)
        for entry in entries
        if (ledger := _ledger(entry, faults)) is not None
    ]
    if faults.total:
        raise faults.error()
    return found


def _ledger(entry: Entry, faults: Faults) -> Path | None:
    given = entry.given.get("ledger") or entry.given.get("manifest")
    if given is None or not isinstance(given.value, str):
        faults.add(given.line if given else entry.line, f"{entry.name} has no manifest and no ledger")
        return None
    try:
        return Path(given.value) if "ledger" in entry.given else default_ledger(Path(given.value))
    except UsageError as error:
        faults.add(given.line, f"{entry.name}: {error}")
        return None
