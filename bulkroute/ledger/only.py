"""The rows that a command is limited to, staged: whatever their number, memory stays flat."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bulkroute.ledger.staging import Staging
from bulkroute.manifest import Faults
from bulkroute.model import Row


class Only(NamedTuple):
    """The ids, staged; good as long as they are open."""

    rows: Staging
    digest: str
    """Of the ids, in whatever order they were given."""


@contextlib.contextmanager
def staged(rows: Iterable[Row], faults: Faults) -> Iterator[Only]:
    """Stage the ids of these rows for the block. Raises LedgerError, and ManifestError with every fault."""
    with Staging() as staging:
        staging.load(rows, faults)
        if faults.total:
            raise faults.error()
        digest = hashlib.sha256()
        for row_id in staging.ids():
            digest.update(f"{row_id}\n".encode())
        yield Only(staging, f"only:{digest.hexdigest()}")
