"""What another process has brought to its end is not begun again, be it a process here or on another host."""

from pathlib import Path
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.errors import LedgerBusy
from bulkroute.fleet.ground import EndedElsewhere, Here, Others
from bulkroute.fleet.hosts import Hosts, Told
from bulkroute.fleet.tenants import FleetTenant
from bulkroute.settings import Settings
from tests.postgres import Cluster

SETTINGS = Settings(base_url="https://cc.example.com", credentials=Credentials(app_key="k", app_secret=Secret("s")))


def tenant(folder: Path) -> FleetTenant:
    return FleetTenant("acme", 1, SETTINGS, folder / "acme.csv", None, folder / "acme.ledger.db", None)


async def test_of_processes_here(tmp_path: Path) -> None:
    for is_taken, has_ended, refused in ((True, True, LedgerBusy), (False, True, EndedElsewhere), (False, False, None)):
        ground = Here({}, Others(lambda _: is_taken, lambda _: has_ended))  # noqa: B023  asked within the turn
        caught = None
        try:
            async with ground.enter(tenant(tmp_path)):
                pass
        except LedgerBusy as error:
            caught = type(error)
        assert caught is refused


@pytest.mark.slow
@pytest.mark.parametrize(
    ("summary", "is_over"),
    [({"exit_code": 3, "stop": "max_failures"}, True), ({"exit_code": 4, "stop": "signal"}, False)],
)
async def test_of_hosts(tmp_path: Path, postgres: Cluster, summary: dict[str, Any], is_over: bool) -> None:
    url, told = postgres.url(postgres.new_database()), []
    ends = Told(lambda _: {"summary": summary}, lambda *_: None, lambda name, seen: told.append((name, seen.exit_code)))
    alone = ends._replace(on_end=None)
    acme = tenant(tmp_path)
    async with (
        Hosts(url, [acme], {}, ends) as one,
        Hosts(url, [acme], {}, ends) as other,
        Hosts(url, [acme], {}, alone) as single,
    ):
        async with one.enter(acme):
            pass
        if is_over:
            for _ in range(2):
                with pytest.raises(EndedElsewhere):
                    async with other.enter(acme):
                        pass
            assert ("acme", 3) in told
        else:
            async with other.enter(acme):
                pass
        async with single.enter(acme):  # whoever runs it alone goes on with it
            pass
