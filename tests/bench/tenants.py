"""Many tenants in one process, as a supervisor of a fleet would have them: an engine each in one event loop.

    python -m tests.bench.tenants URL TENANTS ROWS RATE

Each sends its own ROWS at RATE calls a second, with a ledger of its own in the working directory, and names itself in
the header X-Tenant. Prints the seconds from the first engine's start to the last one's end.
"""

import asyncio
import sys
import time

from bulkroute import Credentials, Engine, Secret, Settings
from tests.bench.manifests import row_id


async def send(url: str, tenant: int, rows: int, rate_per_s: int) -> None:
    """Send a tenant's rows. Raises RuntimeError if not all of them succeed."""
    settings = Settings(
        base_url=url,
        credentials=Credentials(token=Secret("bench-" + "t" * 26)),
        rate_per_s=rate_per_s,
        snapshot=False,
        headers=(("X-Tenant", str(tenant)),),
    )
    wanted = [(row_id(tenant * rows + number), "ivr", 201) for number in range(rows)]
    async with Engine(settings) as engine:
        summary = await engine.run(wanted, ledger=f"tenant-{tenant}.ledger.db")
    if summary.done != rows:
        raise RuntimeError(f"tenant {tenant}: {summary.done} of {rows} rows")


async def send_all(url: str, tenants: int, rows: int, rate_per_s: int) -> float:
    """Send the rows of all tenants at once; return in how many seconds."""
    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for tenant in range(tenants):
            group.create_task(send(url, tenant, rows, rate_per_s))
    return time.perf_counter() - began_s


if __name__ == "__main__":
    print(asyncio.run(send_all(sys.argv[1], *map(int, sys.argv[2:]))))
